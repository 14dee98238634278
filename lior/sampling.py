"""How tokens are drawn: one declaration for the library, the flags and their help."""

from __future__ import annotations

import attrs

from lior.options import option


@attrs.frozen(kw_only=True)
class Sampling:
    """How a token is drawn from the model's distribution."""

    temperature: float = option(
        0.8, help="1/β of the Boltzmann draw over log-probabilities; 0 takes the likeliest", low=0, high=100
    )
    top_k: int = option(0, help="draw among the k likeliest tokens; 0 = all", low=0)
    top_p: float = option(
        1.0, help="draw among the likeliest tokens of this total probability", low=0, high=1
    )
