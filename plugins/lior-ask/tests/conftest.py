"""The fixtures and hooks of the core's tests."""

from tests.conftest import *  # noqa: F403
