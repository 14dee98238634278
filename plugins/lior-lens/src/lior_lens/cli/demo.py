"""``lior lens demo``."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from lior_cli import json_option, quiet_option


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder, new or empty.")
@click.option("--seed", type=int, default=3, help="Of the picture and the network.")
@quiet_option
@json_option
def demo(out: Path, seed: int, quiet: bool, as_json: bool) -> None:
    """Train a network for seconds, bend a picture by a lens that nothing has seen, correct it, and show both.

    The sheet is OUT/before-after.png, in less than three minutes.
    """
    from lior_cli import import_torch

    import_torch()
    from PIL import Image

    from lior.errors import UsageError
    from lior_lens import config as configuration
    from lior_lens import data, estimating, lenses, lines, runs, sheets, trust
    from lior_lens.geometry import Lens

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: not empty; nothing was touched; give another folder")
    begin = time.monotonic()
    sizes = "data.long_side=96 data.batch_size=8 train.max_val_steps=1 data.photos=0"
    settings = f"train.seed={seed} train.epochs=2 train.steps_per_epoch=15 {sizes}".split()
    config = configuration.load(["smoke"], settings, env={}).config
    say("training a network for 30 steps, to show how")
    trained = runs.run(config, out / "run")
    network = runs.LensModel.open(trained.path)
    stream = data.Stream(source=data.Scenes(sharper=1.5), seed=seed, long_side=960, worn=False)
    index = next(i for i in range(100) if lines.strength_of(stream.sample(i, (3, 2)).lens) < -0.08)
    sample = stream.sample(index, (3, 2))
    say(f"bending {sample.name} by {100 * lines.strength_of(sample.lens):+.1f} % at the corner")
    said = estimating.estimate(sample.picture, network, trust.find_shipped())
    used = estimating.safe(said.careful, sample.size)
    error = lenses.endpoint_error(said.careful, sample.lens, sample.size)
    nothing = lenses.endpoint_error(Lens(), sample.lens, sample.size)
    Image.fromarray(sample.picture).save(out / "before.png")
    sheet = sheets.before_after(sample.picture, used.correction, said.words)
    Image.fromarray(sheet).save(out / "before-after.png")
    found = {
        "out": str(out / "before-after.png"),
        "verdict": said.words,
        "sure": said.sure,
        "error_px": error,
        "identity_px": nothing,
        "network_best_px": trained.best,
        "seconds": round(time.monotonic() - begin, 1),
    }
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"{said.words}: off by {error:.2f} px at 640 wide; doing nothing {nothing:.2f} px")
        click.echo(f"{found['out']} ({found['seconds']} s)")
