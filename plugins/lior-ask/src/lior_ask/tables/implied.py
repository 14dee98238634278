"""Conditions that a question implies, "overdue", "free", and columns that it does not name: "over 50 kilos".

The encoder reads the question and the names of columns, so words that were never learned from count, too. The
logarithm of the odds of a condition is linear in the question's vector, in that of the column's name, and in
their elementwise product. A smooth maximum over the words of the question is added.
"""

from __future__ import annotations

import attrs
import numpy as np

ROLES = (
    *("compared", "period", "empty", "filled", "future", "past", "no", "yes", "zero", "some"),
    *("<", "<=", ">", ">=", "=", "!="),
    *("beside <", "beside >", "beside =", "next", "previous", "below", "above"),
)
"""What the column of a condition is there for: a number or a period of the question, or what an implied
condition says; the signs compare two columns, and the last ones a row with another one."""
BESIDE = ROLES[-7:]


@attrs.frozen(eq=False)
class Implying:
    """Weights for each of :data:`ROLES`."""

    constants: np.ndarray
    """``(R,)``."""
    asked: np.ndarray
    """Of a question, ``(R, D)``."""
    words: np.ndarray
    """A constant and weights of a word's state, ``(R, 1 + D)``."""
    columns: np.ndarray
    """Of the name of a column, ``(R, D)``."""
    pairs: np.ndarray
    """Of its product with a question, ``(R, D)``, for the first and the second column: ``(2, R, D)``."""

    def of(self, question: np.ndarray, words: np.ndarray) -> Implied:
        """Return the odds of conditions for a question.

        Parameters
        ----------
        question
            Its vector, ``(D,)``.
        words
            The states of its words, ``(W, D)``, by :func:`lior_ask.embedders.e5.read_words`.
        """
        told = self.words[:, :1] + self.words[:, 1:] @ words.T
        most = np.logaddexp.reduce(2 * told, 1) / 2 if len(words) else 0.0
        products = self.pairs * question
        products[0] += self.columns
        return Implied(self.constants + self.asked @ question + most, products)


@attrs.frozen(eq=False)
class Implied:
    """The odds of conditions for one question."""

    roles: np.ndarray
    """Those of a role alone, ``(R,)``."""
    columns: np.ndarray
    """The weights of the vectors of the first and the second column, ``(2, R, D)``."""

    def odds(self, role: str, names: np.ndarray) -> np.ndarray:
        """Return the logarithm of the odds of conditions in a role, ``(N,)``.

        ``names`` are the vectors of the names of their columns, ``(N, D)``, or ``(N, 2, D)`` of two.
        """
        place = ROLES.index(role)
        two = names.reshape(len(names), -1, names.shape[-1])
        weights = self.columns[: two.shape[1], place]
        found: np.ndarray = self.roles[place] + np.einsum("nkd,kd->n", two, weights)
        return found
