"""Training of the network of edges (:mod:`lior_lens.trust`): the posterior of the true strength is raised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from lior.errors import RunError
from lior.runs import bundle
from lior_lens import data, lenses, lines, scenes, trust
from lior_lens.arcs import Arcs, find_arcs
from lior_lens.evaluating import Photograph
from lior_lens.geometry import Lens
from lior_lens.lines import Belief, Grid

_HIDDEN = 24
_SIDES = (448, 640, 800, 1024)
_JUDGED = 0.15
_BATCH = 64
_GRID = Grid.of(lines.STRENGTHS, lines.SHAPES)


@attrs.frozen(kw_only=True, eq=False)
class Case:
    """The edges of a picture with a known lens."""

    looks: NDArray[np.float32]
    """``[arcs, features]``."""
    measured: NDArray[np.float32]
    """``[arcs, 2, strengths, shapes]``: under each lens of the grid that is first looked at."""
    length: NDArray[np.float32]
    noise: NDArray[np.float32]
    direction: NDArray[np.bool_]
    strength: float
    series: str = ""
    """Pictures of one series are learned from or judged by together."""

    @classmethod
    def of(cls, found: Arcs, strength: float, series: str = "") -> Case:
        """Work out what training needs of a picture's edges."""
        return cls(
            looks=trust.features(found).astype(np.float32),
            measured=np.moveaxis(found.measured_over(_GRID.undoing), -1, 0).astype(np.float32),
            length=found.length.astype(np.float32),
            noise=found.noise.astype(np.float32),
            direction=found.direction,
            strength=strength,
            series=series,
        )


@attrs.frozen(kw_only=True, eq=False)
class Fitted:
    """The outcome."""

    weights: dict[str, Tensor]
    notes: dict[str, float]
    regrouped: Fitted | None = None
    """That of edges whose families were sought anew."""

    @property
    def words(self) -> str:
        """The outcome in a line."""
        n = self.notes
        also = f"; regrouped: {self.regrouped.words}" if self.regrouped else ""
        return (
            f"strength off by {n['error']:.4f} on {n['judged']:.0f} pictures, "
            f"constants {n['error_constant']:.4f}, doing nothing {n['error_identity']:.4f}{also}"
        )


class _Net(nn.Module):
    """As :class:`lior_lens.trust.Trust`, which reads its weights; begins near the constants."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(trust.FEATURES, _HIDDEN)
        self.two = nn.Linear(_HIDDEN, _HIDDEN)
        self.all = nn.Linear(_HIDDEN, _HIDDEN, bias=False)
        self.last = nn.Linear(_HIDDEN, trust.MEASURES * trust.OUTPUTS)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            p, t = 1 - trust.CURVED, trust.TEMPER
            self.last.bias.copy_(
                torch.tensor([np.log(p / (1 - p)), np.log(t / (1 - t)), 0.0, 0.0, -2.0, 1.0])
            )
        self.bent = nn.Parameter(torch.tensor(float(np.log(trust.BENT / (1 - trust.BENT)))))

    def forward(self, x: Tensor, owner: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Votes of edges ``[arcs, 2]``; ``owner`` is the picture of each."""
        h = torch.relu(self.one(x))
        total = torch.zeros(count, _HIDDEN).index_add(0, owner, h)
        number = torch.zeros(count).index_add(0, owner, torch.ones(len(x))).clamp(min=1)
        h = torch.relu(self.two(h) + self.all(total / number[:, None])[owner])
        straight, weight, noisier = self.last(h).unflatten(1, (trust.MEASURES, trust.OUTPUTS)).unbind(2)
        apart = torch.stack([torch.ones(len(x)), 1 - x[:, -1]], 1)  # without a family none can be missed
        return straight.sigmoid(), weight.sigmoid() * apart, noisier.clamp(-1, trust.LOOSEST).exp()


