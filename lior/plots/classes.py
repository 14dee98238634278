"""Classes of tokens, for colours and averages."""

from __future__ import annotations

import torch
from torch import Tensor

from lior.interfaces import Tokenizer

CLASSES = ("lower case", "upper case", "digit", "space", "newline", "punctuation", "other")
"""``other`` are control characters and all bytes beyond ASCII."""


def class_of(data: bytes) -> int:
    """The class of a token with the bytes ``data``, an index into :data:`CLASSES`.

    It is that of the first byte that is neither space nor newline, if there is one.

    >>> [CLASSES[class_of(data)] for data in (b"a", b" The", b" ", b"\\n ", b"!", b"\\xc3", b"")]
    ['lower case', 'upper case', 'space', 'newline', 'punctuation', 'other', 'other']
    """
    inner = data.strip(b" \t\r\n")
    if not inner:
        return 6 if not data else 4 if {*data} & {*b"\r\n"} else 3
    first = chr(inner[0])
    if not (first.isascii() and first.isprintable()):
        return 6
    return 0 if first.islower() else 1 if first.isupper() else 2 if first.isdigit() else 5


def classes_of(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Class of each of ``tokens (N,)``, int64 ``(N,)``."""
    present, index = torch.unique(tokens, return_inverse=True)
    found = [class_of(tokenizer.decode([token])) for token in present.tolist()]
    return torch.tensor(found, dtype=torch.int64, device=tokens.device)[index]
