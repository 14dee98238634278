"""Language models of your own text that learn without autograd.

The public names are loaded on first use (PEP 562): ``import lior`` imports neither torch nor numpy, so that
the command line starts at once.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lior.api import train
    from lior.config.sampling import Sampling
    from lior.errors import LiorError
    from lior.interfaces import Passage
    from lior.model.language_model import Model
    from lior.plugins.kinds import Kind
    from lior.plugins.registry import Registry, registry
    from lior.runs.run import Run, load
    from lior.training.preparation import resume

for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    # onnxruntime sends reports to its makers unless this is set before its import; a client of a model hub
    # describes the machine in each request. Every process of lior imports this package first. A value set
    # by the user is not changed.
    os.environ.setdefault(_switch, "1")

_EXPORTS = {
    "Kind": "lior.plugins.kinds:Kind",
    "LiorError": "lior.errors:LiorError",
    "Registry": "lior.plugins.registry:Registry",
    "registry": "lior.plugins.registry:registry",
    "Passage": "lior.interfaces:Passage",
    "Model": "lior.model.language_model:Model",
    "Run": "lior.runs.run:Run",
    "Sampling": "lior.config.sampling:Sampling",
    "load": "lior.runs.run:load",
    "resume": "lior.training.preparation:resume",
    "train": "lior.api:train",
}
"""Location of each public name. A name must not equal a submodule's (it would shadow it)."""

__all__ = [
    "Kind",
    "LiorError",
    "Model",
    "Passage",
    "Registry",
    "Run",
    "Sampling",
    "load",
    "registry",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _EXPORTS:
        raise AttributeError(f"module 'lior' has no attribute {name!r}")
    from lior.errors import needs_model

    module, _, attribute = _EXPORTS[name].partition(":")
    with needs_model(f"lior.{name}"):
        value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


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
    return sorted({*__all__, "__version__", *(name for name in globals() if name.startswith("__"))})
