"""The model of ``minilm``, rewritten so that it multiplies in eight bits: half the time and half the memory.

Its file has weights as int8 and a scale for each column, of which its graph makes float32 numbers before it
multiplies (Cast, Mul, MatMul) or looks rows up (Cast, Mul, Gather). Here a product is the operation
DynamicQuantizeMatMul of ONNX Runtime, which rounds the other factor to eight bits by its largest number, and
rows are looked up first. Large weights stay in the mapped file, so that two models of it take memory and time
for what differs. Messages are read and written as in https://protobuf.dev/programming-guides/encoding,
with the fields of onnx.proto.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import attrs
import numpy as np

Bytes = bytes | memoryview
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
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
"""Fields of a node; of a set of operations the first two are domain and version."""
_OWN = b"com.microsoft"


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
    for number, value, raw in _fields(memoryview(model)):
        parts += _message(_GRAPH, [*_graph(value)]) if number == _GRAPH else [raw]
    parts += _message(_OPSET, [*_message(_INPUT, [_OWN]), _varint(_OUTPUT << 3), _varint(1)])
    return b"".join(parts)


def tensors(model: Bytes) -> dict[str, np.ndarray]:
    """The float32, int8 and int64 tensors of a model by their names."""
    found = {}
    for graph in (value for number, value, _ in _fields(memoryview(model)) if number == _GRAPH):
        for tensor in (value for number, value, _ in _fields(graph) if number == _TENSOR):
            fields = [*_fields(tensor)]
            shape = [_read(raw, 1)[0] for number, _, raw in fields if number == _DIMENSIONS]
            kind = next(_read(raw, 1)[0] for number, _, raw in fields if number == _KIND)
            values = next((value for number, value, _ in fields if number == _VALUES), b"")
            if kind in _TYPES and len(values):
                found[_name_of(tensor)] = np.frombuffer(values, _TYPES[kind]).reshape(shape)
    return found


def split(
    model: Bytes, new: Mapping[str, np.ndarray] = MappingProxyType({})
) -> tuple[bytes, dict[str, np.ndarray]]:
    """The model without the numbers of its large tensors, and these by their names, which are not copied.

    ``new`` are other numbers of some of its tensors, of the same shapes and types.
    """
    numbers, parts = {**tensors(model), **new}, list[Bytes]()
    large = {name: each for name, each in numbers.items() if each.nbytes >= _LARGE}
    for number, value, raw in _fields(memoryview(model)):
        parts += _message(_GRAPH, _apart(value, new, large)) if number == _GRAPH else [raw]
    return b"".join(parts), large


def _apart(graph: memoryview, new: Mapping[str, np.ndarray], large: Collection[str]) -> Iterator[Bytes]:
    place = [*_message(1, [b"location"]), *_message(2, [b"given"])]
    given = [*_message(_PLACE, place), _varint(_APART << 3), _varint(1)]
    for number, value, raw in _fields(graph):
        name = _name_of(value) if number == _TENSOR else ""
        if name not in large and name not in new:
            yield raw
            continue
        kept = [part for field, _, part in _fields(value) if field != _VALUES]
        own = given if name in large else _message(_VALUES, [new[name].tobytes()])
        yield from _message(number, [*kept, *own])


def _name_of(tensor: memoryview) -> str:
    return next((str(value, "utf-8") for number, value, _ in _fields(tensor) if number == _NAME), "")


@attrs.frozen
class _Node:
    operation: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[Bytes] = attrs.Factory(list)

    @classmethod
    def read(cls, data: memoryview) -> _Node:
        """A node of a graph."""
        found: dict[int, list[str]] = {_INPUT: [], _OUTPUT: [], _OPERATION: [""]}
        attributes = list[Bytes]()
        for number, value, raw in _fields(data):
            if number in found:
                found[number].append(str(value, "utf-8"))
            elif number == _ATTRIBUTE:
                attributes.append(raw)
        return cls(found[_OPERATION][-1], found[_INPUT], found[_OUTPUT], attributes)

    def written(self, domain: bytes = b"") -> list[Bytes]:
        """The node as a field of a graph."""
        names = [(_INPUT, name) for name in self.inputs] + [(_OUTPUT, name) for name in self.outputs]
        parts = [part for number, name in names for part in _message(number, [name.encode()])]
        parts += _message(_OPERATION, [self.operation.encode()]) + self.attributes
        return _message(_NODE, [*parts, *_message(_DOMAIN, [domain])])


def _graph(data: memoryview) -> Iterator[Bytes]:
    fields = [*_fields(data)]
    nodes = {place: _Node.read(value) for place, (number, value, _) in enumerate(fields) if number == _NODE}
    casts = {node.outputs[0]: node for node in nodes.values() if node.operation == "Cast"}
    scaled = {
        node.outputs[0]: (casts[node.inputs[0]], node.inputs[1])
        for node in nodes.values()
        if node.operation == "Mul" and node.inputs[0] in casts and node.inputs[1].endswith("_scale")
    }
    gone = {*scaled, *(cast.outputs[0] for cast, _ in scaled.values())}
    products = (node.inputs[1] for node in nodes.values() if node.operation == "MatMul")
    columns = {scaled[weight][1] for weight in products if weight in scaled}
    for place, (number, value, raw) in enumerate(fields):
        if number == _TENSOR:
            yield from _as_vector(value, columns) or [raw]
        elif number != _NODE:
            yield raw
        elif nodes[place].outputs[0] not in gone:
            yield from _node(nodes[place], scaled) or [raw]


def _node(node: _Node, scaled: dict[str, tuple[_Node, str]]) -> list[Bytes]:
    """What takes the place of a node; nothing where it stays."""
    weight = next((each for each in node.inputs if each in scaled), "")
    if not weight:
        return []
    cast, scale = scaled[weight]
    [out], [stored] = node.outputs, cast.inputs
    if node.operation == "MatMul":
        return _Node("DynamicQuantizeMatMul", [node.inputs[0], stored, scale], [out]).written(_OWN)
    of, names = node.inputs[1], [f"{out} {part}" for part in ("stored", "number", "scale")]
    steps = (
        _Node("Gather", [stored, of], names[:1]),
        _Node("Cast", names[:1], names[1:2], cast.attributes),
        _Node("Gather", [scale, of], names[2:]),
        _Node("Mul", names[1:], [out]),
    )
    return [part for step in steps for part in step.written()]


def _as_vector(tensor: memoryview, names: set[str]) -> list[Bytes]:
    """A tensor ``(1, N)`` as ``(N,)``, if it is one of ``names``; nothing for others."""
    if _name_of(tensor) not in names:
        return []
    fields = [*_fields(tensor)]
    last = [raw for number, _, raw in fields if number == _DIMENSIONS][1:]
    return _message(_TENSOR, [*last, *(raw for number, _, raw in fields if number != _DIMENSIONS)])


# --- messages ---


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Number, value and all bytes of each field; a number is no value."""
    place = 0
    while place < len(data):
        begin = place
        key, place = _read(data, place)
        start = place
        if key & 7 == 0:
            _, place = _read(data, place)
        elif key & 7 == 2:
            size, start = _read(data, place)
            place = start + size
        else:
            place += 4 if key & 7 == 5 else 8
        yield key >> 3, data[start:place], data[begin:place]


def _read(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next one begins."""
    value = shift = 0
    while True:
        value |= (data[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if data[place - 1] < 128:
            return value, place


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _message(number: int, parts: Iterable[Bytes]) -> list[Bytes]:
    """A field with the value that ``parts`` are together."""
    found = [*parts]
    return [_varint(number << 3 | 2), _varint(sum(map(len, found))), *found]
