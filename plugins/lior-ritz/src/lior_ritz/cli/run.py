"""``lior ritz run`` and ``lior ritz resume``."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import UsageError
from lior.plugins import hookimpl
from lior_cli import Progress, RunPath, Stop, Texts, drive, import_torch, json_option, quiet_option
from lior_ritz.cli.options import config_options
from lior_ritz.cli.threads import import_torch_for

if TYPE_CHECKING:
    from lior.config import Resolved
    from lior_ritz.config import RitzConfig
    from lior_ritz.runs.session import Solved

_RUNS = Path("runs")
_NETWORK = "solver.network"
_ADJECTIVES = ("amber", "brave", "calm", "crisp", "eager", "gentle", "keen", "lucky", "nimble", "swift")
_ANIMALS = ("badger", "crane", "falcon", "gecko", "heron", "lynx", "otter", "owl", "puffin", "wren")
"""Names of runs."""
_plots_option = click.option("--plots", is_flag=True, help="Draw the pictures as well, into RUN/plots.")


class SolverProgress(Progress):
    """Progress with the numbers that a reader can judge."""

    @hookimpl
    def lior_train_start(self, config: RitzConfig) -> None:
        """Learn how often plain lines are wanted."""
        self.every = config.training.log_every

    @hookimpl
    def lior_train_step(self, stage: str, step: int, steps: int, metrics: Mapping[str, Any]) -> None:
        """Show how far the phase is, and the sum of the energies."""
        shown = {}
        if metrics.get("loss_eigsum") is not None:
            shown["sum of energies"] = f"{metrics['loss_eigsum']:.9g}"
        if "nq" in metrics:
            shown["nodes per axis"] = str(metrics["nq"])
        super().lior_train_step(stage=stage, step=step, steps=steps, metrics=shown)


@click.command()
@config_options
@click.option("--network", is_flag=True, help="Train a network, and judge it by the reference.")
@click.option("--dry-run", is_flag=True, help="Print what would be solved, and into which folder.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory for the run, new or empty.")
@_plots_option
@quiet_option
@json_option
def run(
    layers: Texts,
    assignments: Texts,
    network: bool,
    dry_run: bool,
    out: Path | None,
    plots: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Solve a problem by the reference; without arguments the default double dot.

    The energies are printed in meV with error bars, and the run directory gets reports and arrays;
    `lior ritz plot`, or --plots, draws its pictures. The exit code is 1 if an error bar is NOT within the
    tolerance of 1e-9, and there is a warning if a relative one is larger than solver.accuracy.

    With --network a neural network is trained as well, which takes seconds. Its energies have bounds from
    both sides and their distance to the reference's, and the directory has its checkpoints. If it misses the
    reference by more than the error bar and solver.accuracy, the output begins with a warning and the
    reference's levels, and the exit code is 1.
    """
    from lior_ritz import config as configuration

    asked = [f"{_NETWORK}=true"] if network else []
    resolved = configuration.load(layers, [*assignments, *asked])
    config = resolved.config
    if not config.solver.network:
        _refuse_unread(assignments)
        if not quiet and (unread := _unread(resolved)):
            more = "" if len(unread) == 1 else f" and {len(unread) - 1} more"
            what = f"note: {unread[0]}{more}: of the network, which is not trained without --network"
            click.echo(what, err=True)
    out = out or _free(_RUNS)
    if dry_run:
        _echo_plan(resolved, out, as_json=as_json)
        return
    if config.solver.network:
        import_torch()
    from lior_ritz.runs import session

    _drive(lambda heard: session.run(config, out, **heard), out, plots=plots, quiet=quiet, as_json=as_json)


def _refuse_unread(assignments: Texts) -> None:
    """Refuse what is set for a network that is not trained."""
    from lior_ritz.config import is_networks

    for key in (text.partition("=")[0].strip() for text in assignments):
        if is_networks(key):
            raise UsageError(f"--set {key}: of the network, which is not trained; add --network")


def _unread(resolved: Resolved[RitzConfig]) -> list[str]:
    """Keys that a file or the environment changes, and that only a network reads."""
    from lior.config import values
    from lior_ritz.config import is_networks

    changed = values(resolved.config, changed=True)
    return [key for key in resolved.origins if is_networks(key) and key in changed]


def _free(folder: Path) -> Path:
    """A name of two words that no run has."""
    while (path := folder / f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_ANIMALS)}").exists():
        if all((folder / f"{a}-{b}").exists() for a in _ADJECTIVES for b in _ANIMALS):
            return folder / f"{path.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return path


def _echo_plan(resolved: Resolved[RitzConfig], out: Path, *, as_json: bool) -> None:
    """Print the problem of a run and its folder."""
    from lior.config import to_toml, values
    from lior_ritz.runs.folder import headline

    what = headline(resolved.config)
    if as_json:
        changed = values(resolved.config, changed=True)
        click.echo(json.dumps({"run": str(out), "what": what, "changed": changed}))
        return
    click.echo(f"{what}, into {out}\n{to_toml(resolved.config, changed=True)}".rstrip())


@click.command()
@click.argument("path", metavar="RUN", type=RunPath())
@_plots_option
@quiet_option
@json_option
def resume(path: Path, plots: bool, quiet: bool, as_json: bool) -> None:
    """Go on with a run that was stopped.

    The result is the same as without the stop, to the last bit.
    """
    import_torch_for(path)
    from lior_ritz.runs import session

    _drive(lambda heard: session.resume(path, **heard), path, plots=plots, quiet=quiet, as_json=as_json)


def _drive(
    start: Callable[[dict[str, Any]], Solved], path: Path, *, plots: bool, quiet: bool, as_json: bool
) -> None:
    """Train until the end or until a signal comes, and print what came of it."""
    if plots:  # what pictures need is asked for before the work, not after
        from lior.plots import drawing_library

        drawing_library()
    progress = SolverProgress(quiet=quiet)

    def begin(stop: Stop) -> Solved:
        return start({"callbacks": [progress, stop], "stop": stop})

    result = drive(begin, progress, f"lior ritz resume {path}")
    _report(result, path, plots=plots, quiet=quiet, as_json=as_json)


def _report(result: Solved, path: Path, *, plots: bool, quiet: bool, as_json: bool) -> None:
    from lior_ritz.cli.levels import echo_levels

    if as_json:
        click.echo(json.dumps(result.summary))
    else:
        echo_levels(result.solution)
        click.echo(f"{time.process_time():.1f} processor seconds in all, with start, reports and arrays")
    if plots:  # after what could not be had again
        _draw(result, path, quiet=quiet)
    if not quiet and not as_json:
        place, problem = shlex.quote(str(path)), result.solution.problem
        if plots:
            click.echo(f"pictures: {place}/plots")
        steps = [] if plots else [f"lior ritz plot {place}"]
        if problem.terms.plain and problem.dim == 2 and problem.boundary == "dirichlet":
            steps.append(f"lior ritz ci {place}")
        for begin, step in zip(("Next: ", "      "), steps, strict=False):
            click.echo(begin + step)
    if result.solution.doubtful:
        click.get_current_context().exit(1)


def _draw(result: Solved, path: Path, *, quiet: bool) -> None:
    """Write the pictures of a run, and say which were left out and why."""
    from lior.plots import write_picture
    from lior_ritz.cli.plot import draw
    from lior_ritz.runs.folder import metrics

    pictures, left_out = draw(path, result.solution, list(metrics(path)))
    for picture in pictures.values():
        write_picture(picture, path / "plots", ("png",))
    for name, why in left_out.items() if not quiet else ():
        click.echo(f"left out: {name}: {why}", err=True)
