"""One HTML file with photographs before and after correction; it needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from lior_cli import html_page
from lior_lens.sheets import Card

if TYPE_CHECKING:
    from lior_lens.correcting import CorrectionOutcome

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 860px; padding: 0 1rem;
  color: #222; background: #fafafa }
figure { margin: 2rem 0 }
figcaption { margin-bottom: .4rem; overflow-wrap: anywhere }
.pair { position: relative; line-height: 0; --at: 50% }
.pair img, .alone { width: 100%; height: auto }
.pair .after { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)) }
.pair .edges { position: absolute; inset: 0; display: none; clip-path: inset(0 calc(100% - var(--at)) 0 0) }
.show .edges { display: block }
.pair::after { content: ""; position: absolute; inset: 0 auto 0 var(--at); width: 2px; background: #fff;
  box-shadow: 0 0 3px #000; pointer-events: none }
.pair input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; z-index: 1;
  cursor: ew-resize }
.pair:focus-within { outline: 3px solid #2b6cb0 }
.words { color: #555; display: block }
"""
_BODY = """<h1>{title}</h1>
<p>{summary}. Left of the line is the photograph, right of it what it became; drag the line, or use the arrow
keys.</p>
<p><label><input type="checkbox" onchange="document.body.classList.toggle('show', this.checked)">
Edges (green: straight once corrected; red: not) and the grid that becomes straight</label></p>
{figures}
{others}
"""
_PAIR = """<figure><figcaption><b>{name}</b><span class="words">{words}</span></figcaption>
<div class="pair" style="max-width: {width}px">
<img src="{before}" width="{width}" height="{height}" alt="{name}, photograph">
<img class="edges" src="{edges}" width="{width}" height="{height}" alt="">
<img class="after" src="{after}" width="{width}" height="{height}" alt="{name}, corrected">
<input type="range" min="0" max="100" step=".5" value="50" aria-label="{name}: share of the photograph"
 oninput="this.parentElement.style.setProperty('--at', this.value + '%')">
</div></figure>"""
_ALONE = """<figure><figcaption><b>{name}</b><span class="words">{words}</span></figcaption>
<img class="alone" style="max-width: {width}px" src="{before}" width="{width}" height="{height}" alt="{name}">
</figure>"""


def page(outcomes: Sequence[CorrectionOutcome], *, title: str, summary: str) -> str:
    """The page of a folder: corrected photographs, then those left alone, then the names of the rest."""
    shown = [each for each in outcomes if each.card is not None]
    shown.sort(key=lambda each: each.status != "corrected")
    rest = [each for each in outcomes if each.card is None]
    others = "".join(f"<li>{escape(each.line())}</li>\n" for each in rest)
    body = _BODY.format(
        title=escape(title),
        summary=escape(summary),
        figures="\n".join(map(_figure, shown)),
        others=f"<h2>Others</h2>\n<ul>\n{others}</ul>" if rest else "",
    )
    return html_page("lior lens correct", title=title, style=_STYLE, body=body)


def _figure(outcome: CorrectionOutcome) -> str:
    card = outcome.card
    assert isinstance(card, Card)
    known = {
        "name": escape(str(outcome.path)),
        "words": escape(f"{outcome.status}: {outcome.words}"),
        "width": card.width,
        "height": card.height,
        "before": _embed(card.before),
    }
    if card.after is None or card.edges is None:
        return _ALONE.format(**known)
    return _PAIR.format(**known, after=_embed(card.after), edges=_embed(card.edges))


def _embed(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
