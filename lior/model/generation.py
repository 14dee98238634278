"""Sampling text from a model, one token after the other.

The entropy gate depends on the uncertainty of the model, ``h = H(p) / ln A`` in [0, 1] for an alphabet of
``A`` tokens. It mixes in the unweighted vote of the memories with the weight ``γ = recall · σ(12 (h −
recall_at))``. It also lowers the temperature to ``T (1 − cooling · h)``. Probabilities always sum to 1, and
the temperature stays above 0.

A sample repeats no unit more often in a row than the text of the memories does
(:mod:`lior.compiling.repetition`); scores of texts are those without such a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import attrs
import numpy as np
import torch
from torch import Generator, Tensor

from lior.compiling import repetition
from lior.config.sampling import Sampling
from lior.interfaces import Evidence, Limits, Text
from lior.model import following
from lior.model.following import DocumentCoordinates
from lior.model.language_model import Model
from lior.tensors import threads

RECENT = 1000
"""Number of tokens at the end of the context in which a repetition counts as a loop."""
_LONGEST = 64
"""Maximum length of a repetition that is measured, in tokens."""
_STEEPNESS = 12.0
_COLDEST = 0.05
"""Minimum share of the temperature that cooling leaves."""


_ZERO = torch.zeros(1, dtype=torch.int64)
_NO_TEXT = Text(_ZERO[:0], _ZERO[:0], _ZERO[:0])
"""A placeholder for the text if sessions follow it and nothing else reads it."""


class Session:
    """A growing context, with predictions of its next token.

    The memories read its last ``model.context`` tokens; the coordinates of an encoder with unlimited
    context depend on all of it.
    """

    def __init__(self, model: Model, tokens: Sequence[int] = (), *, thread: int = 0):
        self.model, self._thread = model, thread
        self.recent: list[int] = []
        """The last tokens of the context, at least :data:`RECENT` if it has as many."""
        self._kept = max(model.context, RECENT)
        self._limits: Limits | None = None
        self._length, self._coordinates = 0, DocumentCoordinates(model)
        self._sessions = following.sessions(model)
        self._reach = following.reach(model, self._sessions)
        alone = len(model.experts) == 1 and not self._reach and self._coordinates.next is None
        self._drawing = next(iter(self._sessions.values()), None) if alone else None
        self.feed(tokens)

    def feed(self, tokens: Sequence[int]) -> None:
        """Append ``tokens`` to the context."""
        self._grow(tokens)
        if self._limits:
            repetition.feed(self._limits, tokens)
        if self._coordinates.next is not None:
            self._coordinates.read(torch.tensor([*tokens], dtype=torch.int64, device=self.model.device))
        for session in self._sessions.values():
            session.feed([*tokens])

    def _grow(self, tokens: Sequence[int]) -> None:
        self._length += len(tokens)
        self.recent += tokens
        if len(self.recent) > 2 * self._kept:
            del self.recent[: -self._kept]

    def _limited(self, times: float) -> Limits:
        """Return the limits of repetition with factor ``times``, for the context as it grows from now on."""
        if not times or self.model.repeats is None:
            self._limits = None
            return repetition.UNLIMITED
        if self._limits is None:
            self._limits = repetition.limits(self.model.repeats(), self.recent)
        return self._limits._replace(times=times)

    def _text(self) -> tuple[Text, Tensor]:
        tail = self.recent[-self._reach :]
        device = self.model.device
        tokens = torch.tensor([*tail, 0], device=device)  # the last position is only predicted
        depth = torch.arange(self._length - len(tail), self._length + 1, device=device)
        return Text(tokens, depth, torch.zeros_like(depth)), torch.tensor([len(tail)], device=device)

    def compiled(self, sampling: Sampling) -> bool:
        """Return whether one memory and its session suffice to draw, so that :meth:`draw_all` works."""
        return self._drawing is not None and len(self.model.alphabet) > 0 and is_plain(sampling)

    @staticmethod
    def draw_all(asked: Sequence[Asked]) -> list[list[int]] | None:
        """Draw the next tokens of several contexts of one model and feed them, in one call.

        Returns ``None`` without feeding anything if that is not possible. The tokens do not depend on how
        many are drawn at once.
        """
        if not all(each.session.compiled(each.sampling) for each in asked):
            return None
        (first, *_), model = asked[0], asked[0].session.model
        drawing, *beside = [own for each in asked if (own := each.session._drawing) is not None]
        limits = [each.session._limited(each.sampling.repetition) for each in asked]
        races = [following.race(model, *each[1:], most) for each, most in zip(asked, limits, strict=True)]
        found = drawing.draw(model.alphabet, races, first._thread, beside)
        for each, tokens in zip(asked, found, strict=True):
            each.session._grow(tokens)
        return found

    def log_probs(self) -> Tensor:
        """Return log-probabilities of the next token, ``(V,)``, on the CPU."""
        return self.together([self])[0]

    def log_probs_with(self, sampling: Sampling, log_p: Tensor | None = None) -> Tensor:
        """Return the log-probabilities from which ``sampling`` draws at its temperature, ``(V,)``; they sum
        to 1.

        ``log_p`` is the result of :meth:`log_probs`, if known.
        """
        log_p = self.log_probs() if log_p is None else log_p
        unsure = uncertainty(log_p, len(self.model.alphabet)) if sampling.recall or sampling.cooling else 0.0
        if sampling.recall:
            share = sampling.recall / (1 + math.exp(-_STEEPNESS * (unsure - sampling.recall_at)))
            vote = self.model.log_probs(*_read([self]), vote=True)[0].to(log_p)
            log_p = torch.logaddexp(log_p + math.log1p(-share), vote + math.log(share))
        if sampling.loop_penalty:
            log_p = torch.log_softmax(log_p - loop_costs(self.recent, sampling, len(log_p)).to(log_p), 0)
        barred = repetition.barred(self._limited(sampling.repetition)) if sampling.repetition else ()
        if len(barred):
            rest = log_p.index_fill(0, torch.tensor(barred, device=log_p.device), -math.inf)
            log_p = torch.log_softmax(rest, 0) if rest.isfinite().any() else log_p
        if sampling.cooling:
            log_p = torch.log_softmax(log_p / max(1 - sampling.cooling * unsure, _COLDEST), 0)
        return log_p

    @staticmethod
    def together(sessions: Sequence[Session]) -> Tensor:
        """Return :meth:`log_probs` of several contexts of one model, ``(B, V)``, in one reading of its
        memories.

        They come to the CPU in one transfer. Tokens are drawn there, from the same random numbers on any
        device of the model.
        """
        return sessions[0].model.log_probs(*_read(sessions)).cpu()


def _read(sessions: Sequence[Session]) -> tuple[Text, Tensor, Tensor | None, dict[str, Evidence]]:
    """Return text, positions and coordinates of the contexts, and the evidence of memories that follow
    them."""
    model, inner = sessions[0].model, [session._sessions for session in sessions]
    if not sessions[0]._reach and sessions[0]._coordinates.next is None:
        places = _ZERO.expand(len(sessions))
        return _NO_TEXT, places, None, following.follow(model, inner, _NO_TEXT, places, None)
    parts: list[Text] = []
    at: list[Tensor] = []
    before = 0
    for number, session in enumerate(sessions):
        text, position = session._text()
        parts.append(text._replace(document=text.document + number))
        at.append(position + before)
        before += len(text.tokens)
    found = [session._coordinates.next for session in sessions if session._coordinates.next is not None]
    text, positions = Text(*(torch.cat(column) for column in zip(*parts, strict=True))), torch.cat(at)
    z = torch.cat(found) if found else None
    return text, positions, z, following.follow(model, inner, text, positions, z)


def uncertainty(log_p: Tensor, alphabet: int) -> float:
    """Return the entropy of ``log_p (V,)`` as a share of the maximum over ``alphabet`` tokens, in [0, 1]."""
    with threads(len(log_p)):
        entropy = float(-(log_p.double().exp() * log_p.double().clamp(min=-1e6)).sum())
    return min(max(entropy / math.log(alphabet), 0.0), 1.0) if alphabet > 1 else 0.0


def loop_costs(recent: Sequence[int], sampling: Sampling, vocab: int) -> Tensor:
    """Return the penalty in nats for each token that continues a loop, ``(V,)``.

    If the last ``L`` tokens occurred before, the token that followed them then has a cost. It is
    ``loop_penalty · (L + 1 − loop_length)`` nats if that is more than 0 (the penalty named DRY, with a
    slope instead of a base).
    """
    said = np.array(recent[-RECENT:], np.int64)
    costs = torch.zeros(vocab, dtype=torch.float64)
    follow = np.arange(1, len(said))  # indices of tokens with a token before them
    length = np.zeros(len(follow), np.int64)
    alive = np.ones(len(follow), bool)
    for back in range(1, min(_LONGEST, len(said)) + 1):
        alive &= (follow >= back) & (said[np.maximum(follow - back, 0)] == said[-back])
        if not alive.any():
            break
        length[alive] = back
    over = np.maximum(length + 1 - sampling.loop_length, 0)
    for place in np.flatnonzero(over):
        token = int(said[follow[place]])
        costs[token] = max(float(costs[token]), sampling.loop_penalty * float(over[place]))
    return costs


def draw(log_p: Tensor, sampling: Sampling, *, generator: Generator) -> int:
    """Draw a token id from ``log_p (V,)``, on the device of the generator."""
    if sampling.temperature == 0:
        return int(log_p.argmax())
    with threads(len(log_p)):
        # Subtracting the maximum makes the top 0, and not nan, at the smallest temperature.
        below_top = log_p.double() - log_p.max()
        if sampling.min_p:  # of the model's own distribution: M. Nguyen et al., Turning Up the Heat, 2024
            below_top[below_top < math.log(sampling.min_p)] = -math.inf
        if not sampling.top_k and sampling.top_p == 1:
            noise = torch.empty_like(below_top).exponential_(1, generator=generator)
            return int((torch.exp(below_top / sampling.temperature) / noise).argmax())
        ordered, index = torch.sort(below_top / sampling.temperature, descending=True, stable=True)
        p = torch.softmax(ordered, 0)
        if sampling.top_k:
            p[sampling.top_k :] = 0
        if sampling.top_p < 1:
            p[1:][p.cumsum(0)[:-1] >= sampling.top_p] = 0  # the likeliest token always remains
        # torch.multinomial's method for one draw, without its checks: the earliest arrival wins.
        return int(index[(p / torch.empty_like(p).exponential_(1, generator=generator)).argmax()])


def is_plain(sampling: Sampling) -> bool:
    """Return whether only a temperature, ``min_p`` and limits of repetition change how tokens are drawn."""
    plain = Sampling(temperature=1.0, min_p=sampling.min_p, repetition=sampling.repetition)
    return bool(sampling.temperature) and attrs.evolve(sampling, temperature=1.0) == plain


class Asked(NamedTuple):
    """A request for the next tokens of a context."""

    session: Session
    sampling: Sampling
    generator: Generator
    most: int = 1
    """Maximum number of tokens."""


def advance(asked: Sequence[Asked]) -> list[list[int]]:
    """Return the next tokens of contexts of one model, at least one each; they have been fed."""
    if (found := Session.draw_all(asked)) is not None:
        return found
    found = []
    for (session, sampling, generator, _), row in zip(
        asked, Session.together([each.session for each in asked]), strict=True
    ):
        found.append([draw(session.log_probs_with(sampling, row), sampling, generator=generator)])
        session.feed(found[-1])
    return found


def proceed(session: Session, sampling: Sampling, *, generator: Generator) -> Iterator[int]:
    """Yield token ids that continue the context of the session, each fed to it, without end."""
    while True:
        yield from advance([Asked(session, sampling, generator)])[0]


_AHEAD = 32
"""Number of tokens drawn in one call, which takes a few milliseconds."""
_TOGETHER = 256
"""Maximum number of prompts that a device continues together; chosen by hand, a session takes 0.4 MB."""


def generate(
    model: Model,
    prompt: Sequence[int],
    count: int,
    sampling: Sampling,
    *,
    generator: Generator,
) -> Iterator[int]:
    """Yield ``count`` token ids that continue ``prompt``.

    Some are drawn ahead: if the caller stops early, the generator has advanced for them too.
    """
    session, left = Session(model, prompt), count
    while left > 0:
        (tokens,) = advance([Asked(session, sampling, generator, min(left, _AHEAD))])
        left -= len(tokens)
        yield from tokens


@attrs.frozen
class Request:
    """A request for a continuation."""

    prompt: Sequence[int]
    count: int
    sampling: Sampling
    generator: Generator


def generate_all(model: Model, requests: Sequence[Request], *, threads: int) -> list[list[int]]:
    """Return the tokens of each request, as :func:`generate` does, unless reading several contexts at once
    rounds their probabilities differently.

    Threads divide the requests that compiled calls draw on the CPU; the others are read together, one token
    of each in one step.
    """
    found: list[list[int]] = [[] for _ in requests]

    def draw_some(groups: Sequence[Sequence[int]], thread: int) -> None:
        for group in groups:
            contexts = {number: Session(model, requests[number].prompt, thread=thread) for number in group}
            while group := [number for number in group if len(found[number]) < requests[number].count]:
                asked = []
                for number in group:
                    each, most = requests[number], requests[number].count - len(found[number])
                    asked.append(Asked(contexts[number], each.sampling, each.generator, min(most, _AHEAD)))
                for number, tokens in zip(group, advance(asked), strict=True):
                    found[number] += tokens

    probe, on_cpu = Session(model), model.device.type == "cpu"
    apart = [number for number, each in enumerate(requests) if probe.compiled(each.sampling)]
    if on_cpu:
        alone, threads = [[number] for number in apart], max(threads, 1)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw_some, (alone[thread::threads] for thread in range(threads)), range(threads)))
    else:
        draw_some([apart[at : at + _TOGETHER] for at in range(0, len(apart), _TOGETHER)], 0)
    draw_some([sorted({*range(len(requests))} - {*apart})], 0)
    return found
