"""Coordinates from a token embedding filtered by the LIoR memory kernel.

``z_t = Σ_l K(l) ∘ E[x_{t-1-l}]`` with a kernel per dimension,
``K(l) = Re Σ_p c_p λ_p^l`` (:mod:`lior_plugins.kernel`). It is a ``lags`` table
``M_l = K(l) ∘ E`` of ``(vocab + 1 + 2P) n`` learned parameters instead of
``reach (vocab + 1) n``. Training cuts the sum off after ``reach`` tokens; a document
that is read from its beginning needs no end, only ``P`` complex numbers per dimension.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import State
from lior_plugins import kernel
from lior_plugins.encoders.tables import lookup_rows, scatter_rows

_TAIL_EXPONENT = 0.5


@attrs.frozen(kw_only=True)
class Poles:
    """An encoder with a learned embedding and learned kernel coefficients of fixed poles.

    State: ``embedding (vocab + 1, n)`` and the coefficients ``coeff_re``, ``coeff_im (P, n)``, all learned;
    ``poles_re``, ``poles_im (P,)``. The poles have three parts. A bank of damped oscillations with
    frequencies spread over (0, π) distinguishes neighbouring lags, exponentials serve the recent past, and
    a power law the distant one. A real pole ignores its ``coeff_im``.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("embedding", "coeff_re", "coeff_im")

    n: int = option(64, help="dimension of a coordinate", low=2)
    reach: int = option(32, help="previous tokens that a coordinate depends on in training", low=2)
    oscillations: int = option(8, help="damped oscillations, frequencies spread over (0, pi)", low=1)
    exponentials: int = option(2, help="exponentials, each faster than the one before it", low=0)
    decay: float = option(
        0.7, help="factor per token of the oscillations and exponentials", low=0.01, high=0.999
    )
    horizon: float = option(32.0, help="tokens up to which the power law holds", low=1, high=1e6)
    tail: float = option(0.1, help="initial weight of the power law relative to the rest", low=0)
    scale: float = option(0.35, help="initial standard deviation of the most recent token's entries", low=0)

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Return the initial state for token ids ``0 .. vocab``: random amplitudes and phases."""
        device = generator.device

        def noise(rows: int) -> Tensor:
            return torch.randn(rows, self.n, generator=generator, device=device)

        bank, tail = self._kernels()
        poles = torch.cat([bank.poles, tail.poles]).to(device, torch.complex64)
        spread = 1 / math.sqrt(len(bank.poles))
        # One amplitude per dimension for the whole tail keeps it a power law.
        shape = self.tail * tail.coeff.real[:, None].to(device, torch.float32)
        real = torch.cat([noise(len(bank.poles)) * spread, noise(1) * shape])
        imag = noise(len(poles)) * spread * (poles.imag != 0)[:, None]
        return {
            "embedding": noise(vocab + 1) * self.scale,
            "coeff_re": real,
            "coeff_im": imag,
            "poles_re": poles.real.clone(),
            "poles_im": poles.imag.clone(),
        }

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Return coordinates ``(B, n)`` of contexts ``(B, L)``, ``L >= reach``, in the embedding's dtype."""
        width = max(self.reach, contexts.shape[-1])
        table = kernel.impulse(*_complex(state), width)[:, None] * state["embedding"]
        return lookup_rows(table.reshape(-1, self.n), contexts, width)

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Return derivatives of ``sum(dz * encode(contexts))`` with respect to embedding and coefficients."""
        poles, coeff = _complex(state)
        weights = kernel.impulse(poles, coeff, contexts.shape[1])
        dtable = scatter_rows(contexts, dz, state["embedding"].shape[0])
        dcoeff = kernel.impulse_pullback(poles, (dtable * state["embedding"]).sum(1))
        return {
            "embedding": (dtable * weights[:, None]).sum(0),
            "coeff_re": dcoeff.real.clone(),
            "coeff_im": dcoeff.imag.clone(),
        }

    def stream(self, state: State) -> State:
        """Return the state of :func:`stream`."""
        return stream_poles(_complex(state)[0], state["embedding"], self.reach)

    def scan(self, state: State, stream: State, tokens: Tensor) -> tuple[State, Tensor]:
        """Read tokens as :func:`scan`."""
        return scan_poles(*_complex(state), state["embedding"], stream, tokens)

    def _kernels(self) -> tuple[kernel.Kernel, kernel.Kernel]:
        """Return the bank with random coefficients, and the power law."""
        rate = -math.log(self.decay)
        frequencies = [math.pi * (i + 0.5) / self.oscillations for i in range(self.oscillations)]
        bank = kernel.oscillation(1.0, frequencies, 0.0, rate)
        rates = [rate * (i + 1) for i in range(self.exponentials)]
        return (
            kernel.concatenate(bank, kernel.exponential(1.0, rates)),
            kernel.power_law(_TAIL_EXPONENT, self.horizon),
        )


def _complex(state: State) -> tuple[Tensor, Tensor]:
    """Return poles ``(P,)`` and coefficients ``(P, n)``."""
    return (
        torch.complex(state["poles_re"], state["poles_im"]),
        torch.complex(state["coeff_re"], state["coeff_im"]),
    )


def stream_poles(poles: Tensor, embedding: Tensor, reach: int) -> State:
    """Return the complex ``modes (P, n)`` of a kernel after ``reach`` times the last row of ``embedding``.

    Raises
    ------
    UsageError
        If a pole is not inside the unit circle: the sum over all tokens would have no bound.
    """
    if not bool((poles.abs() < 1).all()):
        raise UsageError("encoder: a pole is not inside the unit circle")
    return {"modes": kernel.powers(poles, reach).sum(0)[:, None] * embedding[-1]}


def scan_poles(
    poles: Tensor, coeff: Tensor, embedding: Tensor, stream: State, tokens: Tensor
) -> tuple[State, Tensor]:
    """Read ``tokens (T,)``: ``S <- λ S + E[x_t]``, ``z = Re Σ_p c_p S_p (T, n)``.

    Raises
    ------
    UsageError
        If a token is not an id of the vocabulary.
    """
    vocab = len(embedding) - 1
    if len(wrong := tokens[(tokens < 0) | (tokens > vocab)]):
        raise UsageError(
            f"token id {int(wrong[0])}: this encoder knows 0 to {vocab - 1}, and {vocab} for no token"
        )
    z, modes = kernel.scan(poles, coeff, embedding[tokens], stream["modes"])
    return {"modes": modes}, z
