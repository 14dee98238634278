"""``lior lens train``, ``resume``, ``train-lines`` and ``config``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import UsageError
from lior.plugins import hookimpl
from lior_cli import Progress, RunPath, drive, import_torch, json_option, quiet_option
from lior_lens.cli.options import config_options

if TYPE_CHECKING:
    from lior_lens.runs import Trained


class _Progress(Progress):
    """Progress with the error in pixels."""

    @hookimpl
    def lior_train_step(self, stage: str, step: int, steps: int, metrics: Mapping[str, Any]) -> None:
        """Show how far training is, and the endpoint errors."""
        shown = {"loss": f"{metrics['total']:.4g}"}
        if "epe" in metrics:
            shown["error"] = f"{metrics['epe']:.2f} of {metrics['identity_epe']:.2f} px"
        if "val_epe" in metrics:
            shown["validation"] = f"{metrics['val_epe_ratio']:.3f} of doing nothing"
        super().lior_train_step(stage=stage, step=step, steps=steps, metrics=shown)


@click.command()
@config_options
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the run.  [default: runs/STAGE]")
@click.option(
    "--init-from",
    metavar="RUN|none",
    help="Begin with the network of a run.  [default: none for stage 1, else the run of the stage before]",
)
@click.option(
    "--validate-only",
    is_flag=True,
    help="Validate the run of --init-from, its configuration below --config and --set; nothing is written.",
)
@quiet_option
@json_option
def train(
    layers: tuple[str, ...],
    assignments: tuple[str, ...],
    out: Path | None,
    init_from: str | None,
    validate_only: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a stage; recipes: small, smoke, stage1_param_only, stage2_hybrid, stage3_finetune, and to be laid
    over them resnet34 and pairs.
    """
    import_torch()
    from lior_lens import config as configuration
    from lior_lens import runs

    if validate_only:
        _validate(layers, assignments, init_from, as_json)
        return
    config = configuration.load(layers, assignments).config
    begin = None if init_from in (None, "none") else Path(str(init_from))
    if init_from is None:
        begin = configuration.default_init(config)
    if begin is not None and not (begin / "config.toml").is_file():
        said = "" if init_from else f" ({config.train.stage} begins with the stage before)"
        raise UsageError(f"--init-from {begin}: no such run{said}; name one, or give --init-from none")
    out = out or Path("runs") / config.train.stage
    progress = _Progress(quiet=quiet)
    found = drive(
        lambda stop: runs.run(config, out, init_from=begin, callbacks=[progress, stop], stop=stop),
        progress,
        f"lior lens resume {out}",
    )
    _report(found, as_json)


def _validate(layers: tuple[str, ...], assignments: tuple[str, ...], run: str | None, as_json: bool) -> None:
    from lior_lens import config as configuration
    from lior_lens import runs

    if run in (None, "none"):
        raise UsageError("--validate-only: say which run by --init-from RUN")
    path = Path(str(run))
    config = configuration.load([runs.layer_of(path), *layers], assignments).config
    found = runs.begun(config, path).validate()
    if as_json:
        click.echo(json.dumps({"run": str(path), "validation": found}))
        return
    for name, value in found.items():
        click.echo(f"{name} = {value:.6g}")


@click.command()
@click.argument("path", metavar="RUN", type=RunPath())
@quiet_option
@json_option
def resume(path: Path, quiet: bool, as_json: bool) -> None:
    """Go on with a run that was stopped: what comes out is what would have come out, to the last bit."""
    import_torch()
    from lior_lens import runs

    progress = _Progress(quiet=quiet)
    again = f"lior lens resume {path}"
    found = drive(lambda stop: runs.resume(path, callbacks=[progress, stop], stop=stop), progress, again)
    _report(found, as_json)


def _report(found: Trained, as_json: bool) -> None:
    if as_json:
        told = {"run": str(found.path), "best": found.best, "best_step": found.best_step}
        click.echo(json.dumps(told | {"warnings": found.warnings, "validation": found.validation}))
        return
    click.echo(f"{found.path}: {found.headline}")
    if "val_epe" in found.validation:
        numbers = found.validation
        click.echo(
            f"last validation: {numbers['val_epe']:.2f} px, doing nothing "
            f"{numbers['val_identity_epe']:.2f} px"
        )


@click.command("train-lines")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the network, new.")
@click.option("--pictures", type=click.IntRange(20), default=2400, help="To learn from.")
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    help="A folder of straight photographs; the part `learn` of its manifest.csv.  [default: installed ones]",
)
@click.option("--epochs", type=click.IntRange(1), default=20, help="Times through them.")
@click.option("--seed", type=int, default=0, help="Of pictures and weights.")
@quiet_option
def train_lines(out: Path, pictures: int, photos: Path | None, epochs: int, seed: int, quiet: bool) -> None:
    """Train which edges of a picture are to be trusted, on pictures with known lenses."""
    import_torch()
    from lior_lens import evaluating, trust_training

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    part = "learn" if photos and (photos / evaluating.MANIFEST).is_file() else None
    given = evaluating.collection(photos, part) if photos else []
    found = trust_training.train(pictures, epochs=epochs, seed=seed, say=say, photographs=given)
    trust_training.save(found, out)
    click.echo(f"{out}: {found.words}")


@click.command()
@config_options
@click.option("--changed", is_flag=True, help="Leave out what is as by default.")
def config(layers: tuple[str, ...], assignments: tuple[str, ...], changed: bool) -> None:
    """Print what files, LENS_* variables and --set resolve to, as TOML."""
    from lior.config import to_toml
    from lior_lens import config as configuration

    click.echo(to_toml(configuration.load(layers, assignments).config, changed=changed), nl=False)
