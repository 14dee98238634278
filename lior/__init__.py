"""Language models of your own text that learn without autograd.

The public names are loaded on first use (PEP 562): ``import lior`` imports neither torch nor numpy, so that
the command line starts at once.
"""

from __future__ import annotations

import os
from typing import Any

from lior.exports import exports

for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    # onnxruntime sends reports to its makers unless this is set before its import; a client of a model hub
    # describes the machine in each request. Every process of lior imports this package first. A value set
    # by the user is not changed.
    os.environ.setdefault(_switch, "1")

__all__, _load, _listed = exports(__name__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in __all__:
        from lior.errors import needs_model

        with needs_model(f"lior.{name}"):
            return _load(name)
    return _load(name)


def _version() -> str:
    """Return the installed version, or the version of the checkout if lior is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lior")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def __dir__() -> list[str]:
    return [*_listed(), "__version__"]
