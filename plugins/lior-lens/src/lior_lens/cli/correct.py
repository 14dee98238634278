"""``lior lens correct`` and ``lior lens judge``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior_lens.cli.options import json_option, model_option, open_model, quiet_option


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--lens", "lens", type=click.Path(path_type=Path), help="A lens for all: JSON or lensfun's XML."
)
@click.option("--no-profile", is_flag=True, help="Do not look for the lens in lensfun's database by EXIF.")
@model_option
@click.option(
    "--frame", type=click.Choice(["crop", "keep", "fixed"]), default="crop", show_default=True,
    help="crop: no border; keep: all of the photograph; fixed: the lens's own scale.",
)  # fmt: skip
@click.option(
    "--interpolation", type=click.Choice(["linear", "cubic", "lanczos"]), default="cubic",
    show_default=True, help="How pixels are worked out.",
)  # fmt: skip
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG, WebP.")
@click.option("--always", is_flag=True, help="Correct even where the lines are not sure.")
@click.option("--sheets", type=click.Path(path_type=Path), help="A folder for sheets of before and after.")
@click.option("--no-copy", is_flag=True, help="Do not copy photographs that are left alone.")
@click.option("--replace", is_flag=True, help="Write over results of an earlier run.")
@quiet_option
@json_option  # fmt: skip
def correct(
    source: Path, out: Path, lens: Path | None, no_profile: bool, model_path: str, frame: str,
    interpolation: str, quality: int, always: bool, sheets: Path | None, no_copy: bool,
    replace: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Correct a photograph or a folder of them into OUT.

    The lens is the given one, the profile for the EXIF, or what the lines of the photograph say; a photograph
    of which nothing is sure is copied as it is. Orientation, EXIF and colour profile are kept, originals are
    never written over, a file that cannot be read gets its line and the rest goes on (exit code 1).
    """
    from lior_lens import correcting, estimating, trust

    options = correcting.Options(
        frame=frame, interpolation=interpolation, quality=quality, always=always, profile=not no_profile,
        lens=lens, replace=replace, copy_unsure=not no_copy, sheets=sheets,
    )  # fmt: skip
    correcting.check_places(source, out)
    correcting.files(source)
    model = open_model(model_path) if lens is None else None
    trusted = trust.shipped()

    def ask(picture):  # type: ignore[no-untyped-def]
        return estimating.estimate(picture, model, trusted)

    failed = count = 0
    for outcome in correcting.correct(source, out, options, correcting.judge(options, ask)):
        count += 1
        failed += outcome.status == "failed"
        if as_json:
            click.echo(json.dumps({"path": str(outcome.path), "out": outcome.out and str(outcome.out),
                                   "status": outcome.status, "words": outcome.words,
                                   **outcome.numbers}))  # fmt: skip
        elif outcome.status == "failed":
            click.echo(outcome.line(), err=True)
        elif not quiet:
            click.echo(outcome.line())
    if failed:
        if not quiet and count > 1:
            click.echo(f"{failed} of {count} files could not be corrected", err=True)
        click.get_current_context().exit(1)


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@model_option
@json_option
def judge(source: Path, model_path: str, as_json: bool) -> None:
    """Say what the lines of photographs tell of their lens, how sure that is, and how straight they are."""
    from lior.errors import LiorError
    from lior_lens import correcting, estimating, images, lines, trust

    model, trusted = open_model(model_path), trust.shipped()
    failed = False
    for path in correcting.files(source):
        try:
            picture = images.read(path).upright()
        except LiorError as error:
            click.echo(str(error), err=True)
            failed = True
            continue
        said = estimating.estimate(picture, model, trusted)
        found = lines.arcs(picture)
        before, after = lines.straightness(found, believed=said.lens), lines.straightness(found, said.lens)
        if as_json:
            verdict = said.verdict
            click.echo(json.dumps({
                "path": str(path), "how": said.how, "sure": said.sure, "words": said.words,
                "strength": verdict and verdict.strength, "spread": verdict and verdict.spread,
                "edges": len(found),
                "bow_px": [None if v != v else v for v in (before, after)], "lens": said.lens.table(),
            }))  # fmt: skip
        else:
            sure = "sure" if said.sure else "not sure: would be left alone"
            click.echo(f"{path}: {said.words}; median bow {before:.2f} px, corrected {after:.2f} px; {sure}")
    if failed:
        click.get_current_context().exit(1)
