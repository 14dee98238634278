"""Byte-pair encoding, learned on the run's own text: frequent neighbours become one token.

P. Gage, *A new algorithm for data compression*, 1994; R. Sennrich, B. Haddow and A. Birch, *Neural machine
translation of rare words with subword units*, 2016. Hugging Face ``tokenizers`` trains and encodes. It
works on strings: every byte becomes the character of the same number (latin-1), so bytes that are not UTF-8
are preserved.

Token ids 0 .. 255 are the bytes, the others the results of the merges in their order. So only the merges
are stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

import attrs
import torch
from torch import Tensor

from lior.config.options import option
from lior.errors import BrokenPlugin, UsageError, install_hint
from lior.interfaces import State
from lior.tensors import Expected, check

if TYPE_CHECKING:
    import tokenizers

_BYTES = [bytes([value]) for value in range(256)]
_MIN_COUNT = 2
"""Minimum count of a pair that is merged: a token that occurs once teaches nothing."""

_SPACE = " \t\n\r\x0b\x0c"
_LETTER = "A-Za-z\x80-\xff"  # all bytes beyond ASCII, so that other scripts have words too
_WORDS = (
    f" ?[{_LETTER}]{{1,64}}"
    "| ?[0-9]{1,3}"
    f"| ?[^{_SPACE}{_LETTER}0-9]{{1,64}}"
    f"|[{_SPACE}]{{1,64}}(?![^{_SPACE}])"  # without the last space, which belongs to the word after it
    f"|[{_SPACE}]{{1,64}}"
)
"""Pattern of words: no token crosses a match. The bounds avoid quadratic time on text without spaces."""

_PIECE = 1 << 16
_BATCH = 256
_BREAK = re.compile(rb"(?<=\S)(?=\s)")


@attrs.define(kw_only=True)
class Bpe:
    """Byte-level BPE. Before :meth:`fit` there are no merges, and a token is a byte."""

    api_version: ClassVar[int] = 1

    vocab_size: int = option(
        4096, help="maximum token ids; fewer if no pair of tokens occurs twice", low=257, high=32768
    )

    _merges: Tensor = attrs.field(init=False, repr=False, eq=False)
    _pieces: list[bytes] = attrs.field(init=False, repr=False, eq=False)
    """The bytes of each token id."""
    _encoder: tokenizers.Tokenizer = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._use(torch.empty(0, 2, dtype=torch.int64))

    @property
    def vocab(self) -> int:
        """Number of token ids, from 256 to ``vocab_size``."""
        return len(self._pieces)

    def fit(self, documents: Iterable[bytes]) -> None:
        """Learn the merges on ``documents``; the same documents give the same merges."""
        library = _library()
        trainer = library.trainers.BpeTrainer(
            vocab_size=self.vocab_size,
            min_frequency=_MIN_COUNT,
            initial_alphabet=[chr(value) for value in range(256)],
            show_progress=False,
        )
        learner = _splitting(library.models.BPE())
        learner.train_from_iterator(chain.from_iterable(map(_parts, documents)), trainer)
        # The library shows the merges of a model only in its JSON.
        merges = json.loads(learner.to_str())["model"]["merges"]
        self._use(_as_ids(merges))

    def encode(self, data: bytes) -> Tensor:
        """Return token ids of ``data``, int64 ``(N,)`` on the CPU."""
        ids = [torch.empty(0, dtype=torch.int64)]
        parts = _parts(data)
        while batch := list(islice(parts, _BATCH)):
            encodings = self._encoder.encode_batch_fast(batch, add_special_tokens=False)
            ids += [torch.tensor(encoding.ids, dtype=torch.int64) for encoding in encodings]
        return torch.cat(ids)

    def decode(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes that ``tokens`` stand for.

        Raises
        ------
        UsageError
            If an id is not in ``0 .. vocab - 1``.
        """
        if len(tokens) and not 0 <= min(tokens) <= max(tokens) < self.vocab:
            at, wrong = next((i, t) for i, t in enumerate(tokens) if not 0 <= t < self.vocab)
            raise UsageError(
                f"token id {wrong} at position {at} is not in the vocabulary: "
                f"allowed is 0 to {self.vocab - 1}"
            )
        return b"".join(map(self._pieces.__getitem__, tokens))

    def snapshot(self) -> State:
        """Return the merges as pairs of token ids in the order in which they apply, int64 ``(M, 2)``."""
        return {"merges": self._merges.clone()}

    def restore(self, snapshot: State) -> None:
        """Use the merges of ``snapshot``.

        Raises
        ------
        UsageError
            When a merge joins pieces that do not come before it.
        """
        check(snapshot, {"merges": Expected("int64", (None, 2))}, of="tokenizer bpe")
        merges = snapshot["merges"]
        known = len(_BYTES) + torch.arange(len(merges), device=merges.device)[:, None]
        if not bool(((merges >= 0) & (merges < known)).all()):
            raise UsageError("tokenizer bpe: merges of pieces that do not come before them")
        self._use(snapshot["merges"].cpu().clone())

    def _use(self, merges: Tensor) -> None:
        """Encode by ``merges`` from now on.

        It always creates a new encoder: an encoder that was trained again would use its cache of earlier
        words.
        """
        pieces = list(_BYTES)
        rules: list[tuple[str, str]] = []
        for left, right in merges.tolist():
            rules.append((_text(pieces[left]), _text(pieces[right])))
            pieces.append(pieces[left] + pieces[right])
        vocabulary = {_text(piece): token for token, piece in enumerate(pieces)}
        self._encoder = _splitting(_library().models.BPE(vocabulary, rules))
        self._merges, self._pieces = merges, pieces


def _as_ids(merges: Iterable[tuple[str, str]]) -> Tensor:
    """Return merges of strings as merges of token ids, int64 ``(M, 2)``."""
    ids = {_text(piece): token for token, piece in enumerate(_BYTES)}
    rows: list[tuple[int, int]] = []
    for left, right in merges:
        rows.append((ids[left], ids[right]))
        ids[left + right] = len(ids)
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)


def _text(piece: bytes) -> str:
    """Return one character for each byte."""
    return piece.decode("latin-1")


def _parts(data: bytes) -> Iterator[str]:
    """Yield ``data`` in parts that are encoded side by side and take little memory each.

    They end before white space, which no token crosses; only a text without any is cut elsewhere.
    """
    begin = 0
    while begin < len(data):
        here = _BREAK.search(data, begin + _PIECE, begin + 2 * _PIECE)
        end = here.start() if here else begin + 2 * _PIECE
        yield _text(data[begin:end])
        begin = end


def _splitting(model: tokenizers.models.BPE) -> tokenizers.Tokenizer:
    """Return a tokenizer of the library around ``model``, in which tokens stay within words."""
    library = _library()
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(_WORDS), "isolated")
    return tokenizer


def _library() -> ModuleType:
    """Return the package ``tokenizers``, imported when a run needs it.

    Raises
    ------
    BrokenPlugin
        When it is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise BrokenPlugin(
            f"tokenizer 'bpe' needs the package tokenizers, which cannot be imported ({error}): "
            f"{install_hint('bpe')}"
        ) from error
    return tokenizers
