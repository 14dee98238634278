"""Servers for the tests of this folder, where the packages of the extra ``lior[serve]`` are installed."""

from __future__ import annotations

from importlib.util import find_spec

if all(find_spec(name) for name in ("starlette", "uvicorn", "mcp", "httpx")):
    from serve.browser import chromium  # noqa: F401 (a fixture)
    from serve.servers import (  # noqa: F401 (fixtures)
        _words_alone,
        copied,
        editable,
        folder,
        http,
        live,
        of_folder,
        trained,
    )
else:  # test_extra.py says so
    collect_ignore_glob = ["test_[!e]*.py"]
