"""Digits of 8 × 8 pixels told apart by stored ones: patches under a derived metric, beside raw pixels.

python plugins/lior-field/bench/images.py

Needs scikit-learn, which brings the digits. The derivatives of all patches of an image are its coordinates.
Whitening and temperature are chosen on the last fifth of the training images, and nothing on the test images.
"""

from __future__ import annotations

from itertools import product

import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from lior.geometry import metric, phases
from lior_field.images import patches
from lior_plugins.frames.derived import Derived

SEEDS = 10
CLASSES = 10
WHITENING = (0.0, 0.25, 0.5, 1.0)
SHARPNESS = (5.0, 10.0, 20.0, 40.0, 80.0)
"""``β`` in units of one over the mean cost."""


def derivatives(images: Tensor, side: int, degree: int) -> Tensor:
    """Derivatives of all patches of ``side × side`` pixels, ``(N, P·M)``; their order tells the place."""
    found = (patches(image, (side, side), step=(1, 1), degree=degree)[:, :-2] for image in images)
    return torch.stack([each.flatten() for each in found])


def root_of(z: Tensor, whitening: float) -> Tensor:
    """``A`` of the metric that the frame ``derived`` takes from ``z (N, n)``."""
    frame = Derived(whitening=whitening)
    state = {key: value.to(z) for key, value in frame.init(z.shape[1], generator=Generator()).items()}
    return metric.root(frame.form(frame.observe(state, z)))


def classes(costs: Tensor, stored: Tensor, beta: float) -> Tensor:
    """The class of most weight, ``w = softmax(−β cost)``."""
    weights = phases.free_weights(-beta / costs.mean() * costs)
    return (weights @ torch.nn.functional.one_hot(stored, CLASSES).to(weights)).argmax(1)


def correct(z: Tensor, y: Tensor, train: Tensor, test: Tensor, whitening: float, beta: float) -> float:
    """Share of ``test`` that is told right by the stored ``train``."""
    mapped = z @ root_of(z[train], whitening).T
    found = classes(torch.cdist(mapped[test], mapped[train]), y[train], beta)
    return float((found == y[test]).double().mean())


def nearest(z: Tensor, y: Tensor, train: Tensor, test: Tensor) -> float:
    """The same by the class of the nearest, without a metric."""
    found = y[train][torch.cdist(z[test], z[train]).argmin(1)]
    return float((found == y[test]).double().mean())


def chosen(z: Tensor, y: Tensor, train: Tensor) -> tuple[float, float]:
    """Whitening and ``β`` that are best on the last fifth of ``train``."""
    cut = len(train) * 4 // 5
    options = product(WHITENING, SHARPNESS)
    return max(options, key=lambda each: correct(z, y, train[:cut], train[cut:], *each))


def main() -> None:
    """Print a line for each kind of coordinates and number of stored images."""
    digits = load_digits()
    images, y = torch.as_tensor(digits.images) / 16, torch.as_tensor(digits.target)
    kinds = {"raw pixels": images.flatten(1)}
    for side, degree in ((3, 1), (4, 2), (5, 2)):
        kinds[f"patches of {side} × {side}, degree {degree}"] = derivatives(images, side, degree)
    orders = [torch.randperm(len(y), generator=Generator().manual_seed(seed)) for seed in range(SEEDS)]
    for count, (name, z) in product((1200, 100), kinds.items()):
        splits = [(order[:count], order[1200:]) for order in orders]
        near = torch.tensor([nearest(z, y, *split) for split in splits])
        ours = torch.tensor([correct(z, y, *split, *chosen(z, y, split[0])) for split in splits])
        parts = (f"{100 * each.mean():.2f} ± {100 * each.std():.2f}" for each in (near, ours))
        print(f"{count} stored, {name}, {z.shape[1]} numbers: nearest {next(parts)}, metric {next(parts)}")


if __name__ == "__main__":
    main()
