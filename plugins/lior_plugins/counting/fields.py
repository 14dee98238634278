"""Context fields: the features of the last :data:`REACH` tokens that address patterns and gates use.

Every field is a function of at most :data:`REACH` tokens before a position, however far back the text goes:
anything further away counts as absent. So a position has the same addresses whether it is read alone, in a
block, or while a file streams by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, njit
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner

REACH = 1024
"""Maximum number of tokens before a position that a field may depend on."""

FIELDS = (
    "word",
    "word-1",
    "word-2",
    "word-3",
    "column",
    "half",
    "above",
    "margin",
    "stop",
    "marks",
    "opening",
    "heading",
    "suffix",
    "shape",
    "after",
    "after-2",
    "next",
    "next-2",
    "next-3",
    "length",
    "bag",
    "name",
    "sentence",
    "closing",
    "suffix-2",
)
"""Names of the fields; ``docs/interfaces.md`` describes them. The constants below are their numbers."""
(
    WORD,
    _,
    _,
    _,
    COLUMN,
    HALF,
    ABOVE,
    MARGIN,
    STOP,
    MARKS,
    OPENING,
    HEADING,
    SUFFIX,
    SHAPE,
    AFTER,
    _,
    NEXT,
    _,
    _,
    LENGTH,
    BAG,
    NAME,
    SENTENCE,
    CLOSING,
    SUFFIX_2,
) = range(len(FIELDS))

_WORD = 32
"""Maximum word length, in letters."""
_GAP = 200
"""Number of tokens after which a word, a punctuation mark or a name is forgotten."""
_LINE = 255
"""Maximum length of a line whose columns are compared."""
_PARAGRAPH = 900
"""Number of tokens after which a heading or an earlier occurrence is forgotten."""
_PAIRS = 1 << 16
_NEVER = -(1 << 40)
_LF, _SPACE = 10, 32

(
    _WORD_END,
    _LINE_BEGIN,
    _LAST_LINE_BEGIN,
    _OPENING,
    _CLOSING,
    _HEADING,
    _HEADING_BEGIN,
    _IN_HEADING,
    _MARKS,
    _SHAPE,
    _SHAPE_AT,
    _STOP,
    _STOP_AT,
    _SUFFIX,
    _SUFFIX_2,
    _NAME,
    _NAME_AT,
    _SENTENCE,
    _STATE,
) = range(19)
"""Entries of the state along a text, and their number.

