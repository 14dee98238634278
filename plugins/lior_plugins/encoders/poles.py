"""Coordinates from a token embedding filtered by the LIoR memory kernel.

``z_t = Σ_l K(l) ∘ E[x_{t-1-l}]`` with a kernel per dimension,
``K(l) = Re Σ_p c_p λ_p^l`` (:mod:`lior.geometry.kernel`), cut off after ``reach``
tokens. It is a ``lags`` table ``M_l = K(l) ∘ E`` of ``(vocab + 1 + 2P) n``
learned numbers instead of ``reach (vocab + 1) n``, and it runs as a stream with
``P`` complex numbers per dimension.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.geometry import kernel
from lior.interfaces import State
from lior_plugins.encoders.tables import empty_ring, lookup, push, scatter

_TAIL_EXPONENT = 0.5


@attrs.frozen(kw_only=True)
class Poles:
    """Embedding and kernel coefficients are learned, the poles are fixed.

    State: ``embedding (vocab + 1, n)`` and the coefficients ``coeff_re``,
    ``coeff_im (P, n)``, all learned; ``poles_re``, ``poles_im (P,)``. The poles
    are a bank of damped oscillations with frequencies spread over (0, π), which
    tells neighbouring lags apart, exponentials for the recent past, and a
    power law for the distant one. A real pole ignores its ``coeff_im``.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("embedding", "coeff_re", "coeff_im")

    n: int = option(64, help="dimension of a coordinate", low=2)
    reach: int = option(32, help="previous tokens that a coordinate depends on", low=2)
    oscillations: int = option(8, help="damped oscillations, frequencies spread over (0, pi)", low=1)
    exponentials: int = option(2, help="exponentials, each faster than the one before it", low=0)
    decay: float = option(
        0.7, help="factor per token of the oscillations and exponentials", low=0.01, high=0.999
    )
    horizon: float = option(32.0, help="tokens up to which the power law holds", low=1, high=1e6)
    tail: float = option(0.1, help="initial weight of the power law relative to the rest", low=0)
    scale: float = option(0.35, help="initial standard deviation of the most recent token's entries", low=0)

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Fresh state for token ids ``0 .. vocab``: random amplitude and phase per mode and dimension."""
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
        """Coordinates ``(B, n)`` of contexts ``(B, reach)``, in the embedding's dtype."""
        weights = kernel.impulse(*_complex(state), self.reach)
        table = weights[:, None] * state["embedding"]
        return lookup(table.reshape(-1, self.n), contexts, self.reach)

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Derivatives of ``sum(dz * encode(contexts))`` to the embedding and the coefficients."""
        poles, coeff = _complex(state)
        weights = kernel.impulse(poles, coeff, self.reach)
        dtable = scatter(contexts, dz, state["embedding"].shape[0])
        dcoeff = kernel.impulse_pullback(poles, (dtable * state["embedding"]).sum(1))
        return {
            "embedding": (dtable * weights[:, None]).sum(0),
            "coeff_re": dcoeff.real.clone(),
            "coeff_im": dcoeff.imag.clone(),
        }

    def stream(self, state: State) -> State:
        """An endless past of the id ``vocab``, cut off after ``reach``.

        ``ring (reach,)`` holds the recent tokens and the complex ``modes (P, n)``
        the kernel's state. It belongs to the ``state`` it was made with.
        """
        embedding = state["embedding"]
        vocab = embedding.shape[0] - 1
        past = kernel.powers(_complex(state)[0], self.reach).sum(0)
        return {
            "ring": empty_ring(self.reach, vocab, embedding.device),
            "modes": past[:, None] * embedding[vocab],
        }

    def step(self, state: State, stream: State, token: int) -> tuple[State, Tensor]:
        """Read one token: ``S <- λ S + E[x_t] - λ^reach E[x_{t-reach}]``, ``z = Re Σ_p c_p S_p``.

        The last term takes out the token that leaves the reach, so that the
        coordinate equals :meth:`encode` to rounding.
        """
        poles, coeff = _complex(state)
        embedding = state["embedding"]
        ring = push(stream["ring"], token, embedding.shape[0] - 1)
        leaving = embedding.index_select(0, stream["ring"][-1:])
        drive = embedding[token] - kernel.powers(poles, self.reach + 1)[-1][:, None] * leaving
        modes = kernel.advance(poles, drive, stream["modes"])
        return {"ring": ring, "modes": modes}, kernel.read(coeff, modes)

    def _kernels(self) -> tuple[kernel.Kernel, kernel.Kernel]:
        """The bank with random coefficients, and the power law."""
        rate = -math.log(self.decay)
        frequencies = [math.pi * (i + 0.5) / self.oscillations for i in range(self.oscillations)]
        bank = kernel.oscillation(1.0, frequencies, 0.0, rate)
        rates = [rate * (i + 1) for i in range(self.exponentials)]
        return (
            kernel.concatenate(bank, kernel.exponential(1.0, rates)),
            kernel.power_law(_TAIL_EXPONENT, self.horizon),
        )


def _complex(state: State) -> tuple[Tensor, Tensor]:
    """Poles ``(P,)`` and coefficients ``(P, n)``."""
    return (
        torch.complex(state["poles_re"], state["poles_im"]),
        torch.complex(state["coeff_re"], state["coeff_im"]),
    )
