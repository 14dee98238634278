"""Whether the other tests of this folder can run."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["starlette", "uvicorn", "mcp", "httpx"])
def test_packages_of_the_extra(name):
    pytest.importorskip(name, reason=f"{name} is not installed: no test of lior serve can run")
