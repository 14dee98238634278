"""The page of ``lior why --html``: a text that shows the places of the word under the pointer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from lior_cli import pages
from lior_cli.sources import numbers, printable_line
from lior_cli.terminal import printable_text

if TYPE_CHECKING:
    from lior.model.provenance import Explained
    from lior_cli.origins import Account

COMMAND = "lior why"
_STYLE = """
:root { color-scheme: light dark; --heat: 46, 160, 67; --back: #fff; --ink: #1f2328 }
@media (prefers-color-scheme: dark) { :root { --back: #16191d; --ink: #e6edf3 } }
body { font: 16px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--back);
       max-width: 46rem; margin: 2rem auto; padding: 0 1rem 19rem }
h1 { font-size: 1.1rem } h2 { font-size: 1rem; margin: 2rem 0 .3rem }
.text { font-size: 1.15rem; line-height: 1.9; white-space: pre-wrap; overflow-wrap: anywhere }
.prompt { opacity: .6 }
.word { background: rgba(var(--heat), calc(.05 + .6 * var(--share))); border-radius: .2em; cursor: help }
.word:hover, .word:focus-within { outline: 2px solid rgb(var(--heat)) }
.from { display: none; position: fixed; inset: auto 0 0 0; max-height: 17rem; overflow: auto; white-space: normal;
        padding: .7rem max(1rem, 50% - 23rem); background: var(--back); border-top: 2px solid rgb(var(--heat)) }
.word:hover > .from, .word:focus-within > .from { display: grid }
.text:has(.word:hover) .word:focus-within:not(:hover) > .from { display: none }
.rows { grid-template-columns: 3.5rem fit-content(20rem) 1fr; gap: .2rem .8rem; font: 14px/1.5 system-ui, sans-serif }
div.rows { display: grid } .head { grid-column: 1 / -1 }
.rows .n { text-align: right; font-variant-numeric: tabular-nums } .rows .at { overflow-wrap: anywhere }
code { font: 13px/1.6 ui-monospace, monospace; overflow-wrap: anywhere }
@media (max-width: 40rem) { .rows { grid-template-columns: 3.5rem 1fr } .rows .of { grid-column: 2 } }
mark { background: rgba(var(--heat), .45); color: inherit }
.legend { display: inline-block; width: 8rem; height: .8em; margin: 0 .5em; border-radius: .2em;
          background: linear-gradient(90deg, rgba(var(--heat), .05), rgba(var(--heat), .65)) }
"""  # noqa: E501


def page(prompt: bytes, words: Sequence[Explained], names: Mapping[str, str], top: int) -> str:
    """Return the whole page, which needs no other file and no scripts."""
    from lior_cli.origins import account

    text = "".join(_word(word, names, top) for word in words)
    title = "Where the words come from"
    body = (
        f"<h1>{title}</h1>\n"
        "<p>Point at a word, click it, or go to it with the tab key: its sources stand below.<br>"
        'Share of the weightiest place: 0 %<span class="legend"></span>100 %</p>\n'
        f'<div class="text"><span class="prompt">{_text(prompt)}</span>{text}</div>\n'
        f"{_account(account(words), names)}"
    )
    return pages.html_page(COMMAND, title=title, style=_STYLE, body=body)


def _word(word: Explained, names: Mapping[str, str], top: int) -> str:
    if word.blank:
        return _text(word.text)
    share = word.share(word.sources[0].weight) if word.sources else 0.0
    return (
        f'<span class="word" tabindex="0" style="--share:{share:.3f}">{_text(word.text)}'
        f'<span class="from rows" role="tooltip" tabindex="-1">{_sources(word, names, top)}</span></span>'
    )


def _sources(word: Explained, names: Mapping[str, str], top: int) -> str:
    """Return the places of a word, and the experts."""
    experts = ", ".join(f"{escape(name)} {_percent(word.share(w))}" for name, w in word.experts.items())
    head = f'<b class="head">{_text(word.text)}: probability {word.probability:.4g}; {experts}</b>'
    listed, others = word.sources[:top], word.sources[top:]
    rows = (
        _row(
            word.share(place.weight),
            f"{_name(place.document, names)}:{place.line}",
            "<code>{}<mark>{}</mark>{}</code>".format(
                *(escape(printable_line(part)) for part in (place.before, place.text, place.after))
            ),
        )
        for place in listed
    )
    rest = word.share(word.elsewhere + sum(place.weight for place in others))
    return (
        head + "".join(rows) + _row(rest, "other places") + _row(word.share(word.unplaced), "no stored text")
    )


def _account(account: Account, names: Mapping[str, str]) -> str:
    documents = (
        _row(b.share, _name(b.document, names), numbers(list(b.lines), len(b.lines)))
        for b in account.documents
    )
    rest = _row(account.common, "contexts too common to name a place")
    rest += _row(account.unplaced, "no stored text")
    experts = "".join(_row(share, escape(name)) for name, share in account.experts.items())
    return (
        f'<h2>Documents</h2>\n<div class="rows">{"".join(documents)}{rest}</div>\n'
        f'<h2>Experts</h2>\n<div class="rows">{experts}</div>\n'
    )


def _row(share: float, name: str, text: str = "") -> str:
    cells = (("n", _percent(share)), ("at", name), ("of", text))
    return "".join(f'<span class="{kind}">{cell}</span>' for kind, cell in cells)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _name(document: str, names: Mapping[str, str]) -> str:
    title, name = (escape(printable_line(text)) for text in (document, names.get(document, document)))
    return f'<span title="{title}">{name}</span>'


def _text(text: bytes) -> str:
    return escape(printable_text(text))
