"""How tokens are drawn: one declaration for the library, the flags and their help."""

from __future__ import annotations

import attrs

from lior.config.options import option
from lior.errors import UsageError


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
    cooling: float = option(
        0.0, help="share of the temperature that is taken away where the model is quite unsure", low=0, high=1
    )
    recall: float = option(
        0.0, help="most weight of the memories' own vote, reached where the model is unsure", low=0, high=1
    )
    recall_at: float = option(
        0.5, help="entropy, as a share of the largest, at which half of that is reached", low=0, high=1
    )
    loop_penalty: float = option(
        0.0, help="nats taken from a token for every token of the repetition that it would go on with", low=0
    )
    loop_length: int = option(16, help="tokens that may repeat what was just said for nothing", low=1)

    def __attrs_post_init__(self) -> None:
        for name, switch in (
            ("recall_at", "recall"),
            ("loop_length", "loop_penalty"),
            ("cooling", "temperature"),
        ):
            default = attrs.fields_dict(type(self))[name].default
            if getattr(self, name) != default and not getattr(self, switch):
                raise UsageError(
                    f"{name} = {getattr(self, name)}: has no effect while {switch} is 0; set that"
                )


@attrs.frozen(kw_only=True)
class ChatSampling(Sampling):
    """The same with the defaults of a chat: somewhat colder, and no loops."""

    temperature: float = option(
        0.6, help="1/β of the Boltzmann draw over log-probabilities; 0 takes the likeliest", low=0, high=100
    )
    loop_penalty: float = option(
        0.5, help="nats taken from a token for every token of the repetition that it would go on with", low=0
    )
