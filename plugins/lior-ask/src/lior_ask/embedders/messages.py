"""Messages of ONNX: fields, nodes and attributes, read and written.

As in https://protobuf.dev/programming-guides/encoding, with the fields of onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import attrs

Bytes = bytes | memoryview
OWN = b"com.microsoft"
"""The domain of ONNX Runtime's own operations."""
_NODE = 1
"""Field of a graph."""
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
"""Fields of a node."""
_FLOAT, _INT, _KIND = 2, 3, 20
"""Fields of an attribute; the last says which of the others it has, as 1 or 2."""


@attrs.frozen
class Node:
    """An operation of a graph."""

    operation: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[Bytes] = attrs.Factory(list)

    @classmethod
    def read(cls, data: memoryview) -> Node:
        """A node of a graph."""
        found: dict[int, list[str]] = {_INPUT: [], _OUTPUT: [], _OPERATION: [""]}
        attributes = list[Bytes]()
        for number, value, raw in fields(data):
            if number in found:
                found[number].append(str(value, "utf-8"))
            elif number == _ATTRIBUTE:
                attributes.append(raw)
        return cls(found[_OPERATION][-1], found[_INPUT], found[_OUTPUT], attributes)

    def written(self, domain: bytes = b"") -> list[Bytes]:
        """The node as a field of a graph."""
        names = [(_INPUT, name) for name in self.inputs] + [(_OUTPUT, name) for name in self.outputs]
        parts = [part for number, name in names for part in message(number, [name.encode()])]
        parts += message(_OPERATION, [self.operation.encode()]) + self.attributes
        return message(_NODE, [*parts, *message(_DOMAIN, [domain])])


def attribute(name: str, value: float) -> bytes:
    """An attribute of a node, a float or an int."""
    if isinstance(value, int):
        own = [*integer(_INT, value), *integer(_KIND, 2)]
    else:
        own = [_varint(_FLOAT << 3 | 5), struct.pack("<f", value), *integer(_KIND, 1)]
    return b"".join(message(_ATTRIBUTE, [*message(1, [name.encode()]), *own]))


def fields(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Number, value and all bytes of each field; a number is no value."""
    place = 0
    while place < len(data):
        begin = place
        key, place = read_number(data, place)
        start = place
        if key & 7 == 0:
            _, place = read_number(data, place)
        elif key & 7 == 2:
            size, start = read_number(data, place)
            place = start + size
        else:
            place += 4 if key & 7 == 5 else 8
        yield key >> 3, data[start:place], data[begin:place]


def read_number(data: memoryview, place: int) -> tuple[int, int]:
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


def integer(field: int, value: int) -> list[Bytes]:
    """A field with a number."""
    return [_varint(field << 3), _varint(value)]


def message(field: int, parts: Iterable[Bytes]) -> list[Bytes]:
    """A field with the value that ``parts`` are together."""
    found = [*parts]
    return [_varint(field << 3 | 2), _varint(sum(map(len, found))), *found]
