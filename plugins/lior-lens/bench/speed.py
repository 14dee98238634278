"""12 megapixels: frame, safety and resampling beside ``cv2.undistort`` in one process, and the memory of it.

python plugins/lior-lens/bench/speed.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import cv2
import numpy as np

from lior_lens import profiles
from lior_lens.geometry import Lens, Size
from lior_lens.warp import Correction, Flow, in_frame, resample, safety

ORIGINAL = 7.1 / 0.070
"""What the first program took for the same, in units of ``cv2.undistort`` in one process."""


def best(function: Callable[[], object], times: int = 7) -> float:
    """The shortest of several times, in seconds."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return min(found)


def main() -> None:
    """Print a table."""
    size = Size(width=4000, height=3000)
    lens = Lens.brown(k1=-0.12, k2=0.02)
    rng = np.random.default_rng(0)
    image = cv2.resize((rng.random((300, 400, 3)) * 255).astype(np.uint8), (4000, 3000))
    made = profiles.to_opencv(lens, size)
    k, d, new = (np.array(made[name]) for name in ("K", "distortion", "new_K"))
    flow = Flow.bounded(rng.normal(0, 0.001, (2, 24, 32)), size)

    def corrected(interpolation: str, flow: Flow | None = None) -> Callable[[], object]:
        def run() -> object:
            used = in_frame(Correction(lens=lens.monotone(), size=size, flow=flow))
            assert safety(used).safe
            return resample(image, used, interpolation=interpolation)

        return run

    unit = best(lambda: cv2.undistort(image, k, d, None, new))
    print(f"{cv2.getNumThreads()} threads; cv2.undistort {1000 * unit:.0f} ms")
    cases = {
        "linear": corrected("linear"),
        "cubic": corrected("cubic"),
        "linear with flow": corrected("linear", flow),
    }
    for name, function in cases.items():
        seconds = best(function)
        ratio, gain = seconds / unit, ORIGINAL * unit / seconds
        print(f"{name}: {1000 * seconds:.0f} ms, {ratio:.1f} of undistort, {gain:.0f} times as fast")
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