def cases(
    pictures: int, seed: int, say: Callable[[str], None], photographs: Sequence[Photograph] = ()
) -> list[tuple[Case, Case]]:
    """Edges of pictures with known lenses, and regrouped: a quarter drawn, the rest cut out of photographs.

    Parameters
    ----------
    photographs
        Those of installed packages if none are given.
    """
    sources = [(each.series, each.path) for each in photographs] or data.packaged(data.FOR_TRAINING)
    drawn = pictures // 4 if sources else pictures
    turns: list[tuple[str, data.SampleSource | Path]] = [
        (f"drawn {i}", data.Boards() if i % 6 == 5 else data.Scenes()) for i in range(drawn)
    ]
    turns += [sources[i * len(sources) // (pictures - drawn)] for i in range(pictures - drawn)]
    found, begin = [], time.monotonic()
    for index, (series, each) in enumerate(turns):
        if isinstance(each, Path) and (not index or turns[index - 1][1] != each):
            read = data.photo_source([(series, data.read_rgb(each))])
        picture, lens = _bent(read if isinstance(each, Path) else each, np.random.default_rng([seed, index]))
        arcs, strength = find_arcs(picture), lines.strength_of(lens)
        found.append((Case.of(arcs, strength, series), Case.of(arcs.regrouped, strength, series)))
        if (index + 1) % 100 == 0:
            say(f"edges: {index + 1} of {pictures} pictures, {time.monotonic() - begin:.0f} s")
    return found


def _bent(source: data.SampleSource, rng: Generator) -> tuple[data.Picture, Lens]:
    """A cut-out as a lens would have taken it, half of them worn."""
    size = data.sized(data.SHAPES[int(rng.integers(len(data.SHAPES)))], int(rng.choice(_SIDES)))
    lens = lenses.draw(rng) if rng.random() < 0.5 else _wide(rng)
    view = source.view(0, size, rng)[0]
    zoom, shift = float(rng.uniform(1, 1.2)), rng.uniform(-1, 1, 2).tolist()
    picture = lenses.bend(view, lens, size, zoom=zoom, shift=(shift[0], shift[1]))[0]
    return (scenes.worn(picture, rng) if rng.random() < 0.5 else picture), lens


def _wide(rng: Generator) -> Lens:
    """Draw a lens of random strength and shape."""
    while True:
        strength, shape = float(rng.uniform(-0.42, 0.32)), float(rng.uniform(-1, 1))
        lens = lines.lens_of(strength, shape)
        steep = lens.least_slope(1.02 / (1 + strength)) > 0.15
        if steep and lens.inverse(np.linspace(0, 1, 64), np.zeros(64))[2].all():
            return lens


def train(
    pictures: int,
    *,
    epochs: int,
    seed: int,
    say: Callable[[str], None],
    photographs: Sequence[Photograph] = (),
) -> Fitted:
    """Bend pictures and fit both networks; the best epoch on series apart is kept."""
    own, regrouped = (
        fit(each, epochs=epochs, seed=seed, say=say)
        for each in zip(*cases(pictures, seed, say, photographs), strict=True)
    )
    return attrs.evolve(own, regrouped=regrouped)


def fit(given: Sequence[Case], *, epochs: int, seed: int, say: Callable[[str], None]) -> Fitted:
    """Fit the network to cases."""
    given = [each for each in given if len(each.length)]
    names = sorted({each.series for each in given})
    chosen = np.random.default_rng(seed).permutation(names)[: max(1, round(_JUDGED * len(names)))].tolist()
    judged = [each for each in given if each.series in chosen]
    kept = [each for each in given if each.series not in chosen]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net()
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    first = _errors(net, judged)
    best, weights = first["loss"], {k: v.clone() for k, v in net.state_dict().items()}
    for epoch in range(epochs):
        net.train()
        shuffled = torch.randperm(len(kept), generator=order).tolist()
        for begin in range(0, len(kept), _BATCH):
            with torch.enable_grad():
                loss = _loss(net, [kept[i] for i in shuffled[begin : begin + _BATCH]])[0]
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        now = _errors(net, judged)
        if now["loss"] < best:
            best, weights = now["loss"], {k: v.clone() for k, v in net.state_dict().items()}
        if (epoch + 1) % 10 == 0:
            say(f"epoch {epoch + 1}: loss {now['loss']:.4f}, constants {first['loss']:.4f}")
    net.load_state_dict(weights)
    last = _errors(net, judged)
    notes = {
        "pictures": float(len(given)),
        "judged": float(len(judged)),
        "loss": last["loss"],
        "error": last["error"],
        "loss_constant": first["loss"],
        "error_constant": first["error"],
        "error_identity": float(np.mean([abs(each.strength) for each in judged])),
    }
    return Fitted(weights=weights, notes=notes)


def _loss(net: _Net, batch: Sequence[Case]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the posteriors, and their means ``[B]``."""

    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(each, name) for each in batch]))

    owner = torch.repeat_interleave(
        torch.arange(len(batch)), torch.tensor([len(each.length) for each in batch])
    )
    probable, weight, noisier = (each[..., None, None] for each in net(joined("looks"), owner, len(batch)))
    measured, length, noise = joined("measured"), joined("length"), joined("noise")
    length, noise = (each[:, None, None, None] for each in (length, noise))
    steps = torch.gradient(measured, dim=(2, 3))
    noise = ((noise * noisier) ** 2 + (steps[0] ** 2 + steps[1] ** 2) / 12).sqrt()
    straight, curved = lines.densities(measured, length, noise, probable)
    votes = weight * (straight + curved).log()
    place = 2 * owner + joined("direction").long()
    logs = torch.zeros(2 * len(batch), *votes.shape[1:]).index_add(0, place, votes)
    each = torch.cat([logs.sum(1, keepdim=True), logs], 1)
    alone = (each + _log_prior(Belief(spread=lines.BENT))).logsumexp((2, 3), keepdim=True)
    misled = torch.tensor(lines.MISLED)
    groups = torch.logaddexp(torch.log1p(-misled) + logs, misled.log() + alone[:, 1:]).sum(1)
    doubt = nn.functional.logsigmoid
    either = torch.logaddexp(doubt(-net.bent) + groups, doubt(net.bent) + alone[:, 0])
    total = _log_prior(Belief()) + either.unflatten(0, (-1, 2)).sum(1)
    posterior = total.flatten(1).log_softmax(1).unflatten(1, votes.shape[2:]).logsumexp(2)
    grid = torch.from_numpy(lines.STRENGTHS).float()
    truth = torch.tensor([each.strength for each in batch])
    # between the strengths of the grid the density is straight
    share = (1 - (grid - truth[:, None]).abs() / (grid[1] - grid[0])).clamp(min=1e-9)
    return -(share.log() + posterior).logsumexp(1).mean(), posterior.exp() @ grid


def _log_prior(belief: Belief) -> Tensor:
    return torch.from_numpy(_GRID.log_prior(belief)).float().clamp(min=-1e4)


@torch.no_grad()
def _errors(net: _Net, judged: Sequence[Case]) -> dict[str, float]:
    net.eval()
    loss, mean = _loss(net, judged)
    truth = torch.tensor([each.strength for each in judged])
    return {"loss": float(loss), "error": float((mean - truth).abs().mean())}


def save(found: Fitted, out: Path) -> None:
    """Write both networks; raises ``RunError`` when the folder exists."""
    if out.exists():
        raise RunError(f"{out}: exists; nothing was touched; give another name")
    parts, notes = {"model": found.weights}, dict(found.notes)
    if found.regrouped:
        parts["regrouped"] = found.regrouped.weights
        notes |= {f"regrouped_{name}": value for name, value in found.regrouped.notes.items()}
    bundle.write(out, parts, {"notes": notes}, format=trust.FORMAT)
