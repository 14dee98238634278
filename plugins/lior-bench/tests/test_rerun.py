"""`lior bench all`: results are kept as soon as they are known, and pages have them between markers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import RunError
from lior_bench.rerun import KEPT, LIST, Measurement, measurements, render, run_all
from lior_bench.results import Results, Run

ROOT = Path(__file__).parents[3]
LISTED = r'''
[good]
page = "page.md"
minutes = 1
command = """echo '{"list": [{"a": {}}, {"status": "failed", "reason": "hot"}]}'"""
rows = { one = "1", two = "2.5" }
each = "list"
columns = { value = "a:.2f" }
[plain]
page = "page.md"
minutes = 1
command = "echo first && printf 'kept\\ndropped'"
keep = "kept"
[bad]
page = "page.md"
minutes = 1
command = """python -c 'raise SystemExit("broken")' && echo fine"""
[away]
page = "page.md"
minutes = 1
needs = ["DATA/nothing.txt"]
command = "cat DATA/nothing.txt"
'''
PAGE = "".join(
    f"{name}\n<!-- measured: {name} -->\nold\n<!-- end -->\n" for name in ("good", "plain", "bad", "away")
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a list of measurements and a page."""
    monkeypatch.chdir(tmp_path)
    LIST.parent.mkdir(parents=True)
    LIST.write_text(LISTED)
    Path("page.md").write_text(PAGE)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(run_all, ["--data", "data", *args])


def kept() -> list[dict[str, object]]:
    return [json.loads(line) for line in KEPT.read_text().splitlines()]


def test_the_pages_get_what_was_measured_and_name_what_was_not(checkout):
    done = run("--write")
    assert done.exit_code == 1, done.output
    page = Path("page.md").read_text()
    assert "| one | 1.00 |\n| one | failed: hot |\n| two | 2.50 |" in page
    assert "```text\nkept\n```" in page
    assert "*Not measured: exit code 1: broken.*" in page
    assert "*Not measured: needs DATA/nothing.txt.*" in page
    assert "old" not in page
    assert [run["status"] for run in kept()] == ["ok", "ok", "ok", "failed", "skipped"]


def test_an_interrupted_run_goes_on_and_a_failure_keeps_what_is_known(checkout):
    run("--only", "good")
    run("--continue")
    assert [each["set"] for each in kept()] == ["good", "good", "plain", "bad", "away"]
    LIST.write_text(LISTED.replace("printf", "false"))
    assert run("--only", "plain").exit_code == 1
    assert [each["set"] for each in kept()] == ["good", "good", "plain", "bad", "away", "plain"]
    run()
    assert len(kept()) == 5


def test_a_row_whose_command_has_changed_goes(checkout):
    run("--only", "good")
    LIST.write_text(LISTED.replace('two = "2.5"', 'two = "3"'))
    run("--only", "plain", "--write")
    assert "| two |" not in Path("page.md").read_text()


def test_the_newest_of_two_results_counts():
    each, results = Measurement(name="m", page="", command="c", minutes=1), Results()
    for output in ("before", "now"):
        numbers = {"output": output, "cpu_seconds": 1.0, "commit": "c", "machine": "m"}
        results.add(Run(set="m", system="", settings=f"c @ {output}", numbers=numbers))
    assert "now\n" in render("<!-- measured: m -->\n<!-- end -->", {"m": each}, results)


@given(
    output=st.text(st.characters(codec="utf-8", exclude_characters="\r")).filter(
        lambda text: "<!--" not in text
    ),
    before=st.text(st.characters(exclude_characters="<")),
)
def test_rendering_twice_changes_nothing_and_leaves_prose_alone(output, before):
    each = Measurement(name="m", page="", command="c", minutes=1)
    results = Results()
    numbers = {"output": output, "cpu_seconds": 1.0, "commit": "c", "machine": "m"}
    results.add(Run(set="m", system="", settings="c @ ", numbers=numbers))
    once = render(f"{before}<!-- measured: m -->\n<!-- end -->{before}", {"m": each}, results)
    assert once == render(once, {"m": each}, results)
    assert once.startswith(before)
    assert once.endswith(before)


def test_what_cannot_be_is_refused(checkout, monkeypatch):
    with pytest.raises(RunError, match="no measurement 'x'"):
        render("<!-- measured: x -->\n<!-- end -->", measurements(), Results())
    assert "no measurement 'x'" in str(run("--only", "x").exception)
    monkeypatch.chdir(checkout / "plugins")
    assert "run this in the root of a checkout" in str(run("--list").exception)


def test_every_marker_of_the_pages_names_a_listed_measurement(process, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name, each in measurements().items():
        assert f"<!-- measured: {name} -->" in Path(each.page).read_text(encoding="utf-8")


def test_the_list_has_each_measurement_with_its_estimate(process, checkout):
    work = checkout / "work"
    work.mkdir(exist_ok=True)
    (work / LIST).parent.mkdir(parents=True)
    (work / LIST).write_text(LISTED)
    listed = process("all", "--list", "--data", "data")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        "name",
        "good",
        "plain",
        "bad",
        "away",
    ]
    assert "DATA/nothing.txt" in listed.stdout.splitlines()[-1]
