"""Messages of ONNX: encoding of fields, nodes and attributes.

The format is https://protobuf.dev/programming-guides/encoding, with the fields of onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import attrs

Bytes = bytes | memoryview
OWN = b"com.microsoft"
"""Domain of ONNX Runtime's own operations."""
_NODE = 1
"""Field number of a node in a graph."""
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
"""Field numbers of a node."""
_FLOAT, _INT, _KIND = 2, 3, 20
"""Field numbers of an attribute; the last one is its type: 1 for a float, 2 for an int."""


@attrs.frozen
class Node:
    """An operation of a graph."""

    operation: str
    inputs: list[str]
    outputs: list[str]
    attributes: list[Bytes] = attrs.Factory(list)

    def written(self, domain: bytes = b"") -> list[Bytes]:
        """Return the node as a field of a graph."""
        names = [(_INPUT, name) for name in self.inputs] + [(_OUTPUT, name) for name in self.outputs]
        parts = [part for number, name in names for part in message(number, [name.encode()])]
        parts += message(_OPERATION, [self.operation.encode()]) + self.attributes
        return message(_NODE, [*parts, *message(_DOMAIN, [domain])])


def attribute(name: str, value: float) -> bytes:
    """Return an attribute of a node, a float or an int."""
    if isinstance(value, int):
        own = [*integer(_INT, value), *integer(_KIND, 2)]
    else:
        own = [_varint(_FLOAT << 3 | 5), struct.pack("<f", value), *integer(_KIND, 1)]
    return b"".join(message(_ATTRIBUTE, [*message(1, [name.encode()]), *own]))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def integer(field: int, value: int) -> list[Bytes]:
    """Return a field with an integer."""
    return [_varint(field << 3), _varint(value)]


def message(field: int, parts: Iterable[Bytes]) -> list[Bytes]:
    """Return a field with ``parts`` as its value."""
    found = [*parts]
    return [_varint(field << 3 | 2), _varint(sum(map(len, found))), *found]
