"""The digest of a run's model: equal for equal models, whatever the names of the tensors.

    python tools/digest.py RUN [RUN ...]

Two versions of lior that train the same text with the same recipe and seed on the same machine
must print the same line.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from safetensors import safe_open


def digest(run: Path) -> str:
    """Return the SHA-256 over sorted hashes of all tensors (type, shape, bytes) of the newest checkpoint."""
    newest = max(run.rglob("manifest.json"), key=lambda path: path.stat().st_mtime).parent
    hashes = []
    for file in sorted(newest.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                value = tensors.get_tensor(name).contiguous()
                head = f"{value.dtype} {tuple(value.shape)} ".encode()
                hashes.append(hashlib.sha256(head + value.numpy().tobytes()).hexdigest())
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(digest(Path(argument)), argument)
