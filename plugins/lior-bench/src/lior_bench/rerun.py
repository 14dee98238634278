"""``lior bench all``: run every measurement of the results pages, and write their tables.

``data/measurements.toml`` lists the measurements. Each has a ``page``, a ``command`` as a user types it, the
expected CPU ``minutes``, and optionally

* ``rows``: labels, and the text that replaces ``{}`` in the command; one run each;
* ``needs``: files or folders; ``packages``: distributions; without them, the measurement is skipped;
* ``columns``: headers, and the path of a number in the JSON object that the command prints, with a format
  (``seconds.total:.1f``); ``each`` is the path of a list that has an object for every row;
* ``keep``: a regular expression of the printed lines to show, where there are no ``columns``;
* ``exits``: further exit codes of a successful run.

A command may be several, joined by ``&&``; no shell runs them. A word that ends in ``/*`` is all files of a
folder, ``DATA`` the folder of ``--data``, and ``RUNS`` an empty folder for their output.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import click

from lior.errors import RunError
from lior_bench.report import machine, markdown
from lior_bench.results import Results, Run, now
from lior_cli import echo_table

FOLDER = Path("plugins/lior-bench/data")
LIST, KEPT = FOLDER / "measurements.toml", FOLDER / "measurements.jsonl"
_MARK = re.compile(r"(<!-- measured: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


@attrs.frozen(kw_only=True)
class Measurement:
    """A command, and how its output becomes a table; the module describes the attributes."""

    name: str
    page: str
    command: str
    minutes: float
    rows: Mapping[str, str] = {"": ""}
    needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    columns: Mapping[str, str] = {}
    each: str = ""
    keep: str = "."
    exits: tuple[int, ...] = ()

    def missing(self, data: Path) -> str:
        """Return what the measurement needs and does not find, or nothing."""
        files = [each for each in self.needs if not Path(each.replace("DATA", str(data))).exists()]
        return ", ".join(files + [each for each in self.packages if not importlib.util.find_spec(each)])

    def cells(self, output: str) -> Iterator[list[str]]:
        """Yield a list of cells for every object of the printed JSON."""
        found = json.loads(output[output.index("{") :])
        items = [found]
        for key in filter(None, self.each.split(".")):
            items = [each for item in items for each in item[key]]
        for item in items:
            cells = [_formatted(item, spec) for spec in self.columns.values()]
            if item.get("status", "ok") != "ok":
                cells[-1] = f"{item['status']}: {item['reason']}"
            yield cells

    def table(self, runs: list[Run]) -> str:
        """Return the output of the runs in Markdown."""
        if not self.columns:
            return "\n".join(self._lines(str(run.numbers["output"])) for run in runs)
        rows = [[run.system, *cells] for run in runs for cells in self.cells(str(run.numbers["output"]))]
        plain = len(self.rows) == 1
        return markdown([*["row"] * (not plain), *self.columns], [row[plain:] for row in rows])

    def _lines(self, output: str) -> str:
        kept = [line for line in output.splitlines() if re.search(self.keep, line) or not line]
        text = re.sub(r"\n{2,}", "\n\n", "\n".join(kept)).strip("\n")
        return f"{text}\n" if re.search(r"^\|", text, re.MULTILINE) else f"```text\n{text}\n```\n"


def _at(found: Any, path: str) -> Any:
    for key in path.split("."):
        found = found[int(key) if isinstance(found, list) else key]
    return found


def _formatted(item: Any, spec: str) -> str:
    path, _, form = spec.partition(":")
    try:
        value = _at(item, path)
    except (KeyError, IndexError):
        value = None
    return "" if value is None else format(value, form)


def measurements() -> dict[str, Measurement]:
    """Return the measurements of the checkout in the working directory, by their names.

    Raises
    ------
    RunError
        If the working directory is not the root of a checkout.
    """
    if not LIST.exists():
        raise RunError(f"there is no {LIST} here; run this in the root of a checkout of lior")
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return {name: Measurement(name=name, **each) for name, each in listed.items()}


@cache
def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _paths(word: str) -> list[str]:
    return sorted(map(str, Path(word[:-1]).iterdir())) if word.endswith("/*") else [word]


def _run(each: Measurement, row: str, data: Path, runs: Path) -> Run:
    """Run a command, and return its output and CPU seconds, or why it failed."""
    command = each.command.replace("{}", each.rows[row])
    here = command.replace("DATA", str(data)).replace("RUNS", str(runs))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    about = machine()
    numbers = {"commit": _commit(), "machine": f"{about['cores']} cores of {about['cpu']}"}
    run = Run(set=each.name, system=row, settings=f"{command} @ {numbers['commit']} {now()}", numbers=numbers)
    if missing := each.missing(data):
        return attrs.evolve(run, status="skipped", reason=f"needs {missing}")
    code, seconds, texts = 0, 0.0, ["", ""]
    for words in map(shlex.split, here.split(" && ")):
        found = [path for word in words for path in _paths(word)]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(found, stdout=out, stderr=errors, env=environment)
            _, status, used = os.wait4(process.pid, 0)
            texts = [(file.seek(0), file.read())[1] for file in (out, errors)]
        code = process.returncode = os.waitstatus_to_exitcode(status)
        seconds += used.ru_utime + used.ru_stime
        if code:
            break
    if code not in (0, *each.exits):
        last = (texts[1] or texts[0]).strip().splitlines() or [""]
        return attrs.evolve(run, status="failed", reason=f"exit code {code}: {last[-1]}")
    output = texts[0].replace(str(runs), "RUNS").replace(str(data), "DATA")
    return attrs.evolve(run, numbers={**numbers, "cpu_seconds": round(seconds, 1), "output": output})


def _newest(results: Results, each: Measurement) -> list[Run]:
    """Return the newest successful run of each row whose command is still the listed one."""
    newest: dict[str, Run] = {}
    for row in results.rows(each.name):
        command = f"{each.command.replace('{}', each.rows.get(row.system, ''))} @ "
        for run in row.runs:
            if run.settings.startswith(command):
                newest[row.system] = run
    return [newest[name] for name in each.rows if name in newest]


def _section(results: Results, each: Measurement) -> str:
    if not (runs := _newest(results, each)):
        faults = [row.fault.reason for row in results.rows(each.name) if row.fault]
        return f"*Not measured: {faults[0] if faults else 'not run'}.*\n"
    said = [f"{run.numbers['commit']}, {run.date[:10]}, {run.numbers['machine']}" for run in runs]
    seconds = sum(float(run.numbers["cpu_seconds"]) for run in runs)
    varied = ", ".join(f"{name}: `{text}`" for name, text in each.rows.items() if text not in ("", name))
    command = f"`{each.command.replace('{}', 'ROW')}`" + f" ({varied})" * bool(varied)
    return f"{each.table(runs)}\n{command}; commit {'; '.join(dict.fromkeys(said))}; {seconds:,.0f} CPU s.\n"


def render(page: str, known: Mapping[str, Measurement], results: Results) -> str:
    """Return a page with the tables between its markers replaced by the newest ones.

    Raises
    ------
    RunError
        If a marker names no measurement.
    """

    def replaced(found: re.Match[str]) -> str:
        if found[2] not in known:
            raise RunError(f"no measurement {found[2]!r}; {LIST} has {', '.join(known)}")
        return f"{found[1]}\n{_section(results, known[found[2]])}\n{found[3]}"

    return _MARK.sub(replaced, page)


@click.command("all")
@click.option("--only", metavar="NAME,...", help="Only these measurements; the others are kept.")
@click.option("--continue", "continued", is_flag=True, help="Run only what has no result yet.")
@click.option("--list", "listed", is_flag=True, help="List the measurements, and run nothing.")
@click.option("--write", is_flag=True, help="Write the tables into the pages.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data"), show_default=True)
def run_all(only: str | None, *, continued: bool, listed: bool, write: bool, data: Path) -> None:
    """Run every measurement of the results pages again, one after the other, on one thread.

    A result is kept as soon as it is known; after an interruption, --continue goes on. The exit code is 1 if
    a measurement failed.
    """
    known = measurements()
    chosen = only.split(",") if only else list(known)
    if unknown := [name for name in chosen if name not in known]:
        raise RunError(f"no measurement {unknown[0]!r}; there are {', '.join(known)}")
    if listed:
        cells = [
            [name, f"{known[name].minutes:g}", known[name].missing(data), known[name].command]
            for name in chosen
        ]
        echo_table(["name", "CPU min", "missing", "command"], cells)
        return
    if not only and not continued:
        KEPT.unlink(missing_ok=True)
    results, failed = Results(KEPT), False
    for each in map(known.__getitem__, chosen):
        done = [run.system for run in _newest(results, each)] if continued else []
        for row in each.rows:
            if row not in done:
                with tempfile.TemporaryDirectory() as runs:
                    run = _run(each, row, data.resolve(), Path(runs))
                results.add(run)
                failed |= run.status == "failed"
                click.echo(f"{each.name} {row}: {run.reason or run.numbers['cpu_seconds']}", err=True)
    if write:
        for page in sorted({each.page for each in known.values()}):
            Path(page).write_text(render(Path(page).read_text("utf-8"), known, Results(KEPT)), "utf-8")
    raise SystemExit(failed)