Places end in ``AT``, ``BEGIN`` or ``END``; ``_SENTENCE`` counts the words of the sentence; the others are
values of the fields of the same name.
"""

_MULTIPLIER = 6364136223846793005  # Knuth, MMIX
_INCREMENT = 1442695040888963407


@njit(inline="always")
def mix(h: int, value: int) -> int:
    """Fold ``value`` into the 64-bit hash ``h`` (multiplicative, with a shift so that low bits matter)."""
    h = int64((h ^ value) * int64(_MULTIPLIER) + int64(_INCREMENT))
    return h ^ (h >> int64(29))


@njit(inline="always")
def fold(token: int) -> int:
    """Return the lower-case letter of an ASCII letter, and other tokens unchanged."""
    return token + 32 if 65 <= token <= 90 else token


@njit(inline="always")
def is_letter(token: int) -> bool:
    """Return whether a byte belongs to a word: letters, apostrophes, all of UTF-8 beyond ASCII."""
    return 97 <= fold(token) <= 122 or token == 39 or 127 < token < 256


@inner
def _word_before(tokens, t, depth):
    """Return hash and length of the run of at most 32 letters that ends before ``t``."""
    run = 0
    while run < _WORD and run < depth and is_letter(tokens[t - 1 - run]):
        run += 1
    h = int64(0)
    for k in range(run, 0, -1):
        h = mix(h, fold(tokens[t - k]) + 1)
    return h, run


class Carried(NamedTuple):
    """The state along a text of ``T`` tokens, updated from one position to the next."""

    words: NDArray[np.int64]
    """Hashes of the word so far and of the last three, ``(4,)``."""
    state: NDArray[np.int64]
    last_single: NDArray[np.int64]
    """The last position after each token."""
    last_pair: NDArray[np.int32]
    """The last position after two tokens."""
    same_single: NDArray[np.int64]
    """The position before each after the same token, ``(T,)``."""
    same_pair: NDArray[np.int64]
    """The position before each after the same two tokens, ``(T,)``."""


def carry(size: int) -> Carried:
    """Return the state at the beginning of a text of at most ``size`` tokens."""
    nowhere = lambda count: np.full(count, -1, np.int64)  # noqa: E731
    pairs = np.full(_PAIRS, -1, np.int32)
    return Carried(
        np.zeros(4, np.int64), np.zeros(_STATE, np.int64), nowhere(257), pairs, nowhere(size), nowhere(size)
    )


def compute(tokens: NDArray[np.int64], depth: NDArray[np.int64], start: int, out: NDArray[np.int64]) -> None:
    """Fill ``out (T - start, len(FIELDS))`` for the positions ``start ..`` of a text; 0 means "absent".

    ``depth (T,)`` is the number of tokens of its document before each token.
    """
    _compute(tokens, depth, start, carry(len(tokens)), out)


@entry
def _compute(tokens, depth, start, along, out):
    for t in range(len(tokens)):
        step(tokens, depth, t, along)
        if t >= start:
            describe(tokens, depth, t, along, out[t - start])


@inner
def step(tokens, depth, t, along):
    """Advance the state from the position before ``t`` to ``t``; the token at ``t`` is not read."""
    words, state = along.words, along.state
    if depth[t] == 0 or t == 0:
        words[:], state[:] = 0, 0
        state[_WORD_END] = _NEVER
        line = t - depth[t] if depth[t] < REACH else _NEVER
        state[_LINE_BEGIN], state[_LAST_LINE_BEGIN] = line, line
        if depth[t] == 0:
            along.last_single[:], along.last_pair[:] = -1, -1
    else:
        _update(tokens, depth, t, words, state)
    _link(tokens, depth, t, along.last_single, along.last_pair, along.same_single, along.same_pair)


@inner
def describe(tokens, depth, t, along, out):
    """Fill ``out (len(FIELDS),)`` for position ``t``; the last :func:`step` must have been to ``t``."""
    out[:] = 0
    along.words[0], length = _word_before(tokens, t, min(depth[t], t))
    _write(tokens, t, length, along.words, along.state, out)
    _followers(tokens, t, along.same_single, out[AFTER : AFTER + 2])
    _followers(tokens, t, along.same_pair, out[NEXT : NEXT + 3])


@inner
def _update(tokens, depth, t, words, state):
    """Update the state by the token at ``t - 1``."""
    token = tokens[t - 1]
    mark = state[_MARKS] << 10 ^ (fold(token) + 1) if is_letter(token) else state[_MARKS] << 1
    state[_MARKS] = mark & ((int64(1) << 50) - 1)
    if is_letter(token):
        if t - 1 - state[_WORD_END] > _GAP:
            words[1:] = 0
    else:
        if depth[t] > 1 and t > 1 and is_letter(tokens[t - 2]):
            _end_word(tokens, depth, t, words, state)
        if token != _SPACE:
            if t - state[_SHAPE_AT] > _GAP:
                state[_SHAPE] = 0
            state[_SHAPE] = (state[_SHAPE] * 8 & 0xFFF) ^ (token << 16)
            state[_SHAPE_AT] = t
            state[_STOP], state[_STOP_AT] = token + 1, t
        if token in (46, 33, 63, _LF):  # . ! ?
            state[_SENTENCE] = 0
    if token == _LF:
        if state[_LINE_BEGIN] == t - 1:  # an empty line: the next one is the heading of a paragraph
            state[_HEADING], state[_HEADING_BEGIN], state[_IN_HEADING] = 0, t, 1
        elif state[_IN_HEADING] == 1:
            state[_IN_HEADING] = 0
        state[_LAST_LINE_BEGIN], state[_LINE_BEGIN] = state[_LINE_BEGIN], t
        state[_OPENING] = 0
        state[_CLOSING] = words[1] if t - state[_WORD_END] <= _GAP else 0
    elif state[_IN_HEADING] == 1 and t - state[_HEADING_BEGIN] <= _WORD:
        state[_HEADING] = mix(state[_HEADING], token + 1)


@inner
def _end_word(tokens, depth, t, words, state):
    """Update the state by the word that ended before the token at ``t - 1``."""
    fresh = t - 1 - state[_WORD_END] <= _GAP
    words[3] = words[2] if fresh else 0
    words[2] = words[1] if fresh else 0
    words[1], length = _word_before(tokens, t - 1, min(depth[t - 1], t - 1))
    state[_WORD_END] = t - 1
    first = tokens[t - 1 - length]
    if state[_OPENING] == 0 and t - state[_LINE_BEGIN] <= _LINE:
        state[_OPENING] = words[1]
    elif first != fold(first):  # a capital that is not at the beginning of a line
        state[_NAME], state[_NAME_AT] = words[1], t
    state[_SENTENCE] = min(state[_SENTENCE], 4) + 1 if fresh else 1
    if t - state[_SHAPE_AT] > _GAP:
        state[_SHAPE] = 0
    state[_SHAPE] = (state[_SHAPE] * 8 + min(length, 7)) & 0xFFF
    state[_SHAPE_AT] = t
    state[_SUFFIX_2] = state[_SUFFIX] if fresh else 0
    state[_SUFFIX] = 0
    for k in range(2, min(length, 3) + 2):
        state[_SUFFIX] = state[_SUFFIX] * 256 + fold(tokens[t - k]) % 256


@inner
def _write(tokens, t, length, words, state, out):
    """Write the fields of position ``t``, except those of :func:`_followers`."""
    near = t - state[_WORD_END] <= _GAP
    line, last_line = state[_LINE_BEGIN], state[_LAST_LINE_BEGIN]
    column, margin = t - line, line - last_line
    above = last_line + column
    known = column <= _LINE and margin <= _LINE
    out[WORD] = words[0]
    for k in range(1, 4):
        out[WORD + k] = words[k] if near else 0
    out[LENGTH] = length
    out[BAG] = words[1] + words[2] if near else 0
    out[SUFFIX] = state[_SUFFIX] if near else 0
    out[SUFFIX_2] = state[_SUFFIX_2] if near else 0
    out[SENTENCE] = state[_SENTENCE] + 1 if near else 0
    out[SHAPE] = state[_SHAPE] if t - state[_SHAPE_AT] <= _GAP else 0
    out[STOP] = state[_STOP] if t - state[_STOP_AT] <= _GAP else 0
    out[NAME] = state[_NAME] if t - state[_NAME_AT] <= _GAP else 0
    out[MARKS] = state[_MARKS]
    out[COLUMN] = min(column, 60) + 1
    out[HALF] = min(column // 2, 40) + 1
    out[ABOVE] = tokens[above] + 1 if known and last_line < line and above < line and above >= 0 else 0
    out[MARGIN] = min(margin // 4, 15) + 1 if known else 0
    out[OPENING] = state[_OPENING] if column <= _LINE else 0
    out[CLOSING] = state[_CLOSING] if column <= _LINE else 0
    heading = state[_IN_HEADING] == 0 and t - state[_HEADING_BEGIN] <= _PARAGRAPH
    out[HEADING] = state[_HEADING] if heading else 0


@inner
def _link(tokens, depth, t, last_single, last_pair, same_single, same_pair):
    """Link ``t`` to the last positions after the same token, and after the same two tokens."""
    if t == 0 or depth[t] == 0:
        return
    token = tokens[t - 1] % 256
    same_single[t] = last_single[token]
    last_single[token] = t
    if t < 2 or depth[t] < 2:
        return
    pair = (tokens[t - 1] * 256 + tokens[t - 2]) % _PAIRS
    same_pair[t] = last_pair[pair]
    last_pair[pair] = t


@inner
def _followers(tokens, t, same, out):
    """Tokens at the earlier positions that ``same`` links (indirect contexts), the last first."""
    q = t
    for j in range(len(out)):
        q = same[q]
        if q < 0 or t - q > _PARAGRAPH:
            break
        out[j] = tokens[q] + 1
