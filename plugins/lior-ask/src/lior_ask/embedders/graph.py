"""The twelve layers as a graph for ONNX Runtime, which multiplies with blocks of four bits (MatMulNBits)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from threading import Lock
from typing import Any

import numpy as np

from lior_ask.embedders.four_bits import BLOCK, EPSILON, HEADS, LAYERS, PARTS, Model, unit
from lior_ask.embedders.messages import OWN, Bytes, Node, attribute, integer, message

_FLOAT, _BYTE = 1, 2
"""Data types of a tensor in an ONNX graph."""
_THREADS = 2


class OnnxLayers:
    """The layers in ONNX Runtime; each text is encoded alone, two at a time."""

    def __init__(self, model: Model) -> None:
        self._model, self._opening = model, Lock()
        self._session: Any = None

    def means(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the mean of the last layer over each text's pieces, unit vectors, float32 ``(N, width)``."""
        return unit(np.stack([each.mean(0) for each in self.states(texts)]))

    def states(self, texts: Sequence[Sequence[int]], layers: int = LAYERS) -> list[np.ndarray]:
        """Return the states of each text's pieces after some layers, float32 ``(n, width)``."""
        with self._opening:  # by one thread
            self._session = self._session or open_session(self._model)
        if len(texts) == 1:  # in this thread, with its priority
            return [self._states(texts[0], layers)]
        with ThreadPoolExecutor(_THREADS) as pool:
            return [*pool.map(self._states, texts, repeat(layers))]

    def _states(self, pieces: Sequence[int], layers: int) -> np.ndarray:
        asked = {"x": self._model.embedded(pieces)[None]}
        found: np.ndarray = self._session.run([_after(layers)], asked)[0][0]
        return found


def _after(layers: int) -> str:
    """Return the name of the states after some layers."""
    return f"l{layers - 1}.out"


def open_session(model: Model) -> Any:
    """Return a session of ONNX Runtime in one thread: ``x``, float32 ``(1, n, width)``, to each layer."""
    import onnxruntime

    graph = _Graph(model)
    data = graph.written()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    given = {name: onnxruntime.OrtValue.ortvalue_from_numpy(each) for name, each in graph.weights.items()}
    options.add_external_initializers([*given], [*given.values()])
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    session.given = given  # the session uses this memory
    return session


class _Graph:
    """The twelve layers as nodes and weights."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.weights: dict[str, np.ndarray] = {}
        self.nodes: list[Bytes] = []
        x = self._add("LayerNormalization", ["x", *self._norm("emb.ln")], "begin", axis=2, epsilon=EPSILON)
        for layer in range(LAYERS):
            x = self._layer(x, f"l{layer}.")

    def _layer(self, x: str, name: str) -> str:
        own, eps = OWN, EPSILON
        parts = [self._product(x, name + part) for part in PARTS[:3]]
        bias = np.concatenate([self.model.numbers(f"{name}{part}.b") for part in PARTS[:3]])
        parts.append(self._weight(f"{name}bias", bias))
        seen = self._add("MultiHeadAttention", parts, f"{name}seen", own, num_heads=HEADS)
        out = [x, self._product(seen, f"{name}ao"), *self._norm(f"{name}aln"), self._numbers(f"{name}ao.b")]
        x = self._add("SkipLayerNormalization", out, f"{name}x", own, epsilon=eps)
        parts = [self._product(x, f"{name}fi"), self._numbers(f"{name}fi.b")]
        wide = self._add("BiasGelu", parts, f"{name}wide", own)
        out = [x, self._product(wide, f"{name}fo"), *self._norm(f"{name}oln"), self._numbers(f"{name}fo.b")]
        return self._add("SkipLayerNormalization", out, f"{name}out", own, epsilon=eps)

    def _product(self, x: str, name: str) -> str:
        packed, scales = self.model.product(name)
        names = [x, self._weight(f"{name}.w", packed)]
        names.append(self._weight(f"{name}.scales", scales.astype(np.float32)))
        outputs, blocks, _ = packed.shape
        numbers = {"K": BLOCK * blocks, "N": outputs, "bits": 4, "block_size": BLOCK, "accuracy_level": 4}
        return self._add("MatMulNBits", names, f"{name}.product", OWN, **numbers)

    def _norm(self, name: str) -> list[str]:
        return [self._numbers(f"{name}.w"), self._numbers(f"{name}.b")]

    def _numbers(self, name: str) -> str:
        return self._weight(name, self.model.numbers(name))

    def _weight(self, name: str, value: np.ndarray) -> str:
        self.weights[name] = np.ascontiguousarray(value)
        return name

    def _add(self, operation: str, names: list[str], out: str, domain: bytes = b"", **numbers: float) -> str:
        attributes: list[Bytes] = [attribute(name, value) for name, value in numbers.items()]
        self.nodes += Node(operation, names, [out], attributes).written(domain)
        return out

    def written(self) -> bytes:
        """Return the model in the format of ONNX; its weights are external."""
        parts = [*self.nodes, *message(2, [b"e5"])]
        for name, value in self.weights.items():
            parts += message(5, [*_described(name, value)])
        parts += self._value(11, "x")
        parts += [part for n in range(LAYERS) for part in self._value(12, _after(n + 1))]
        sets = [[*message(1, [domain]), *integer(2, version)] for domain, version in ((b"", 17), (OWN, 1))]
        return b"".join(
            [*integer(1, 8), *message(7, parts), *(part for each in sets for part in message(8, each))]
        )

    def _value(self, field: int, name: str) -> list[Bytes]:
        shape = [*integer(1, 1)], message(2, [b"n"]), [*integer(1, self.model.width)]
        dimensions = [part for each in shape for part in message(1, each)]
        kind = message(1, [*integer(1, _FLOAT), *message(2, dimensions)])
        return message(field, [*message(1, [name.encode()]), *message(2, kind)])


def _described(name: str, value: np.ndarray) -> Iterator[Bytes]:
    """Yield the fields of a tensor with external data."""
    for size in value.shape:
        yield from integer(1, size)
    yield from integer(2, _BYTE if value.dtype == np.uint8 else _FLOAT)
    yield from message(8, [name.encode()])
    yield from message(13, [*message(1, [b"location"]), *message(2, [b"given"])])
    yield from integer(14, 1)
