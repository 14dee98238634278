"""Stored measurements: a line of JSON for each fit, and its predictions. Nothing is measured twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np

Array = np.ndarray


@attrs.frozen(eq=False)
class Measured:
    """One method on one split."""

    about: dict[str, Any]
    """``method``, ``settings``, ``set``, ``seed``, ``fit_seconds``, ``predict_seconds``, and the chosen
    setting."""
    arrays: dict[str, Array]
    """``predictions``: probabilities (B, C) or numbers (B,). Intervals: ``low``, ``high`` (B,)."""


class Store:
    """A folder with ``measured.jsonl`` and ``arrays/``.

    Several processes may add to it; if two of them measured a key, the first result counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "arrays").mkdir(parents=True, exist_ok=True)
        self._lines: dict[str, dict[str, Any]] = {}
        if (path := folder / "measured.jsonl").exists():
            for line in path.read_text("utf-8").splitlines():
                about = json.loads(line)
                self._lines.setdefault(about["key"], about)

    @staticmethod
    def key(method: str, settings: str, name: str, seed: int) -> str:
        text = json.dumps([method, settings, name, seed])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def get(self, method: str, settings: str, name: str, seed: int) -> Measured | None:
        """Return the result under these four keys, or None."""
        about = self._lines.get(key := self.key(method, settings, name, seed))
        if about is None:
            return None
        with np.load(self.folder / "arrays" / f"{key}.npz") as arrays:
            return Measured(about, dict(arrays))

    def add(
        self,
        method: str,
        settings: str,
        name: str,
        seed: int,
        about: dict[str, Any],
        arrays: dict[str, Array],
    ) -> Measured:
        """Write and return a result."""
        key = self.key(method, settings, name, seed)
        about = {"key": key, "method": method, "settings": settings, "set": name, "seed": seed, **about}
        arrays = {k: v.astype(np.float32) for k, v in arrays.items()}
        np.savez(self.folder / "arrays" / f"{key}.npz", **arrays)  # type: ignore[arg-type]
        with (self.folder / "measured.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(about) + "\n")
        self._lines[key] = about
        return Measured(about, arrays)
