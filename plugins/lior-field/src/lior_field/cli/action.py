"""``lior field action``: the action of each line of a text, and its rank correlation with surprise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior_cli import (
    RunPath,
    TextPath,
    WholeNumber,
    device_option,
    echo_table,
    folder_for_files,
    import_torch,
    picture_options,
    present_pictures,
    refuse_without_effect,
)

if TYPE_CHECKING:
    from lior.plots import Picture
    from lior_field.actions import Agreement, LineMeasures

_SHOWN = 60


@click.command()
@click.argument("run", type=RunPath())
@click.argument("files", metavar="FILE...", nargs=-1, type=TextPath(), required=True)
@click.option(
    "--top",
    type=WholeNumber(min=1),
    default=10,
    show_default=True,
    help="Lines of the largest action to list.",
)
@picture_options()
@device_option
def action(
    run: Path,
    files: tuple[str, ...],
    top: int,
    out: Path | None,
    form: str,
    text: bool,
    as_json: bool,
    device: str,
) -> None:
    """Show the bends of FILE: the action of its lines, and their surprise.

    The action of a line is the mean over its bytes of R sqrt(g(dz, dz)), the cost of the steps that its
    coordinates take. Its agreement with the surprise of `lior score` is measured by a rank correlation with
    a 95 % interval; FILE needs at least 8 lines with text. Two others are shown beside it: that of the angle
    between steps and, as the control, that of the plain length of a step.
    """
    refuse_without_effect(text=text, as_json=as_json)
    import_torch(quiet=as_json)
    from lior.model import score_documents
    from lior.plugins import pick_device
    from lior.reading import read_documents
    from lior.runs import open_run
    from lior_field import actions

    folder = folder_for_files(run, out, text=text, as_json=as_json)
    loaded = open_run(run, device=pick_device(device))
    corpus, _, _ = loaded.other_text(read_documents(files))
    measured = actions.measure(loaded.model, corpus)
    lines = actions.by_line(score_documents(loaded.model, corpus), measured)
    found = {name: actions.agreement(values, lines.surprise) for name, values in lines.values.items()}
    if as_json:
        click.echo(json.dumps(_record(lines, found)))
        return
    order = sorted(range(len(lines.line)), key=lambda i: -lines.values["action"][i])[:top]
    rows = [
        [
            f"{lines.document[i]}:{lines.line[i]}",
            *(f"{lines.values[name][i]:.3f}" for name in actions.MEASURES),
            f"{lines.surprise[i]:.2f}",
            _excerpt(lines.text[i]),
        ]
        for i in order
    ]
    echo_table(["line", "action", "turning", "plain step", "bits per byte", "text"], rows)
    click.echo()
    for name, value in found.items():
        click.echo(
            f"{name} and surprise: rank correlation {value.value:+.2f} [{value.low:+.2f}, {value.high:+.2f}]"
        )
    click.echo()
    present_pictures(run, {"action": _picture(lines)}, {}, folder=folder, form=form, as_json=False)


def _excerpt(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text).strip()
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _record(lines: LineMeasures, found: dict[str, Agreement]) -> dict[str, object]:
    """Return the object that ``--json`` prints."""
    keys = {name: name.replace(" ", "_") for name in found}
    columns = zip(lines.document, lines.line, lines.surprise.tolist(), strict=True)
    return {
        "lines": [
            {"document": document, "line": line, "bits_per_byte": bits}
            | {keys[name]: float(values[i]) for name, values in lines.values.items()}
            for i, (document, line, bits) in enumerate(columns)
        ],
        "agreement": {keys[name]: value._asdict() for name, value in found.items()},
    }


def _picture(lines: LineMeasures) -> Picture:
    """Draw action and surprise along the text, each in its own standard deviations."""
    from lior.plots import Curve, LineChart, Picture

    x = [float(i + 1) for i in range(len(lines.line))]

    def standard(values: object) -> list[float]:
        import numpy as np

        v = np.asarray(values, dtype=float)
        numbers: list[float] = ((v - v.mean()) / max(float(v.std()), 1e-12)).tolist()
        return numbers

    curves = [Curve(name="surprise", x=x, y=standard(lines.surprise))]
    curves += [Curve(name=name, x=x, y=standard(lines.values[name])) for name in ("action", "turning")]
    chart = LineChart(
        title="in standard deviations from the mean",
        x_label="line that is not empty",
        y_label="standard score",
        curves=curves,
    )
    names = list(dict.fromkeys(lines.document))
    title = f"Where {names[0]} bends" if len(names) == 1 else f"Where {len(names)} documents bend"
    return Picture(name="action", title=title, panels=[chart])
