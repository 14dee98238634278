"""``lior lens points`` and ``lior lens lens``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from lior.errors import UsageError
from lior_cli import json_option
from lior_lens.cli.options import size_of

_LENS = click.option(
    "--lens", "lens_path", required=True, type=click.Path(path_type=Path), help="JSON, or lensfun's XML."
)
_SIZE = click.option("--size", required=True, metavar="WxH", help="Pixels of the photograph.")
_FRAME = click.option("--frame", type=click.Choice(["crop", "keep", "fixed"]), default="crop")


@click.command(context_settings={"ignore_unknown_options": True})  # a point may begin with a minus
@_LENS
@_SIZE
@_FRAME
@click.option(
    "--to-photo", is_flag=True, help="From the corrected picture to the photograph; else the other way."
)
@click.argument("points", nargs=-1, metavar="[X,Y]...")
@json_option
def points(
    lens_path: Path, size: str, frame: str, to_photo: bool, points: tuple[str, ...], as_json: bool
) -> None:
    """Map points in pixels (the centre of the first pixel is 0,0); without arguments lines of standard input.

    Both directions undo one another to 1e-9 pixels. A point that the lens does not show is nan,nan.
    """
    import numpy as np

    from lior_lens import estimating, profiles

    pixels = size_of(size)
    given = list(points) or [line for line in sys.stdin.read().split() if line]
    try:
        pairs = np.array([[float(part) for part in each.split(",")] for each in given], np.float64)
        pairs = pairs.reshape(len(given), 2)
        if not np.isfinite(pairs).all():
            raise ValueError
    except ValueError:
        raise UsageError("a point is two finite numbers with a comma and no space, as 120.5,33") from None
    lens = profiles.read_lens(lens_path, pixels)
    used = estimating.safe(lens, pixels, frame=frame)
    if used.how != "as it is":
        raise UsageError(f"{lens_path}: the lens folds the picture or does not fit the frame {frame}")
    x, y = pixels.to_unit(pairs[:, 0], pairs[:, 1])
    if to_photo:
        x, y = used.correction.forward(x, y)
    else:
        x, y, _ = used.correction.inverse(x, y)
    found = np.stack(pixels.to_pixel(x, y), -1)
    if as_json:
        click.echo(json.dumps([[None if v != v else v for v in each] for each in found.tolist()]))
        return
    for a, b in found.tolist():
        click.echo(f"{a:.12g},{b:.12g}")


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--size", metavar="WxH", help="Pixels of the photographs.")
@click.option("--to", "form", type=click.Choice(["json", "opencv", "lensfun"]), default="json", help="Form.")
@click.option("--board", metavar="CxR", help="PATH has photographs of a chessboard with CxR inner corners.")
@click.option("--focal", type=float, default=0.0, help="Focal length in mm that lensfun's element is for.")
def lens(path: Path, size: str | None, form: str, board: str | None, focal: float) -> None:
    """Show the lens in a file, or of a photograph with a profile, in the form of another program."""
    from lior_lens import images, profiles
    from lior_lens.data import SUFFIXES, image_files
    from lior_lens.geometry import Size

    pixels = size_of(size) if size else None
    if board is not None:
        corners = size_of(board)
        shown, pixels, error = profiles.from_boards(list(image_files(path)), corners.width, corners.height)
        click.echo(f"corners are off by {error:.3f} px", err=True)
    elif path.suffix.lower() in SUFFIXES:
        photo = images.read(path)
        pixels = Size(width=photo.pixels.shape[1], height=photo.pixels.shape[0])
        found = profiles.by_exif(path, pixels)
        if found is None:
            raise UsageError(f"{path}: its EXIF names no camera and lens of lensfun's database")
        shown = found[0]
    else:
        shown, pixels = profiles.read_sized_lens(path, pixels)
    if pixels is None:
        raise UsageError("give --size WxH: the numbers depend on it")
    if form == "opencv":
        click.echo(json.dumps(profiles.to_opencv(shown, pixels), indent=1))
    elif form == "lensfun":
        click.echo(profiles.to_lensfun(shown, pixels, focal=focal))
    else:
        click.echo(profiles.write_lens(shown, pixels))
