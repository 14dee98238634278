"""``lior inspect``: the components, sizes and invariants of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, device_option
from lior_cli.terminal import echo_table

if TYPE_CHECKING:
    from lior.runs.inspection import Inspection, MemoryUse
    from lior_cli.run_geometry import Direction, GeometryReport


@click.command()
@click.argument("run", type=RunPath())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option(
    "--geometry",
    is_flag=True,
    help="Show where the metric is stretched and curved, and which contexts are there.",
)
@device_option
@click.pass_context
def inspect(ctx: click.Context, run: Path, as_json: bool, geometry: bool, device: str) -> None:
    """Show the components of a run, and check the run.

    Prints components, sizes, memory and metric, and measures the invariants of every run, such as
    costs that are not negative. The exit code is 1 when an invariant does not hold.
    """
    import_torch()
    from lior.plugins.devices import pick_device
    from lior.runs import directory as rundir
    from lior.runs import inspection

    loaded = rundir.open_run(run, device=pick_device(device))
    found = inspection.inspect(run, loaded)
    if geometry:
        from lior_cli.run_geometry import geometry_of

        report = geometry_of(loaded)
        if as_json:
            click.echo(_geometry_record(run, report))
        else:
            _report_geometry(report)
    elif as_json:
        click.echo(json.dumps(_summary(run, found)))
    else:
        _report(found)
    if broken := [each.name for each in found.invariants if not each.holds]:
        click.echo(f"lior: error: invariants that do not hold: {'; '.join(broken)}", err=True)
        ctx.exit(1)


def _summary(run: Path, found: Inspection) -> dict[str, Any]:
    """Return the object for ``--json``: the fields of :class:`lior.runs.inspection.Inspection`."""
    import attrs

    from lior.runs.telemetry import finite

    summary = {"run": str(run), **attrs.asdict(found)}
    for entry, held in zip(summary["memory"], found.memory, strict=True):
        entry["fill"] = held.fill
    for entry, invariant in zip(summary["invariants"], found.invariants, strict=True):
        entry["holds"] = invariant.holds
    if found.metric:
        summary["metric"]["condition"] = found.metric.condition
    shown: dict[str, Any] = finite(summary)
    return shown


def _report(found: Inspection) -> None:
    _section(
        "components",
        ["kind", "name", "distribution", "version"],
        [[c.kind, c.name, c.distribution, c.version] for c in found.components],
    )
    changed = [[c.name, key, json.dumps(value)] for c in found.components for key, value in c.changed.items()]
    if changed:
        _section("options other than the defaults", ["component", "option", "value"], changed)
    _section(
        "numbers",
        ["part", "learned", "statistics"],
        [[n.part, f"{n.learned:,}", f"{n.statistics:,}"] for n in found.numbers],
    )
    _section(
        "memory",
        ["name", "experts", "items", "size", "fill"],
        [[m.name, f"{m.experts}", f"{m.items:,} {m.of}", _size(m.bytes), _fill(m)] for m in found.memory],
    )
    if metric := found.metric:
        _section(
            "metric",
            ["dimension", "effective rank", "condition number", "eigenvalues", "beta"],
            [
                [
                    f"{metric.dimension}",
                    f"{metric.effective_rank:.2f}",
                    f"{metric.condition:.4g}",
                    f"{metric.least:.4g} to {metric.greatest:.4g}",
                    f"{metric.beta:.4g}",
                ]
            ],
        )
    text = found.text
    _section(
        "text",
        ["documents", "bytes", "tokens", "in memory", "token ids in use"],
        [
            [
                f"{text.documents:,}",
                f"{text.bytes:,}",
                f"{text.tokens:,}",
                f"{text.held:,}",
                f"{text.alphabet:,} of {text.vocabulary:,}",
            ]
        ],
    )
    files = {**found.files, "all": sum(found.files.values())}
    _section("files", ["path", "size"], [[name, _size(size)] for name, size in files.items()])
    click.echo(f"Checksums verified on loading: {', '.join(found.verified)}.\n")
    _section(
        "invariants",
        ["", "measured", "must be", ""],
        [
            [i.name, f"{i.value:.3g}", f"{i.relation} {i.bound:g}", "holds" if i.holds else "BROKEN"]
            for i in found.invariants
        ],
    )


def _geometry_record(run: Path, found: GeometryReport) -> str:
    import attrs

    from lior.runs.telemetry import finite

    return json.dumps(finite({"run": str(run), **attrs.asdict(found)}))


def _report_geometry(found: GeometryReport) -> None:
    from lior_cli.run_geometry import LEVELS

    _section("stretched most along", ["eigenvalue of g", "share", "coordinates"], _directions(found.axes))
    if found.scalar and found.sectional:
        named = ["", *(f"{level:.0%}" for level in LEVELS)]
        numbers = {"Ricci scalar": found.scalar, "sectional curvature": found.sectional}
        rows = [[name, *(f"{value:.3g}" for value in values)] for name, values in numbers.items()]
        _section(f"curvature at {found.contexts} contexts, in 1/length²", named, rows)
        click.echo(f"{found.negative:.1%} of the planes have negative curvature.\n")
        _section("curved most in the plane", ["curvature", "share", "coordinates"], _directions(found.planes))
    else:
        click.echo("The metric is the same everywhere, and flat; --rsource curvature has one that varies.\n")
    _section(
        "contexts where R is greatest and least",
        ["R", "Ricci scalar", "document", "context"],
        [
            [
                f"{p.resilience:.3g}",
                "0" if p.curvature is None else f"{p.curvature:.3g}",
                p.document,
                json.dumps(p.before, ensure_ascii=False),
            ]
            for p in found.places
        ],
    )


def _directions(found: Sequence[Direction]) -> list[list[str]]:
    return [
        [f"{d.value:.4g}", f"{d.share:.1%}", ", ".join(f"z[{i}] {share:.0%}" for i, share in d.coordinates)]
        for d in found
    ]


def _section(title: str, headers: list[str], rows: list[list[str]]) -> None:
    click.secho(f"{title}:", bold=True)
    echo_table(headers, rows)
    click.echo()


def _fill(memory: MemoryUse) -> str:
    if memory.fill is not None:
        return f"{memory.fill:.1%} of {memory.capacity:,}"
    return f"at most {_size(memory.budget)} of items" if memory.budget else "no limit"


def _size(size: int) -> str:
    return f"{size:,} B" if size < 1 << 20 else f"{size / 2**20:,.1f} MiB"
