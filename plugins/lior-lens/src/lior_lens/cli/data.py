"""``lior lens data``, ``audit``, ``package`` and ``info``."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import click

from lior.errors import UsageError
from lior_cli import json_option
from lior_lens.cli.options import existing


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(1), default=20, help="Pictures to write.")
@click.option("--size", "long_side", type=click.IntRange(32), default=640, help="Long side.")
@click.option("--kind", type=click.Choice(["scenes", "boards", "photos"]), default="scenes")
@click.option("--photos", multiple=True, metavar="FOLDER", help="Straight ones, for --kind photos.")
@click.option("--seed", type=int, default=0)
def data(out: Path, count: int, long_side: int, kind: str, photos: tuple[str, ...], seed: int) -> None:
    """Write bent pictures, straight ones and lenses.json to OUT."""
    from PIL import Image

    from lior_lens import data as source

    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: not empty; nothing was touched; give another folder")
    chosen: dict[str, source.SampleSource] = {"scenes": source.Scenes(), "boards": source.Boards()}
    if kind == "photos":
        given = [each for name in photos for each in source.folder(Path(name))]
        chosen["photos"] = source.photo_source(given or source.opened(source.packaged(source.HELD_OUT)))
    stream = source.Stream(source=chosen[kind], seed=seed, long_side=long_side)
    (out / "bent").mkdir(parents=True, exist_ok=True)
    (out / "straight").mkdir(exist_ok=True)
    truth = {}
    for index in range(count):
        sample = stream.sample(index)
        name = f"{index:05d}.png"
        Image.fromarray(sample.picture).save(out / "bent" / name)
        Image.fromarray(sample.straight).save(out / "straight" / name)
        truth[name] = {"size": [sample.size.width, sample.size.height], "lens": sample.lens.table()}
    (out / "lenses.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    click.echo(f"{out}: {count} pictures, bent and straight, with their lenses in lenses.json")


@click.command()
@click.argument("source", metavar="TABLE|FOLDER", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.csv", type=click.Path(path_type=Path))
@click.option("--share", type=click.FloatRange(0.001, 0.9), default=0.1, help="To validate.")
@click.option("--seed", type=int, default=0, help="Of which shoots validate.")
def split(source: Path, out: Path, share: float, seed: int) -> None:
    """Make a table of pairs for training (data.pairs), whole shoots for training or for validation.

    SOURCE is a table with image_id,input_path,target_path, or a folder: NAME_original beside NAME_generated,
    or bent/NAME and straight/NAME. A shoot is the column group, a UUID in the name, or the name without _g1.
    """
    from lior_lens import pairs

    existing(source)
    found = pairs.collect(source) if source.is_dir() else pairs.read(source)
    found = pairs.split(found, share=share, seed=seed)
    pairs.write(found, out)
    judged = [pair for pair in found if pair.split == "val"]
    shoots = len({pair.group for pair in found}), len({pair.group for pair in judged})
    click.echo(
        f"{out}: {len(found)} pairs of {shoots[0]} shoots; {len(judged)} of {shoots[1]} for validation"
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def audit(folder: Path, as_json: bool) -> None:
    """Examine a folder: what can be read, sizes, kinds, which have a focal length, what is there twice."""
    import hashlib
    from collections import Counter

    from lior.errors import LiorError
    from lior_lens import images, placing, profiles

    existing(folder)
    kinds: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    faults, with_lens = [], 0
    digests: dict[str, Path] = {}
    twice = []
    for path in placing.photographs(folder):
        try:
            photo = images.read(path)
        except LiorError as error:
            faults.append(str(error))
            continue
        kinds[f"{photo.format} {photo.mode} {photo.pixels.dtype}"] += 1
        sizes["{1}x{0}".format(*photo.pixels.shape)] += 1
        with_lens += "focal" in profiles.exif_of(path)
        digest = hashlib.sha256(photo.pixels.tobytes()).hexdigest()
        if digest in digests:
            twice.append([str(digests[digest]), str(path)])
        digests[digest] = path
    found = {
        "readable": sum(kinds.values()),
        "unreadable": faults,
        "kinds": kinds,
        "sizes": dict(sizes.most_common(20)),
        "with_focal_length": with_lens,
        "twice": twice,
    }
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{folder}: {found['readable']} readable, {len(faults)} not; {with_lens} with a focal length")
    for name, count in [*kinds.items(), *sizes.most_common(8)]:
        click.echo(f"  {name}: {count}")
    for first, second in twice:
        click.echo(f"  twice: {first}, {second}")
    for fault in faults:
        click.echo(f"  {fault}", err=True)


@click.command()
@click.argument("source", metavar="RUN|FOLDER", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--pairs", "table", type=click.Path(path_type=Path), help="Table that the pictures must answer."
)
@click.option("--report", type=click.Path(path_type=Path), help="With --pairs: JSON file of what was found.")
@click.option("--force", is_flag=True, help="Write the zip although the check has failed.")
def package(source: Path, out: Path, table: Path | None, report: Path | None, force: bool) -> None:
    """Make a small folder of a run's best network; or, with OUT ending in .zip, a zip of a folder of
    pictures.

    The bytes of a zip depend on the pictures and their names alone. With --pairs a folder is checked first:
    one readable picture for each image_id and no other, of its input's size, not empty; where the table has
    a target, worth more than nothing by `lior lens score`. The exit code is 2, without a zip, if it is not.
    """
    existing(source)
    if out.suffix != ".zip" and (table or report or force):
        raise UsageError("--pairs, --report and --force are for a zip; let OUT end in .zip")
    if out.suffix == ".zip":
        from lior_lens import zipping

        faults = zipping.check(source, table) if table else {}
        if report is not None:
            report.write_text(
                json.dumps({"passed": not faults, "faults": faults}, indent=1), encoding="utf-8"
            )
        for name, said in faults.items():
            click.echo(f"{name}: {said}", err=True)
        if faults and not force:
            click.echo(f"{out}: not written; {len(faults)} faults (--force writes it)", err=True)
            click.get_current_context().exit(2)
        click.echo(f"{out}: {zipping.write(source, out)} pictures")
        return
    from lior_cli import import_torch

    import_torch()
    from lior_lens import runs

    size = runs.package(source, out)
    click.echo(f"{out}: {size / 1e6:.2f} MB")


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@json_option
def info(path: Path | None, as_json: bool) -> None:
    """Describe a run or a package; without one what comes with lior-lens."""
    from lior.runs import bundle
    from lior_lens import trust

    found: dict[str, object] = {}
    if path is None and (shipped := trust.find_shipped()):
        notes = bundle.read_manifest(trust.SHIPPED, format=trust.FORMAT)["notes"]
        networks = filter(None, (shipped, shipped.regrouped))
        found["edges"] = {"weights": sum(v.size for each in networks for v in each.weights.values()), **notes}
    small = Path(__file__).parents[1] / "weights" / "small"
    if path is not None or (small.is_dir() and importlib.util.find_spec("torch")):
        from lior_cli import import_torch

        import_torch()
        from lior_lens import runs

        found |= runs.info(path)
    if as_json:
        click.echo(json.dumps(found))
    for name, value in found.items() if not as_json else ():
        parts = value.items() if isinstance(value, dict) else ()
        click.echo(f"{name}: {', '.join(f'{key} {part:.4g}' for key, part in parts) if parts else value}")
