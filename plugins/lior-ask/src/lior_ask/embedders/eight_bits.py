"""The model of ``minilm``, rewritten so that it multiplies in eight bits: half the time and half the memory.

Its file has weights as int8 and a scale for each column, of which its graph makes float32 numbers before it
multiplies (Cast, Mul, MatMul) or looks rows up (Cast, Mul, Gather). Here a product is the operation
DynamicQuantizeMatMul of ONNX Runtime, which rounds the other factor to eight bits by its largest number, and
rows are looked up first. Large weights stay in the mapped file.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from lior_ask.embedders.messages import OWN, Bytes, Node, fields, integer, message, read_number

_GRAPH, _OPSET = 7, 8
"""Fields of a model."""
_NODE, _TENSOR = 1, 5
"""Fields of a graph."""
_DIMENSIONS, _KIND, _NAME, _VALUES, _PLACE, _APART = 1, 2, 8, 9, 13, 14
"""Fields of a tensor; the last two say that its numbers are not in the model."""
_LARGE = 1 << 15
"""Bytes of the numbers of a large tensor."""
_TYPES = {1: np.float32, 3: np.int8, 7: np.int64}
"""Of a tensor's numbers."""


@lru_cache(maxsize=1)
def exact() -> bool:
    """Whether this machine adds products of eight-bit numbers up without loss: not on older x86."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def rewrite(model: bytes) -> bytes:
    """The model in eight bits."""
    parts = list[Bytes]()
    for number, value, raw in fields(memoryview(model)):
        parts += message(_GRAPH, [*_graph(value)]) if number == _GRAPH else [raw]
    parts += message(_OPSET, [*message(1, [OWN]), *integer(2, 1)])
    return b"".join(parts)


def tensors(model: Bytes) -> dict[str, np.ndarray]:
    """The float32, int8 and int64 tensors of a model by their names."""
    found = {}
    for graph in (value for number, value, _ in fields(memoryview(model)) if number == _GRAPH):
        for tensor in (value for number, value, _ in fields(graph) if number == _TENSOR):
            parts = [*fields(tensor)]
            shape = [read_number(raw, 1)[0] for number, _, raw in parts if number == _DIMENSIONS]
            kind = next(read_number(raw, 1)[0] for number, _, raw in parts if number == _KIND)
            values = next((value for number, value, _ in parts if number == _VALUES), b"")
            if kind in _TYPES and len(values):
                found[_name_of(tensor)] = np.frombuffer(values, _TYPES[kind]).reshape(shape)
    return found


def split(model: Bytes) -> tuple[bytes, dict[str, np.ndarray]]:
    """The model without the numbers of its large tensors, and these by their names, which are not copied."""
    large = {name: each for name, each in tensors(model).items() if each.nbytes >= _LARGE}
    parts = list[Bytes]()
    for number, value, raw in fields(memoryview(model)):
        parts += message(_GRAPH, _apart(value, large)) if number == _GRAPH else [raw]
    return b"".join(parts), large


def _apart(graph: memoryview, large: Collection[str]) -> Iterator[Bytes]:
    place = [*message(1, [b"location"]), *message(2, [b"given"])]
    given = [*message(_PLACE, place), *integer(_APART, 1)]
    for number, value, raw in fields(graph):
        if number == _TENSOR and _name_of(value) in large:
            kept = [part for field, _, part in fields(value) if field != _VALUES]
            yield from message(number, [*kept, *given])
        else:
            yield raw


def _name_of(tensor: memoryview) -> str:
    return next((str(value, "utf-8") for number, value, _ in fields(tensor) if number == _NAME), "")


def _graph(data: memoryview) -> Iterator[Bytes]:
    parts = [*fields(data)]
    nodes = {place: Node.read(value) for place, (number, value, _) in enumerate(parts) if number == _NODE}
    casts = {node.outputs[0]: node for node in nodes.values() if node.operation == "Cast"}
    scaled = {
        node.outputs[0]: (casts[node.inputs[0]], node.inputs[1])
        for node in nodes.values()
        if node.operation == "Mul" and node.inputs[0] in casts and node.inputs[1].endswith("_scale")
    }
    gone = {*scaled, *(cast.outputs[0] for cast, _ in scaled.values())}
    products = (node.inputs[1] for node in nodes.values() if node.operation == "MatMul")
    columns = {scaled[weight][1] for weight in products if weight in scaled}
    for place, (number, value, raw) in enumerate(parts):
        if number == _TENSOR:
            yield from _as_vector(value, columns) or [raw]
        elif number != _NODE:
            yield raw
        elif nodes[place].outputs[0] not in gone:
            yield from _node(nodes[place], scaled) or [raw]


def _node(node: Node, scaled: dict[str, tuple[Node, str]]) -> list[Bytes]:
    """What takes the place of a node; nothing where it stays."""
    weight = next((each for each in node.inputs if each in scaled), "")
    if not weight:
        return []
    cast, scale = scaled[weight]
    [out], [stored] = node.outputs, cast.inputs
    if node.operation == "MatMul":
        return Node("DynamicQuantizeMatMul", [node.inputs[0], stored, scale], [out]).written(OWN)
    of, names = node.inputs[1], [f"{out} {part}" for part in ("stored", "number", "scale")]
    steps = (
        Node("Gather", [stored, of], names[:1]),
        Node("Cast", names[:1], names[1:2], cast.attributes),
        Node("Gather", [scale, of], names[2:]),
        Node("Mul", names[1:], [out]),
    )
    return [part for step in steps for part in step.written()]


def _as_vector(tensor: memoryview, names: set[str]) -> list[Bytes]:
    """A tensor ``(1, N)`` as ``(N,)``, if it is one of ``names``; nothing for others."""
    if _name_of(tensor) not in names:
        return []
    parts = [*fields(tensor)]
    last = [raw for number, _, raw in parts if number == _DIMENSIONS][1:]
    return message(_TENSOR, [*last, *(raw for number, _, raw in parts if number != _DIMENSIONS)])
