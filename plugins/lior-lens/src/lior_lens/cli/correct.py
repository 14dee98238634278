"""``lior lens correct`` and ``lior lens judge``."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import UsageError
from lior.files import writing
from lior_cli import json_option, quiet_option
from lior_lens.arcs import LONG_SIDE, find_arcs
from lior_lens.cli.options import model_option, open_model

if TYPE_CHECKING:
    from lior_lens.correcting import CorrectionOutcome


@click.command()
@click.argument("sources", metavar="IN...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.argument("out", metavar="OUT", type=click.Path())
@click.option(
    "--lens", "lens", type=click.Path(path_type=Path), help="A lens for all: JSON or lensfun's XML."
)
@click.option("--no-profile", is_flag=True, help="Do not look for the lens in lensfun's database by EXIF.")
@model_option
@click.option(
    "--frame",
    type=click.Choice(["crop", "keep", "fixed"]),
    default="crop",
    help="crop: no border; keep: all of the photograph; fixed: the lens's own scale.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, help="Quality of JPEG and WebP.")
@click.option("--always", is_flag=True, help="Correct even where the lines are not sure.")
@click.option("--page", type=click.Path(path_type=Path), help="An HTML page of before and after to write.")
@click.option(
    "--profile-out",
    type=click.Path(path_type=Path),
    help="Write the estimate for each camera, lens and focal length: .xml for lensfun, .json for --lens.",
)
@click.option("--each", "group", flag_value="each", help="Judge photographs of one camera each for itself.")
@click.option("--together", "group", flag_value="size", help="Without EXIF, one size stands for one camera.")
@click.option("--no-copy", is_flag=True, help="Do not copy photographs that are left alone.")
@click.option("--replace", is_flag=True, help="Write over results of an earlier run.")
@click.option(
    "--jobs",
    type=click.IntRange(0),
    default=0,
    help="Photographs at once; 0: as many as there are processors.",
)
@quiet_option
@json_option
def correct(
    sources: tuple[Path, ...],
    out: str,
    no_profile: bool,
    model_path: str,
    page: Path | None,
    profile_out: Path | None,
    group: str | None,
    no_copy: bool,
    quiet: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Correct photographs, or folders of them, into OUT.

    OUT is a file name, whose suffix selects the file type, or a folder, in which results keep their names. A
    GIF becomes PNG, a raw file TIFF. The lens is the given one, the profile for the EXIF, or an estimate from
    lines. If EXIF names camera, lens and focal length, all photographs with these give one estimate (--each:
    one for each photograph; --together: also without EXIF, by size). A photograph without a sure estimate is
    copied byte by byte. Metadata (orientation, EXIF, XMP, colour profile, ...) is kept. Originals are never
    overwritten. Every file gets a line; if one fails, the others are still corrected, and the exit code is 1.
    """
    from lior_lens import correcting, estimating, placing, pooling, trust

    asked |= {"profile": not no_profile, "copy_unsure": not no_copy, "cards": page is not None}
    options = correcting.Options(**asked)
    _check_written(page, (".html", ".htm"), replace=options.replace)
    _check_written(profile_out, (".xml", ".json"), replace=options.replace)
    places = placing.Places(sources, Path(out), folder=out.endswith(os.sep))
    placing.find(sources, places.folder)  # before the network is read
    model = open_model(model_path) if options.lens is None else None
    trusted = trust.find_shipped()

    def ask(picture):  # type: ignore[no-untyped-def]
        return estimating.estimate(picture, model, trusted)

    def progress(done: int, count: int) -> None:
        if count > 1 and sys.stderr.isatty() and not quiet:
            end = "\r\033[K" if done == count else ""
            click.echo(f"\rjudged {done} of {count}{end}", err=True, nl=False)

    outcomes = []
    judge = correcting.judge(options, ask)
    joined = functools.partial(pooling.pool, trust=trusted, by_size=group == "size")
    pool = list if group == "each" else joined
    for outcome in correcting.correct(sources, places, options, judge, pool=pool, progress=progress):
        outcomes.append(outcome)
        _say(outcome, quiet=quiet, as_json=as_json)
    told = not quiet and not as_json
    if told and len(outcomes) > 1:
        click.echo(correcting.summary(outcomes), err=True)
    for line in _written(outcomes, page, profile_out):
        if told:
            click.echo(line, err=True)
    if any(each.status == "failed" for each in outcomes):
        click.get_current_context().exit(1)


