"""Drawing tokens after several texts together, on any device.

The CPU follows the texts: it computes addresses and the tokens that would repeat a unit too often. The device
computes the distributions (:mod:`lior_plugins.counting.mirror`) and draws. The largest ``β log p + g`` wins,
where ``g = -log e`` are Gumbel's numbers (E. J. Gumbel, *Statistical Theory of Extreme Values*, 1954), and
the ``e`` are those of :mod:`lior_plugins.counting.sampling`. So each text gets the tokens that it gets alone
on the CPU, unless rounding exchanges the two best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.compiling import repetition
from lior.interfaces import Race
from lior_plugins.counting import mirror
from lior_plugins.counting.cursor import Cursor
from lior_plugins.counting.engine import Engine, WeightSets
from lior_plugins.counting.layout import Ints
from lior_plugins.counting.mirror import Mirror
from lior_plugins.counting.sampling import SURE_BINS

_COLDEST = 1e30
"""Maximum of the inverse temperature, which float32 must hold."""


class _Races(NamedTuple):
    """The parameters of ``B`` races over ``V`` tokens on a device; tokens outside of the alphabet come
    last."""

    tokens: Tensor
    """``(V,)``"""
    gumbel: Tensor
    """Noise of ``T`` draws, ``(T, B, V)``; 0 after the last draw of a race."""
    beta: Tensor
    """Inverse temperatures, ``(B, 1)``."""
    least: Tensor
    """Logarithms of the minimum probabilities relative to the likeliest, ``(B, 1)``."""
    mixing: Tensor
    """Exponents of the outer mixer."""
    other: float
    """Logarithm of the share of a token outside of the alphabet, relative to all in it."""


def _races(races: Sequence[Race], alphabet: Tensor) -> _Races:
    """Copy the parameters to the device of the alphabet; the longest race is the first."""
    first = races[0]
    tokens = np.concatenate([alphabet.cpu().numpy(), first.others])
    gumbel = np.zeros((len(first.noise), len(races), len(tokens)), np.float32)
    for number, race in enumerate(races):
        gumbel[: len(race.noise), number] = -np.log(race.noise[:, tokens])
    beta = np.array([[min(race.beta, _COLDEST)] for race in races], np.float32)
    with np.errstate(divide="ignore"):
        least = np.log(np.array([[race.least] for race in races], np.float32))
    share = first.unseen / (1 - first.unseen) / len(first.others) if len(first.others) else 1.0
    noise, cold, low, mixing, order = (
        torch.from_numpy(x).to(alphabet.device) for x in (gumbel, beta, least, first.mixing, tokens)
    )
    return _Races(order, noise, cold, low, mixing, math.log(share))


def _choose(races: _Races, p: Tensor, weight_set: Tensor, t: int, barred: Sequence[Ints]) -> Tensor:
    """Return the ``t``-th tokens of the first ``B`` races from distributions ``p (B, A)``, int64 ``(B,)``."""
    going, size = len(p), p.shape[1]
    sure = (p.amax(1) * SURE_BINS).long().clamp(max=SURE_BINS - 1) + SURE_BINS * weight_set
    logit = races.mixing[sure][:, None] * p.log()
    rest = logit.logsumexp(1, keepdim=True) + races.other
    if any(map(len, barred)):
        mask = np.zeros((going, int(max(each.max(initial=0) for each in barred)) + 1), np.bool_)
        for row, each in zip(mask, barred, strict=True):
            row[each] = True
        known = races.tokens[:size].clamp(max=mask.shape[1])
        padded = torch.from_numpy(np.pad(mask, ((0, 0), (0, 1)))).to(p.device)
        logit = logit.masked_fill(padded[:, known], -math.inf)
    logit = torch.cat([logit, rest.expand(-1, len(races.tokens) - size)], 1)
    logit = logit - logit.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).min)
    score = races.beta[:going] * logit + races.gumbel[t, :going]
    return races.tokens[score.masked_fill(logit < races.least[:going], -math.inf).argmax(1)]


def draw(
    copy: Mirror,
    engine: Engine,
    cursors: Sequence[Cursor],
    alphabet: Tensor,
    sets: WeightSets,
    races: Sequence[Race],
    *,
    ahead: int,
) -> list[list[int]]:
    """Draw the tokens after each cursor, which moves on, as :func:`lior_plugins.counting.sampling.draw`.

    The races belong to one model: they differ in noise, temperature, minimum and limits alone.
    """
    order = sorted(range(len(races)), key=lambda number: -len(races[number].noise))
    cursors, races = [cursors[number] for number in order], [races[number] for number in order]
    lengths = [len(race.noise) for race in races]  # texts that end earlier come last
    drawn = np.zeros((len(races), lengths[0]), np.int64)
    table, params = copy.copied(engine, sets, alphabet)
    there = _races(races, alphabet)
    for t in range(lengths[0]):
        going = sum(length > t for length in lengths)
        at = mirror.located(engine.block_at(cursors[:going], ahead=ahead), alphabet.device)
        barred = [repetition.barred(race.limits) for race in races[:going]]
        p, weight_set = mirror.distributions(engine.plan, table, params, at)
        drawn[:going, t] = _choose(there, p, weight_set, t, barred).cpu().numpy()
        for race, cursor, token in zip(races[:going], cursors, drawn[:, t : t + 1], strict=False):
            cursor.feed(token)
            if race.limits.times:
                repetition.feed(race.limits, token)
    found: list[list[int]] = [[] for _ in order]
    for number, row, length in zip(order, drawn, lengths, strict=True):
        found[number] = row[:length].tolist()
    return found
