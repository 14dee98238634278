"""Options of drawing tokens, declared once for the library and the command line."""

from __future__ import annotations

import attrs

from lior.config.options import option
from lior.errors import UsageError

_TEMPERATURE = "1/β of the Boltzmann draw over log-probabilities; 0 takes the likeliest token"
_LOOP_PENALTY = "nats subtracted from a token for each token of the repetition that it would continue"


@attrs.frozen(kw_only=True)
class Sampling:
    """Options of drawing a token from the model's distribution."""

    temperature: float = option(0.8, help=_TEMPERATURE, low=0, high=100)
    top_k: int = option(0, help="draw among the k likeliest tokens; 0 = all", low=0)
    top_p: float = option(
        1.0, help="draw among the likeliest tokens of this total probability", low=0, high=1
    )
    min_p: float = option(
        0.05, help="draw among tokens with this share of the probability of the likeliest", low=0, high=1
    )
    cooling: float = option(
        0.0, help="share by which the temperature falls where the model is least sure", low=0, high=1
    )
    recall: float = option(
        0.0, help="largest weight of the memories' own vote, reached where the model is unsure", low=0, high=1
    )
    recall_at: float = option(
        0.5, help="entropy, as a share of the largest, at which recall has half its weight", low=0, high=1
    )
    loop_penalty: float = option(0.0, help=_LOOP_PENALTY, low=0)
    loop_length: int = option(16, help="tokens of a repetition that are not penalised", low=1)

    repetition: float = option(
        1.0,
        help="longest row of the same sign, word or line, as a multiple of the longest in the text; 0 = any",
        low=0,
    )

    def __attrs_post_init__(self) -> None:
        for name, switch in (
            ("recall_at", "recall"),
            ("loop_length", "loop_penalty"),
            ("cooling", "temperature"),
        ):
            default = attrs.fields_dict(type(self))[name].default
            if getattr(self, name) != default and not getattr(self, switch):
                raise UsageError(
                    f"{name} = {getattr(self, name)}: has no effect while {switch} is 0; set {switch} too"
                )


@attrs.frozen(kw_only=True)
class ChatSampling(Sampling):
    """Defaults of a chat: a lower temperature, and a penalty on repetition."""

    temperature: float = option(0.6, help=_TEMPERATURE, low=0, high=100)
    loop_penalty: float = option(0.5, help=_LOOP_PENALTY, low=0)
