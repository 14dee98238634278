"""Which words of a question limit the rows that it asks for: "Edeka", for "how much did we spend at Edeka?".

A linear function of the encoder's states tells it, so it does not depend on the words of any table: "Edeka"
limits the rows whether a table has it or not.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

import numpy as np

from lior_ask.tables.asked import Asked


def words_in(text: str, asked: Asked) -> list[int]:
    """Return the number of the word of a text, divided at spaces, in which each token of a question is.

    It is -1 for periods, comparisons and files, and for what the text does not have.
    """
    words = text.lower().split()
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    line, at, found = " ".join(words), 0, list[int]()
    for token in asked.tokens:
        match = None if token.kind else re.compile(rf"(?<![^\W_]){re.escape(token.word)}").search(line, at)
        found.append(bisect_right(starts, match.start()) - 1 if match else -1)
        at = match.end() if match else at
    return found


def limiting(text: str, asked: Asked, states: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the probability ``(T,)`` of each token of a question that it limits the rows.

    Parameters
    ----------
    states
        Those of the words of the text, ``(W, D)``, by :func:`lior_ask.embedders.e5.read_words`.
    weights
        A constant and the weight of each number, ``(1 + D,)``.
    """
    odds = weights[0] + states @ weights[1:]
    shares = np.append(1 / (1 + np.exp(-np.clip(odds, -30, 30))), 0.0)
    return shares[[n if n < len(states) else -1 for n in words_in(text, asked)]]  # -1 is the last one
