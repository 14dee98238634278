"""Servers for the tests of this folder."""

from __future__ import annotations

from serve.browser import chromium  # noqa: F401 (a fixture)
from serve.servers import (  # noqa: F401 (fixtures)
    _words_alone,
    copied,
    editable,
    folder,
    http,
    live,
    of_folder,
    serves_folder,
    trained,
)
