"""The page of ``lior table why --html``: the rows behind a prediction with all their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lior_cli import html_page
from lior_tables.cli.sharing import percent, shown

if TYPE_CHECKING:
    from pandas import DataFrame

    from lior_tables.loading import Estimator
    from lior_tables.reading import Task
    from lior_tables.reasons import Reason

COMMAND = "lior table why"
_STYLE = """
:root { color-scheme: light dark; --up: 0, 114, 178; --down: 213, 94, 0; --back: #fff; --ink: #1f2328;
        --line: #d0d7de }
@media (prefers-color-scheme: dark) { :root { --back: #16191d; --ink: #e6edf3; --line: #3d444d;
        --up: 86, 180, 233; --down: 230, 159, 0 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 2rem auto;
       max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.15rem } .said { font-size: 1.5rem; margin: .3rem 0 } .sum { opacity: .75; margin-top: 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 600 } th small { display: block; font-weight: 400; opacity: .65 }
td.word { text-align: left } tr.asked td { font-weight: 600 }
td.same { background: rgba(var(--up), .12) }
.bar { display: inline-block; width: 9rem; height: .75em; vertical-align: middle;
       background: linear-gradient(var(--line), var(--line)) center / 1px 100% no-repeat }
.bar i { display: block; height: 100%; position: relative; left: 50%; background: rgb(var(--up)) }
.bar i.down { background: rgb(var(--down)) }
.strip { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; font-size: .8rem }
figure img { height: 6rem; image-rendering: pixelated; border: 1px solid var(--line) }
"""

_LEGEND = """<p>Under each input: its part in the squared slope of the predictions. Marked: equal to the
row that was asked about. The prediction is a weighted mean of targets; the share of a row is its weight times
what its target differs from the mean, and all shares sum to the prediction.</p>
"""


def images_of(estimator: Estimator, task: Task, found: Reason, asked: DataFrame) -> list[str]:
    """Return figures of the picture that is asked about, then of the training pictures."""
    from lior_tables.images import thumbnails

    drawn, ledger = thumbnails(task.shape), estimator.ledger_
    places = ledger.places([each["row"] for each in found.rows])
    kept = estimator.pixels(ledger.table.iloc[places])
    captions = ["asked<br>" + escape(shown(asked[task.pictures].iloc[0]))]
    captions += [
        f"{escape(shown(each['answer']))}, {each['weight']:+.3f}<br>"
        f"row {each['row']}, {escape(shown(each['inputs'][task.pictures]))}"
        for each in found.rows
    ]
    values = [*estimator.pixels(asked), *kept]
    return [
        f'<figure><img alt="" src="data:image/png;base64,{drawn(each)}">'
        f"<figcaption>{caption}</figcaption></figure>"
        for each, caption in zip(values, captions, strict=True)
    ]


def page(found: Reason, *, title: str, pictures: Sequence[str] = ()) -> str:
    """Return the whole page; ``pictures`` are figures side by side."""
    largest = max((abs(each["weight"]) for each in found.rows), default=0.0) or 1.0
    heads = "".join(
        f"<th>{escape(shown(name))}<small>{percent(part)}</small></th>"
        for name, part in found.importances.items()
    )
    asked = "".join(_cell(value) for value in found.asked.values())
    rows = "".join(_row(each, found, largest) for each in found.rows)
    strip = f'<div class="strip">{"".join(pictures)}</div>\n' if pictures else ""
    body = (
        f'<h1>{escape(title)}</h1>\n<p class="said">{escape(found.headline())}</p>\n'
        f'<p class="sum">{escape(found.account())}.</p>\n'
        f"{strip}"
        '<div class="wide"><table>\n<thead><tr><th></th><th>weight</th><th>share</th><th>row</th>'
        f"<th>{escape(shown(found.column))}</th>{heads}</tr></thead>\n"
        f'<tbody><tr class="asked"><td></td><td></td><td></td><td>asked</td><td></td>{asked}</tr>\n'
        f"{rows}</tbody></table></div>\n{_LEGEND}"
    )
    return html_page(COMMAND, title=title, style=_STYLE, body=body)


def _row(each: dict[str, Any], found: Reason, largest: float) -> str:
    cells = "".join(_cell(value, same=value == found.asked[name]) for name, value in each["inputs"].items())
    width = 50 * abs(each["weight"]) / largest
    down, left = (' class="down"', 50 - width) if each["weight"] < 0 else ("", 50.0)
    many = f" ×{each['repeated']}" if each["repeated"] > 1 else ""
    return (
        f'<tr><td><span class="bar"><i{down} style="width:{width:.1f}%;left:{left:.1f}%"></i></span></td>'
        f"<td>{each['weight']:+.3f}</td><td>{each['share']:+,.4g}</td><td>{each['row']}{many}</td>"
        f"{_cell(each['answer'])}{cells}</tr>\n"
    )


def _cell(value: Any, *, same: bool = False) -> str:
    kinds = " ".join(["word"] * isinstance(value, str) + ["same"] * same)
    return f'<td class="{kinds}">{escape(shown(value))}</td>'
