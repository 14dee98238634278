"""``lior lens eval`` and ``lior lens score``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import click

from lior_lens.cli.options import json_option, model_option, open_model, quiet_option


@click.command("eval")
@click.option("--pictures", type=click.IntRange(1), default=60, show_default=True, help="Of each kind.")
@click.option("--photos", multiple=True, metavar="FOLDER", help="Photographs without distortion to judge by.")
@click.option(
    "--size", "long_side", type=click.IntRange(64), default=640, show_default=True,
    help="Long side in pixels.",
)  # fmt: skip
@model_option
@quiet_option
@json_option
def evaluate(
    pictures: int, photos: tuple[str, ...], long_side: int, model_path: str, quiet: bool, as_json: bool
) -> None:
    """Judge lines and network beside their controls, on pictures bent by unseen lenses."""
    from lior_cli.terminal import echo_table
    from lior_lens import data, evaluating, trust

    model, trusted = open_model(model_path), trust.shipped()
    found = {}
    for name, source in evaluating.sets(photos).items():

        def say(index: int, count: int, name: str = name) -> None:
            if not quiet and (index == count or index % 20 == 0):
                click.echo(f"{name}: {index} of {count}", err=True)

        found[name] = evaluating.compare(
            source, pictures, model=model, trust=trusted, long_side=long_side, say=say
        )
    still = evaluating.unmoved(data.packaged(data.HELD_OUT), model=model, trust=trusted)
    if as_json:
        click.echo(json.dumps({"sets": found, "unmoved_px": still}))
        return
    rows = [
        (name, guess, *(f"{e[key]:.2f}" for key in ("mean_px", "median_px", "p90_px")),
         f"{e['of_identity']:.3f}",
         f"{100 * e['better']:.0f} %")
        for name, each in found.items() for guess, e in each["errors"].items()
    ]  # fmt: skip
    echo_table(
        ["pictures", "estimate", "mean px", "median", "90 %", "of identity", "better than identity"], rows
    )
    for name, each in found.items():
        unbent = each["undistorted"]
        moved = "none" if unbent["mean_px"] is None else f"{unbent['mean_px']:.2f} px"
        click.echo(
            f"{name}: {each['pictures']} pictures, sure of {100 * each['sure']:.0f} %; error over spread "
            f"{each['spread_ratio']:.2f}; {unbent['pictures']} undistorted moved by {moved}"
        )
    if still:
        click.echo(
            "photographs as they are move by "
            + ", ".join(f"{name} {px:.2f}" for name, px in still.items())
            + " px"
        )


@click.command()
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="A CSV file with a line for each picture.")
@click.option("--allowed-fail-rate", type=click.FloatRange(0, 1), default=0.0, show_default=True)
@json_option
def score(pred: Path, target: Path, out: Path | None, allowed_fail_rate: float, as_json: bool) -> None:
    """Score a picture against the wanted one, or a folder against one with the same names.

    The exit code is 2 when more than the allowed share is worth nothing.
    """
    import numpy as np

    from lior.errors import DataError
    from lior_lens import data, scoring
    from lior_lens.cli.options import existing

    existing(pred), existing(target)
    pairs = [(pred, target)]
    if pred.is_dir() and target.is_dir():
        wanted = {each.stem: each for each in data.image_files(target)}
        pairs = [(each, wanted[each.stem]) for each in data.image_files(pred) if each.stem in wanted]
        if not pairs:
            raise DataError(f"{pred} and {target} have no picture of the same name")
    elif pred.is_dir() != target.is_dir():
        raise DataError("give two pictures or two folders")
    found = [(path, scoring.score_files(path, other)) for path, other in pairs]
    if out is not None:
        with out.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, ["image", "total", *scoring.WEIGHTS, "failed"])
            table.writeheader()
            table.writerows({"image": str(path), **each.table()} for path, each in found)
    total, failed = float(np.mean([each.total for _, each in found])), [e for _, e in found if e.failed]
    if as_json:
        click.echo(json.dumps({"score": total, "pictures": len(found), "failed": len(failed),
                               "each": {str(path): each.table() for path, each in found}}))  # fmt: skip
    else:
        for path, each in found:
            parts = ", ".join(f"{name} {value:.3f}" for name, value in each.parts.items())
            click.echo(f"{path}: {each.total:.4f} ({each.failed or parts})")
        if len(found) > 1:
            click.echo(f"mean {total:.4f} of {len(found)}, {len(failed)} worth nothing")
    if len(failed) > allowed_fail_rate * len(found):
        click.get_current_context().exit(2)