def _check_written(path: Path | None, endings: tuple[str, ...], *, replace: bool) -> None:
    if path is None:
        return
    if path.suffix.lower() not in endings or path.is_dir():
        raise UsageError(f"{path}: the name of a file that ends in {' or '.join(endings)} is wanted here")
    if path.exists() and not replace:
        raise UsageError(f"{path} exists; --replace writes it anew")


def _say(outcome: CorrectionOutcome, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        said = {"path": str(outcome.path), "out": outcome.out and str(outcome.out)}
        said |= {"status": outcome.status, "words": outcome.words, **outcome.numbers}
        click.echo(json.dumps(said))
    elif outcome.status == "failed":
        click.echo(outcome.line(), err=True)
    elif not quiet:
        click.echo(outcome.line())


def _written(outcomes: list[CorrectionOutcome], page: Path | None, profile: Path | None) -> Iterator[str]:
    """Write the files that describe all photographs, and print a line for each."""
    from lior_lens import correcting, profiles
    from lior_lens.cli.page import page as page_of

    if page is not None:
        title = f"{page.stem}: before and after"
        text = page_of(outcomes, title=title, summary=correcting.summary(outcomes))
        with writing(page, parents=True) as stream:
            stream.write(text.encode())
        yield f"{page}: before and after, to be opened in a browser"
    if profile is not None:
        # photographs that were judged together share one estimate, which counts once
        measured = {
            id(each.estimate): profiles.Measured(
                lens=each.estimate.lens,
                spread=each.estimate.verdict.spread,
                size=each.size,
                exif=profiles.exif_of(each.path),
                photographs=each.estimate.photographs,
                birge=each.estimate.birge,
            )
            for each in outcomes
            if each.size and each.estimate and each.estimate.verdict and each.estimate.sure
        }
        found = profiles.pooled(list(measured.values()))
        if not found:
            raise UsageError(f"{profile}: not written, for the lines of no photograph are sure")
        if profile.suffix.lower() == ".json" and len(found) > 1:
            raise UsageError(f"{profile}: {len(found)} cameras, lenses, focal lengths or shapes; choose .xml")
        try:
            if profile.suffix.lower() == ".json":
                found[0].check()
                text, lines = profiles.write_lens(found[0].lens, found[0].size), [found[0].words]
            else:
                text, lines = profiles.database(found)
        except UsageError as error:
            raise UsageError(f"{profile}: not written: {error}") from None
        with writing(profile, parents=True) as stream:
            stream.write(text.encode())
        yield from (f"{profile}: {line}" for line in lines)


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@model_option
@json_option
def judge(source: Path, model_path: str, as_json: bool) -> None:
    """Say what the lines of photographs tell of their lens, how sure that is, and how straight they are."""
    from lior.errors import LiorError
    from lior_lens import estimating, images, lines, placing, trust

    model, trusted = open_model(model_path), trust.find_shipped()
    failed = False
    for path in placing.photographs(source):
        try:
            picture = images.read(path, least=LONG_SIDE).upright()
        except LiorError as error:
            click.echo(str(error), err=True)
            failed = True
            continue
        said = estimating.estimate(picture, model, trusted)
        found = find_arcs(picture) if said.arcs is None else said.arcs
        before, after = lines.straightness(found, believed=said.lens), lines.straightness(found, said.lens)
        if as_json:
            verdict = said.verdict
            told = {"path": str(path), "how": said.how, "sure": said.sure, "words": said.words}
            told |= {"strength": verdict and verdict.strength, "spread": verdict and verdict.spread}
            told |= {"edges": len(found), "bow_px": [None if v != v else v for v in (before, after)]}
            click.echo(json.dumps(told | {"lens": said.lens.table()}))
        else:
            sure = "sure" if said.sure else "not sure: would be left alone"
            corrected = f", corrected {after:.2f} px" if len(found) else ""
            click.echo(f"{path}: {said.words}; {lines.in_words(before)}{corrected}; {sure}")
    if failed:
        click.get_current_context().exit(1)
