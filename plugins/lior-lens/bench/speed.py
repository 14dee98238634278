"""12 megapixels: frame, safety and resampling beside ``cv2.undistort`` in one process, the memory of it; and
a folder of photographs, from file to file.

python plugins/lior-lens/bench/speed.py
python plugins/lior-lens/bench/speed.py --folder 100
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lior_lens import correcting, data, estimating, placing, profiles, trust
from lior_lens.geometry import Lens, Size
from lior_lens.warp import Correction, Flow, in_frame, resample, safety

ORIGINAL = 7.1 / 0.070
"""The first program's time for the same, in units of ``cv2.undistort`` in one process."""


def best(function: Callable[[], object], times: int = 7) -> float:
    """The shortest of several times, in seconds."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return min(found)


def folder(count: int) -> None:
    """Judge, correct and write so many JPEG files of 12 MP: drawn scenes with noise, every one corrected."""
    stream = data.Stream(source=data.Scenes(sharper=1.0), seed=5, long_side=4000, worn=False)
    rng, trusted = np.random.default_rng(0), trust.find_shipped()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "in"
        source.mkdir()
        for index in range(8):
            picture = stream.sample(index, (4, 3)).picture
            noisy = np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(source / f"{index}.jpg", quality=93)
        for index in range(8, count):
            (source / f"{index}.jpg").write_bytes((source / f"{index % 8}.jpg").read_bytes())
        megapixels = count * noisy.size / 3e6
        for jobs in (1, 0):
            options = correcting.Options(always=True, jobs=jobs)
            places = placing.Places([source], Path(name) / f"out{jobs}")
            judge = correcting.judge(options, lambda shown: estimating.estimate(shown, None, trusted))
            begin, used = time.perf_counter(), time.process_time()
            outcomes = list(correcting.correct([source], places, options, judge))
            wall, cpu = time.perf_counter() - begin, time.process_time() - used
            print(
                f"{'one after the other' if jobs else 'several at once'}: {correcting.summary(outcomes)}; "
                f"{wall / megapixels:.3f} s/MP, processor {cpu / megapixels:.3f} s/MP"
            )


def main() -> None:
    """Print a table, or the figures of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=int, metavar="COUNT", help="photographs to correct, at least 8")
    count = parser.parse_args().folder
    if count is not None:
        folder(count)
        return
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
