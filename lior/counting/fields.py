"""What address patterns and gates look at: fields of the last :data:`REACH` tokens of a document.

Every field is a function of at most :data:`REACH` tokens before a position,
however far back the text goes: what is further away counts as absent. So a
position has the same addresses whether it is read alone, in a block, or while
a file streams by.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit

from lior.counting.compiled import entry, inner

REACH = 1024
"""Tokens before a position that a field may depend on."""

_WORD = 32
_GAP = 200
_LINE = 255
_PARAGRAPH = 900
_PAIRS = 1 << 16
_LF, _SPACE = 10, 32

FIELDS = (
    "word", "word-1", "word-2", "word-3", "column", "half", "above", "margin", "stop", "marks",
    "opening", "heading", "suffix", "shape", "after", "after-2", "next", "next-2", "next-3", "length",
    "bag", "name", "sentence", "closing", "suffix-2",
)  # fmt: skip
"""Names of the fields; ``docs/interfaces.md`` describes them."""

_MULTIPLIER = 6364136223846793005  # Knuth, MMIX
_INCREMENT = 1442695040888963407


@njit(inline="always")
def mix(h: int, value: int) -> int:
    """Fold ``value`` into the 64-bit hash ``h`` (multiplicative, with a shift so that low bits matter)."""
    h = int64((h ^ value) * int64(_MULTIPLIER) + int64(_INCREMENT))
    return h ^ (h >> int64(29))


@njit(inline="always")
def fold(token: int) -> int:
    """The lower-case letter of an ASCII letter, other tokens as they are."""
    return token + 32 if 65 <= token <= 90 else token


@njit(inline="always")
def is_letter(token: int) -> bool:
    """Whether a byte belongs to a word: letters, apostrophes, all of UTF-8 beyond ASCII."""
    return 97 <= fold(token) <= 122 or token == 39 or 127 < token < 256


@inner
def _word_before(tokens, t, depth):
    """Hash and length of the run of at most 32 word letters that ends before ``t``."""
    run = 0
    while run < _WORD and run < depth and is_letter(tokens[t - 1 - run]):
        run += 1
    h = int64(0)
    for k in range(run, 0, -1):
        h = mix(h, fold(tokens[t - k]) + 1)
    return h, run


@entry
def compute(tokens, depth, start, out):
    """Fill ``out (T - start, len(FIELDS))`` for the positions ``start ..`` of a text; 0 means "not there".

    ``depth (T,)`` is how many tokens of its document precede each.
    """
    words = np.zeros(4, np.int64)  # hashes of the word so far and of the last three
    ends = np.full(4, -(1 << 40), np.int64)
    line = np.zeros(2, np.int64)  # where this line and the one before begin
    single = np.full(257, -1, np.int64)
    pair = np.full(_PAIRS, -1, np.int32)
    back1, back2 = np.full(len(tokens), -1, np.int64), np.full(len(tokens), -1, np.int64)
    # 0 opening word of the line; 1 heading, 2 its place, 3 whether it is being read; 4 marks; 5 shape, 6 its
    # place; 7 last stop, 8 its place; 9 suffix; 10 last name, 11 its place; 12 words of the sentence;
    # 13 last word of the line before; 14 suffix of the word before
    s = np.zeros(15, np.int64)
    for t in range(len(tokens)):
        if depth[t] == 0 or t == 0:
            begin = t - depth[t]
            words[:], ends[:], s[:] = 0, -(1 << 40), 0
            line[:] = begin if depth[t] < REACH else -(1 << 40)
            if depth[t] == 0:
                single[:], pair[:] = -1, -1
        else:
            _take(tokens, depth, t, words, ends, line, s)
        _follow(tokens, depth, t, single, pair, back1, back2)
        if t >= start:
            words[0], run = _word_before(tokens, t, min(depth[t], t))
            _write(tokens, t, run, words, ends, line, s, out[t - start])
            _followers(tokens, t, back1, back2, out[t - start])


@inner
def _take(tokens, depth, t, words, ends, line, s):
    """Let the token at ``t - 1`` change what is known of words, lines and paragraphs."""
    token = tokens[t - 1]
    s[4] = (s[4] << 10 ^ (fold(token) + 1) if is_letter(token) else s[4] << 1) & ((int64(1) << 50) - 1)
    if is_letter(token):
        if t - 1 - ends[1] > _GAP:
            words[1:] = 0
    else:
        if depth[t] > 1 and t > 1 and is_letter(tokens[t - 2]):
            _end_word(tokens, depth, t, words, ends, line, s)
        if token != _SPACE:
            if t - s[6] > _GAP:
                s[5] = 0
            s[5] = (s[5] * 8 & 0xFFF) ^ (token << 16)
            s[6] = t
            s[7], s[8] = token + 1, t
        if token in (46, 33, 63, _LF):  # . ! ?
            s[12] = 0
    if token == _LF:
        if line[0] == t - 1:  # an empty line: the next one is the heading of a paragraph
            s[1], s[2], s[3] = 0, t, 1
        elif s[3] == 1:
            s[3] = 0
        line[1], line[0] = line[0], t
        s[0] = 0
        s[13] = words[1] if t - ends[1] <= _GAP else 0
    elif s[3] == 1 and t - s[2] <= _WORD:
        s[1] = mix(s[1], token + 1)


@inner
def _end_word(tokens, depth, t, words, ends, line, s):
    """Note the word that ended before the token at ``t - 1``."""
    fresh = t - 1 - ends[1] <= _GAP
    words[3] = words[2] if fresh else 0
    words[2] = words[1] if fresh else 0
    words[1], run = _word_before(tokens, t - 1, min(depth[t - 1], t - 1))
    ends[1] = t - 1
    if s[0] == 0 and t - line[0] <= _LINE:
        s[0] = words[1]
    elif tokens[t - 1 - run] != fold(tokens[t - 1 - run]):  # a capital, and not because a line begins
        s[10], s[11] = words[1], t
    s[12] = min(s[12], 4) + 1 if fresh else 1
    s[14] = s[9] if fresh else 0
    if t - s[6] > _GAP:
        s[5] = 0
    s[5] = (s[5] * 8 + min(run, 7)) & 0xFFF
    s[6] = t
    s[9] = 0
    for k in range(2, min(run, 3) + 2):
        s[9] = s[9] * 256 + fold(tokens[t - k]) % 256


@inner
def _write(tokens, t, run, words, ends, line, s, out):
    """The fields of position ``t`` from what is known."""
    near = t - ends[1] <= _GAP
    column = t - line[0]
    out[0] = words[0]
    for j in range(1, 4):
        out[j] = words[j] if near else 0
    out[4] = min(column, 60) + 1
    out[5] = min(column // 2, 40) + 1
    above = line[1] + column
    known = column <= _LINE and line[0] - line[1] <= _LINE
    out[6] = tokens[above] + 1 if known and line[1] < line[0] and above < line[0] and above >= 0 else 0
    out[7] = min((line[0] - line[1]) // 4, 15) + 1 if known else 0
    out[8] = s[7] if t - s[8] <= _GAP else 0
    out[9] = s[4]
    out[10] = s[0] if column <= _LINE else 0
    out[11] = s[1] if s[3] == 0 and t - s[2] <= _PARAGRAPH else 0
    out[12] = s[9] if near else 0
    out[13] = s[5] if t - s[6] <= _GAP else 0
    out[19] = run
    out[20] = words[1] + words[2] if near else 0
    out[21] = s[10] if t - s[11] <= _GAP else 0
    out[22] = s[12] + 1 if near else 0
    out[23] = s[13] if column <= _LINE else 0
    out[24] = s[14] if near else 0


@inner
def _follow(tokens, depth, t, single, pair, back1, back2):
    """Link ``t`` to the places where its last token, and its last two, stood before."""
    if t == 0 or depth[t] == 0:
        return
    here = tokens[t - 1] % 256
    back1[t] = single[here]
    single[here] = t
    if t < 2 or depth[t] < 2:
        return
    both = (tokens[t - 1] * 256 + tokens[t - 2]) % _PAIRS
    back2[t] = pair[both]
    pair[both] = t


@inner
def _followers(tokens, t, back1, back2, out):
    """What followed the last token, and the last two, at their earlier occurrences (indirect contexts)."""
    _walk(tokens, t, back1, out[14:16])
    _walk(tokens, t, back2, out[16:19])


@inner
def _walk(tokens, t, back, out):
    """Tokens at the earlier occurrences that ``back`` links, the last first, until ``out`` is full."""
    q = t
    for j in range(len(out)):
        q = back[q]
        if q < 0 or t - q > _PARAGRAPH:
            break
        out[j] = tokens[q] + 1
