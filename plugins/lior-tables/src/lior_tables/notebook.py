"""Models of tables in a notebook, as HTML: errors with intervals, and the inputs and rows that count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_ROWS = 8
"""Maximum number of inputs, rows and predictions that are shown."""
_LEFT_OUT = 3_000
"""Maximum number of stored rows for which errors are computed: they take the time of a fit."""
_INTERVAL = 0.9
"""Share of the left-out rows inside the interval that is shown."""


def model_html(model: Any) -> str:
    """Return a :class:`~lior_tables.model.TableModel` as HTML: sizes, and errors of rows left out."""
    facts = {
        "stored rows": f"{model.rows:,}",
        "coordinates": f"{model.coordinates.shape[1]:,}",
        "classes" if model.classes else "targets": str(len(model.units.output)),
        "weights of the members": ", ".join(f"{weight:.3f}" for weight in model.member_weights),
        **_errors(model),
    }
    return f"<div>{_table((), facts.items())}</div>"


def estimator_html(estimator: Any) -> str:
    """Return a fitted estimator as HTML: its model, and the worth of each input."""
    worth = [(name, f"{more:.1%}") for name, more in estimator.worth().by_name().items()]
    inputs = _table(("input", "increase of the error without it"), worth[:_ROWS])
    return f"<div><div>{escape(type(estimator).__name__)}</div>{model_html(estimator.model_)}{inputs}</div>"


def explanation_html(explanation: Any) -> str:
    """Return the first predictions as HTML, each with the rows that determine it."""
    parts = []
    for i, values in enumerate(explanation.predictions[:_ROWS]):
        told = ", ".join(
            f"{name} {value:,.5g}" for name, value in zip(explanation.targets, values, strict=True)
        )
        top = explanation.top(i, _ROWS)
        rows = [
            (str(at), *(f"{number:+.4g}" for number in row))
            for at, row in zip(top.index, top.to_numpy(), strict=True)
        ]
        parts += [f"<div>{escape(told)}</div>", _table(("row", *map(str, top.columns)), rows)]
    return f"<div>{''.join(parts)}</div>"


def _errors(model: Any) -> dict[str, str]:
    """Return the error and the interval of rows predicted without themselves; nothing for classes."""
    if model.classes or model.rows > _LEFT_OUT:
        return {}
    stored = model.members[0].rows.y * model.units.output
    errors = (model.leave_one_out() - stored).abs().double()
    inside = ", ".join(f"± {value:,.4g}" for value in errors.quantile(_INTERVAL, dim=0).tolist())
    mean = ", ".join(f"{value:,.4g}" for value in errors.square().mean(0).sqrt().tolist())
    return {"error of rows left out, root mean square": mean, f"{_INTERVAL:.0%} of them are within": inside}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
