"""An answer in a notebook, as HTML: the quotation or number, its place, and the rows of a calculation.

Nothing here imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from lior.errors import quantity
from lior.interfaces import Passage
from lior_ask.answer.figures import bars, headline, in_words, shown
from lior_ask.languages.replies import in_words_of

_ROWS = 8
"""Maximum number of rows and of further passages that are shown, as on a terminal."""


def as_html(answer: Any) -> str:
    """Return a :class:`~lior_ask.Answer`, which imports this module, as HTML; texts are escaped."""
    sure = f"{in_words(answer.confidence, answer.language)}, {answer.confidence:.0%}"
    if answer.result:
        value, sentence = headline(answer)
        parts = [_large(value), _line(f"{sentence}  ({sure})"), _groups(answer), _rows(answer)]
    elif answer.said:
        parts = [_large(answer.said)]
    elif answer.found and answer.answer:
        parts = [_large(answer.answer.text), _line(f"{_place(answer.answer)}  ({sure})")]
    else:
        nearest = [f"{passage.text}  {_place(passage)}" for passage, _ in answer.passages[:_ROWS]]
        parts = [
            _large(in_words_of(f"No answer found: {answer.note}", answer.language)),
            *map(_line, nearest),
        ]
    return f"<div>{''.join(parts)}</div>"


def _place(passage: Passage) -> str:
    return f"{passage.document}:{passage.line}"


def _large(text: str) -> str:
    return f'<div style="font-size:1.3em">{escape(text)}</div>' if text else ""


def _line(text: str) -> str:
    return f"<div>{escape(text)}</div>"


def _groups(answer: Any) -> str:
    """Return the groups of a calculation with bars, of which only the lengths are computed."""
    groups, unit = answer.result.groups, answer.result.unit
    _, lengths = bars(groups) or (0, [0.0] * len(groups))
    groups = shown(answer.result, answer.language).groups
    bar = '<div style="background:currentColor;height:.7em;width:{:.1f}em"></div>'
    marks = [bar.format(20 * abs(length)) for length in lengths]
    cells = (
        [escape(name), escape(f"{value} {unit}".strip()), mark]
        for (name, value), mark in zip(groups, marks, strict=True)
    )
    return _table((), cells) if groups else ""


def _rows(answer: Any) -> str:
    """Return the first rows of a calculation with their places."""
    result = shown(answer.result, answer.language)
    cells = result.cells or [(row.text,) for row in result.rows]
    first = [
        [*map(escape, row), escape(_place(at))] for row, at in zip(cells[:_ROWS], result.rows, strict=False)
    ]
    more = len(result.rows) - len(first)
    head = [*result.columns, ""] if result.cells else []
    told = in_words_of(f"and {quantity(more, 'more row')}", answer.language)
    return (_table(head, first) if first else "") + (_line(told) if more > 0 else "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells of ``rows`` are HTML already."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
