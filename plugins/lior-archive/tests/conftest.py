"""The fixtures of the core's tests, which these share."""

from tests.conftest import (  # noqa: F401 (fixtures and hooks)
    _compiled,
    _unchanged_environment,
    command,
    configure,
    finished,
    install,
    lior,
    pytest_xdist_make_scheduler,
    sample,
    short,
    small_recipe,
)
