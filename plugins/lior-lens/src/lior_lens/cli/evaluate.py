"""``lior lens eval`` and ``lior lens score``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from lior_cli import json_option, quiet_option
from lior_lens.cli.options import model_option, open_model


@click.command("eval")
@click.option("--pictures", type=click.IntRange(1), default=60, help="Of each drawn kind.")
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Judge by these photographs without distortion instead, each under nine lenses.",
)
@click.option("--part", help="Of the folder's manifest.csv: learn or check; all of it if not given.")
@click.option(
    "--size", "long_side", type=click.IntRange(64), default=640, help="Long side of drawn pictures in pixels."
)
@model_option
@quiet_option
@json_option
def evaluate(
    pictures: int,
    photos: Path | None,
    part: str | None,
    long_side: int,
    model_path: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Judge the estimates beside their controls, on pictures bent by known lenses.

    Drawn scenes and boards, and photographs: those of a folder, or those that installed packages bring along.
    A manifest.csv in the folder (file, series, part, kind) parts the figures by kind.
    """
    from lior.errors import UsageError
    from lior_lens import data, evaluating, trust

    if part is not None and photos is None:
        raise UsageError("--part: of which photographs? Give their folder with --photos")
    model, trusted = open_model(model_path), trust.find_shipped()
    asked: dict[str, Iterable[evaluating.Answer]] = {}
    counts: dict[str, int] = {}
    if photos is None:
        counts = dict.fromkeys(evaluating.sources(), pictures)
        asked = {
            name: evaluating.drawn(source, pictures, model=model, trust=trusted, long_side=long_side)
            for name, source in evaluating.sources().items()
        }
        held = data.packaged(data.HELD_OUT)
        brought = [evaluating.Photograph(path=path, name=name) for name, path in held]
    else:
        brought = evaluating.collection(photos, part)
    if brought:
        counts["photographs"] = 9 * len(brought)
        asked["photographs"] = evaluating.photographs(brought, model=model, trust=trusted)
    found: dict[str, dict[str, Any]] = {}
    for name, answers in asked.items():
        judged = []
        for answer in answers:
            judged.append(answer)
            if not quiet and (len(judged) == counts[name] or len(judged) % 20 == 0):
                click.echo(f"{name}: {len(judged)} of {counts[name]}", err=True)
        found[name] = evaluating.summary(judged)
        kinds = sorted({each.kind for each in judged} - {""})
        found |= {f"{name} {k}": evaluating.summary(e for e in judged if e.kind == k) for k in kinds}
    if as_json:
        click.echo(json.dumps({"sets": found}))
    else:
        _show(found)


def _show(found: dict[str, dict[str, Any]]) -> None:
    from lior_cli import echo_table

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f} %"

    rows = []
    for name, each in found.items():
        for guess, e in each["errors"].items():
            pixels = (f"{e[key]:.2f}" for key in ("mean_px", "median_px", "p90_px"))
            left = "-" if e["of_identity"] is None else f"{e['of_identity']:.3f}"
            rows.append((name, guess, *pixels, left, share(e["better"])))
    echo_table(
        ["pictures", "estimate", "mean px", "median", "90 %", "of distortion", "better than identity"], rows
    )
    for name, each in found.items():
        unbent = each["undistorted"]
        names = ", ".join(unbent["names"])
        click.echo(
            f"{name}: {each['pictures']} pictures, sure of {share(each['sure'])}; "
            f"{share(each['worse'])} of the distorted made worse; "
            f"truth within twice the spread {share(each['within_2_sigma'])}, "
            f"where sure {share(each['within_2_sigma_sure'])}; "
            f"{unbent['moved']} of {unbent['pictures']} undistorted moved by more than 1 px"
            + (f" ({names})" if names else "")
        )


@click.command()
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="A CSV file with a line for each picture.")
@click.option("--allowed-fail-rate", type=click.FloatRange(0, 1), default=0.0)
@json_option
def score(pred: Path, target: Path, out: Path | None, allowed_fail_rate: float, as_json: bool) -> None:
    """Score a picture against the wanted one, a folder against one with the same names or a table of pairs.

    Every picture of a table (image_id,input_path,target_path) counts; a missing one scores 0.

    The exit code is 2 when more than the allowed share is worth nothing.
    """
    import numpy as np

    from lior_lens import scoring
    from lior_lens.cli.options import existing

    existing(pred), existing(target)
    found = [(path, scoring.score_files(path, other)) for path, other in _pairs(pred, target)]
    if out is not None:
        with out.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, ["image", "total", *scoring.WEIGHTS, "failed"])
            table.writeheader()
            table.writerows({"image": str(path), **each.table()} for path, each in found)
    total, failed = float(np.mean([each.total for _, each in found])), [e for _, e in found if e.failed]
    if as_json:
        told = {"score": total, "pictures": len(found), "failed": len(failed)}
        click.echo(json.dumps(told | {"each": {str(path): each.table() for path, each in found}}))
    else:
        for path, each in found:
            parts = ", ".join(f"{name} {value:.3f}" for name, value in each.parts.items())
            click.echo(f"{path}: {each.total:.4f} ({each.failed or parts})")
        if len(found) > 1:
            click.echo(f"mean {total:.4f} of {len(found)}, {len(failed)} worth nothing")
    if len(failed) > allowed_fail_rate * len(found):
        click.get_current_context().exit(2)


def _pairs(pred: Path, target: Path) -> list[tuple[Path, Path]]:
    """Return each picture with the wanted one."""
    from lior.errors import DataError
    from lior_lens import data
    from lior_lens import pairs as tables

    if pred.is_dir() and target.is_dir():
        wanted = {each.stem: each for each in data.image_files(target)}
        pairs = [(each, wanted[each.stem]) for each in data.image_files(pred) if each.stem in wanted]
        if not pairs:
            raise DataError(f"{pred} and {target} have no picture of the same name")
        return pairs
    if pred.is_dir() and target.suffix == ".csv":
        files = {each.stem: each for each in data.image_files(pred)}
        listed = [(each.name, each.target) for each in tables.read(target)]
        return [(files.get(name, pred / name), other) for name, other in listed if other is not None]
    if pred.is_dir() != target.is_dir():
        raise DataError("give two pictures, two folders, or a folder and a table of pairs")
    return [(pred, target)]
