"""The first weights of a model's mixer, and memories that are added to a fitted one."""

from __future__ import annotations

from collections.abc import Mapping

from lior.interfaces import Memory, State
from lior.model import mixer
from lior.model.language_model import Model


def first_weights(model: Model, memories: Mapping[str, Memory], cells: int) -> State:
    """Return a mixer of ``memories`` that averages the fitted ones, or else all experts."""
    able = [memory.abilities for memory in memories.values()]
    sizes = tuple(size for each in able for size in each.gates)
    names = [name for name, each in zip(memories, able, strict=True) for _ in each.experts]
    strong = [i for i, name in enumerate(names) if name in model.fitted]
    # A single expert needs no weights by place.
    cells = 0 if len(names) == 1 else cells
    weights = mixer.init(len(names), sizes, cells, device=model.device, strong=strong)
    gate = expert = 0
    for each in able:
        own = slice(expert, expert + len(each.experts))
        for number, table in enumerate(each.trust, gate):
            weights[f"gate{number}"][:, own] += table.to(model.device)
        gate += len(each.gates)
        expert += len(each.experts)
    return weights


def fresh_weights(model: Model) -> State:
    """Return the first weights of the model's own memories."""
    return first_weights(model, model.memories, 0 if model.cells is None else len(model.cells))


def add_memory(model: Model, name: str, memory: Memory) -> None:
    """Add one more memory, which has one expert and one gate, with the weights that it sets itself.

    Fitted parameters do not change, and :func:`drop_memory` undoes it to the last bit.
    """
    (table,) = memory.abilities.trust
    model.weights = mixer.widen(model.weights, _gates(model), table)
    model.memories = {**model.memories, name: memory}


def drop_memory(model: Model, name: str) -> None:
    """Remove the memory that was added last."""
    model.weights = weights_before(model)
    model.memories = {each: memory for each, memory in model.memories.items() if each != name}


def weights_before(model: Model) -> State:
    """Return the weights without the memory that was added last."""
    return mixer.narrow(model.weights, _gates(model) - 1)


def _gates(model: Model) -> int:
    """Return the number of hard gates of the memories."""
    return sum(len(each.gates) for each in model.abilities)
