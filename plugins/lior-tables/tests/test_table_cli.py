"""The command line, as a user has it."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lior_cli.main import main
from lior_tables import plan, resuming, sums

QUICK = ("--members", "1", "--rounds", "1")


def table(*args, cwd=".", stdin=""):
    """Run a command in this process: imports take longer than most of them."""
    out, err, old = io.StringIO(), io.StringIO(), sys.stdin
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(cwd))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(warnings.catch_warnings())
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        try:
            code = main(["table", *map(str, args)])
        finally:
            sys.stdin = old
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def test_the_options_have_the_defaults_of_the_estimators():
    from lior_tables import GeometricRegressor
    from lior_tables.cli.fit import fit
    from lior_tables.cli.sharing import PARAMETERS

    context = fit.make_context("fit", ["a.csv", "--target", "y"])
    given = context.params
    parameters = GeometricRegressor().get_params()
    assert {name: given[name] for name in PARAMETERS} == {name: parameters[name] for name in PARAMETERS}


def rows(count=90, seed=0):
    rng = np.random.RandomState(seed)
    frame = pd.DataFrame({"size": rng.uniform(0, 10, count), "noise": rng.randn(count)})
    frame["kind"] = np.where(rng.rand(count) > 0.5, "<b>old</b>", "new")
    frame["day"] = pd.date_range("2026-01-01", periods=count).strftime("%Y-%m-%d")
    frame["price"] = (3 * frame["size"] + 5 * (frame["kind"] == "new") + 0.1 * rng.randn(count)).round(3)
    frame["big"] = np.where(frame["price"] > 18, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with files and two fitted models."""
    path = tmp_path_factory.mktemp("tables")
    rows().to_csv(path / "a.csv", index=False)
    rows(20, seed=1).to_parquet(path / "b.parquet")
    rows(20, seed=1).to_csv(path / "b.csv", index=False)
    done = table(
        "fit", "a.csv", "--target", "price", "--drop", "big", "--out", "runs/price", *QUICK, cwd=path
    )
    assert done.returncode == 0, done.stderr
    other = table(
        "fit", "a.csv", "--target", "big", "--drop", "price", "--out", "runs/big", "--json", cwd=path
    )
    assert other.returncode == 0, other.stderr
    return path, done, json.loads(other.stdout)


def test_fit_says_what_was_learned_and_how_well(home):
    _, done, other = home
    assert "90 rows, 4 inputs as 8 coordinates; price: numbers" in done.stdout
    assert "root mean squared error" in done.stdout
    assert "what counts (more error without it): size" in done.stdout
    assert "lior table predict runs/price" in done.stdout
    assert "note: column 'day' holds dates" in done.stderr
    assert other["classes"] == ["no", "yes"]
    assert other["leave_one_out"]["right"] > 0.9 > other["baseline"]["right"]
    assert sum(member["share"] for member in other["members"]) == pytest.approx(1)


def test_fit_says_what_later_rows_and_other_groups_cost(home, tmp_path):
    path, *_ = home
    given = ("fit", "a.csv", "--target", "price", "--drop", "big", *QUICK)
    done = table(*given, "--time", "day", "--out", tmp_path / "time", cwd=path)
    assert done.returncode == 0, done.stderr
    assert "later rows, from earlier ones" in done.stdout
    assert "drift: rows later than those learned have" in done.stdout
    found = table("predict", tmp_path / "time", "b.csv", "--interval", "0.9", cwd=path)
    assert found.returncode == 0, found.stderr
    done = table(*given, "--group", "kind", "--out", tmp_path / "group", "--json", cwd=path)
    assert json.loads(done.stdout)["new"] == "group"
    assert json.loads(done.stdout)["importances"]["kind"] == 0
    done = table(*given, "--time", "kind", "--out", tmp_path / "no", cwd=path)
    assert done.returncode == 1
    assert "time: the column 'kind' holds words; give one of dates or numbers" in done.stderr


def test_predictions_with_intervals_from_csv_parquet_and_a_pipe(home):
    path, *_ = home
    done = table("predict", "runs/price", "b.csv", "--interval", "0.9", cwd=path)
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(io.StringIO(done.stdout))
    assert list(found) == ["row", "price predicted", "price low", "price high"]
    assert (found["price low"] < found["price predicted"]).all()
    assert "against the targets in the file: root mean squared error" in done.stderr
    again = table("predict", "runs/price", "b.parquet", "--interval", "0.9", cwd=path)
    assert again.stdout == done.stdout
    piped = table(
        "predict", "runs/price", "-", "--interval", "0.9", cwd=path, stdin=(path / "b.csv").read_text()
    )
    assert piped.stdout == done.stdout


def test_predictions_of_classes_have_probabilities(home):
    path, *_ = home
    done = table("predict", "runs/big", "b.csv", "--json", cwd=path)
    found = json.loads(done.stdout)
    assert found["score"]["right"] > 0.8
    assert all(row["P(no)"] + row["P(yes)"] == pytest.approx(1) for row in found["predictions"])
    done = table("predict", "runs/big", "b.csv", "--json", "--balanced", cwd=path)
    assert "right, mean of the classes" in json.loads(done.stdout)["score"]
    assert table("predict", "runs/price", "b.csv", "--balanced", cwd=path).returncode == 2


def test_predictions_go_to_a_file(home):
    path, *_ = home
    done = table("predict", "runs/price", "b.csv", "--out", "out.parquet", cwd=path)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(path / "out.parquet")
    assert list(found) == ["row", "price predicted"]
    assert found["row"].tolist() == list(range(20))


class Text(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources = [value for name, value in attrs if name in ("src", "href")]
        assert not self.sources

    def handle_data(self, data):
        self.text += data


def test_why_shows_rows_whose_shares_sum_to_the_prediction(home, tmp_path):
    path, *_ = home
    page = tmp_path / "why.html"
    done = table("why", "runs/price", "b.csv", "--row", 3, "--top", 90, "--json", "--html", page, cwd=path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sum(row["share"] for row in found["rows"]) + found["base"] == pytest.approx(found["prediction"])
    assert found["others"] == pytest.approx(0, abs=1e-9)
    truth = rows()
    for row in found["rows"]:
        assert row["answer"] == pytest.approx(truth["price"][row["row"]])
        assert row["inputs"]["kind"] == truth["kind"][row["row"]]
        assert row["inputs"]["day"] == truth["day"][row["row"]]
    text = Text()
    text.feed(page.read_text())
    assert "<b>old</b>" in text.text  # escaped in the file, so no tag
    assert not {"b", "script", "link", "img"} & text.tags
    shown = table("why", "runs/price", "b.csv", "--row", 3, "--html", page, cwd=path).stdout
    assert "with probability 90 %" in shown
    assert "rows have 90 % of all weight" in shown
    page.write_text("my own page")
    refused = table("why", "runs/price", "b.csv", "--html", page, cwd=path)
    assert refused.returncode == 2
    assert page.read_text() == "my own page"


def test_why_of_a_class(home):
    path, *_ = home
    done = table("why", "runs/big", "b.csv", "--of", "no", cwd=path)
    assert "big is no: probability" in done.stdout
    wrong = table("why", "runs/big", "b.csv", "--of", "noo", cwd=path)
    assert "Did you mean 'no'?" in wrong.stderr


def test_why_says_what_is_missing(home, tmp_path):
    path, *_ = home
    rows(1, seed=3).assign(size=np.nan).to_csv(path / "gap.csv", index=False)
    page = tmp_path / "gap.html"
    done = table("why", "runs/price", "gap.csv", "--html", page, cwd=path)
    assert "missing" in done.stdout
    assert page.read_text().count(">missing<") == 1


def test_a_note_comes_once_and_not_for_rows_of_the_model(home):
    path, *_ = home
    rows(5, seed=2).assign(kind="odd").to_csv(path / "odd.csv", index=False)
    done = table("why", "runs/price", "odd.csv", cwd=path)
    assert done.stderr.count("'odd' was not there in training; it counts as unknown") == 1
    assert "holds dates" not in done.stderr  # that is said by fit
    assert table("plot", "runs/price", "--text", "--only", "dependence", cwd=path).stderr == ""


def test_learned_rows_are_forgotten_exactly(home, tmp_path):
    path, *_ = home
    table(
        "fit",
        "a.csv",
        "--target",
        "price",
        "--drop",
        "big",
        "--out",
        tmp_path / "m",
        "--quiet",
        *QUICK,
        cwd=path,
    )
    before = table("predict", tmp_path / "m", "b.csv", cwd=path).stdout
    done = table("learn", tmp_path / "m", "b.csv", cwd=path)
    assert "learned 20 rows" in done.stdout
    assert "forget" in done.stdout
    assert table("predict", tmp_path / "m", "b.csv", cwd=path).stdout != before
    done = table("forget", tmp_path / "m", "90-109", "--json", cwd=path)
    assert json.loads(done.stdout)["rows"] == 90
    assert table("predict", tmp_path / "m", "b.csv", cwd=path).stdout == before
    done = table("forget", tmp_path / "m", "90", cwd=path)
    assert done.returncode == 1
    assert "no row 90" in done.stderr
    done = table("forget", tmp_path / "m", "3", "--metric", "refit", cwd=path)
    assert "nothing of them remains" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["fit", "a.csv", "--target", "prise"], 2, "Did you mean 'price'?"),
        (["fit", "nowhere.csv", "--target", "price"], 1, "No such file"),
        (["fit", "a.csv", "--target", "price", "--out", "runs/price"], 1, "the directory is not empty"),
        (["fit", "a.csv", "--target", "price", "--frame", "agopp"], 2, "Did you mean 'agop'?"),
        (
            ["fit", "a.csv", "--target", "price", "--readout", "riddle"],
            2,
            "No readout plugin is named 'riddle'",
        ),
        (["predict", "runs/price", "small.csv"], 1, "no column 'size', which the model needs"),
        (["predict", "runs/price", "b.csv", "--interval", "90"], 2, "is not a number from 0 to 1"),
        (["predict", "runs/big", "b.csv", "--interval", "0.9"], 2, "--interval is for numbers"),
        (["predict", "nowhere", "b.csv"], 1, "no such run directory; `lior table fit"),
        (
            ["predict", "runs/price", "b.csv", "--out", "no/where.csv"],
            1,
            "no/where.csv: cannot be written: No such",
        ),
        (["why", "runs/price", "b.csv", "--row", "20"], 2, "has the rows 0 to 19"),
        (["forget", "runs/price", "x"], 2, "rows are numbers such as 17"),
        (["forget", "runs/price", "1-999999999999"], 2, "a range of more than 10,000,000 rows"),
        (["plot", "runs/price", "--only", "calibratoin"], 2, "Did you mean 'calibration'?"),
        (["compare", "a.csv", "--target", "price", "--against", "lightgmb"], 2, "no system 'lightgmb'"),
        (["compare", "a.csv", "--target", "price", "--folds", "60"], 1, "too few for 60 folds"),
        (["fit", "a.csv", "--target", "price", "--workers", "two"], 2, "a number of processes from 1, or"),
    ],
)
def test_bad_input_gets_one_line_and_nothing_is_lost(home, args, code, said, monkeypatch, capsys):
    path, *_ = home
    monkeypatch.chdir(path)
    (path / "small.csv").write_text("a\n1\n2\n")
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    with warnings.catch_warnings():
        assert main(["table", *args]) == code
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.strip().count("lior: error") == 1
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()} == before


def test_workers_that_a_small_table_does_not_need_are_not_started(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows(60).to_csv("a.csv", index=False)
    assert main(["table", "fit", "a.csv", "--target", "price", "--out", "m", "--workers", "2", *QUICK]) == 0
    assert "note: 60 rows are fitted at once, by this process" in capsys.readouterr().err


def test_workers_that_a_vote_does_not_need_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "Options", functools.partial(plan.Options, exact_rows=50))
    rows(60).to_csv("a.csv", index=False)
    args = ["table", "fit", "a.csv", "--target", "price", "--out", "m", "--workers", "2", *QUICK]
    assert main([*args, "--readout", "vote"]) == 0
    assert "--workers divides what is solved, and a vote is not" in capsys.readouterr().err


def test_a_fit_that_is_interrupted_goes_on(tmp_path, monkeypatch, capsys):
    from lior_tables import base
    from lior_tables.cli import fit as command

    small = functools.partial(base.Options, exact_rows=150)
    monkeypatch.setattr(base, "Options", small)
    monkeypatch.setattr(sums, "_PART_ROWS", 50)
    monkeypatch.chdir(tmp_path)
    rows(400).to_csv("a.csv", index=False)
    args = ["table", "fit", "a.csv", "--target", "price", "--drop", "big", "--out", "m", *QUICK]
    told = []

    @contextlib.contextmanager
    def pressing(quiet):
        def tell(what, share):
            told.append(what)
            if ", 2 of" in what:
                os.kill(os.getpid(), signal.SIGINT)

        yield tell

    monkeypatch.setattr(command, "told", pressing)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored where tests are in the background
    assert main(args) == 130
    signal.signal(signal.SIGINT, before)
    assert "interrupted; the same command with --out m goes on" in capsys.readouterr().err
    assert len(list(Path("m.partial").iterdir())) == 2
    assert not Path("m").exists()
    written = []
    write = resuming.bundle.write

    def counted(path, *args, **kwargs):
        if "m.partial" in str(path):
            written.append(path)
        write(path, *args, **kwargs)

    monkeypatch.setattr(resuming.bundle, "write", counted)
    monkeypatch.setattr(command, "told", lambda quiet: contextlib.nullcontext(lambda what, share: None))
    assert main(args) == 0
    parts = int(re.search(r", 2 of (\d+) parts", told[-1])[1])
    assert len(written) == parts - 2, "the two that were there are not fitted again"
    assert not Path("m.partial").exists()
    capsys.readouterr()
    assert main(["table", "predict", "m", "a.csv"]) == 0


def test_compare_judges_rows_that_were_not_learned(home):
    path, *_ = home
    args = (
        "--target",
        "price",
        "--drop",
        "big",
        "--folds",
        3,
        "--repeats",
        1,
        "--against",
        "linear,random forest",
    )
    done = table("compare", "a.csv", *args, "--out", "pictures", "--json", cwd=path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    by_name = {each["name"]: each for each in found["systems"]}
    assert list(by_name) == ["lior", "linear", "random forest"]
    assert len(by_name["lior"]["errors"]) == 3
    assert by_name["lior"]["ratio"] == by_name["lior"]["high"] == 1
    assert by_name["random forest"]["ratio"] > 1
    assert (path / "pictures" / "comparison.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["price", "big"])
def test_pictures_as_text_numbers_and_files(home, name, tmp_path):
    path, *_ = home
    done = table("plot", f"runs/{name}", "--out", tmp_path, cwd=path)
    assert done.returncode == 0, done.stderr
    kinds = {"importances", "dependence"}
    kinds |= {"residuals", "intervals"} if name == "price" else {"calibration"}
    assert {file.stem for file in tmp_path.iterdir()} == kinds
    numbers = json.loads(table("plot", f"runs/{name}", "--json", "--only", "importances", cwd=path).stdout)
    panel = numbers["pictures"]["importances"]["panels"][0]
    assert all(
        low <= value <= high
        for low, value, high in zip(panel["low"], panel["values"], panel["high"], strict=True)
    )
    done = table("plot", f"runs/{name}", "--text", "--only", "importances", cwd=path)
    assert re.search(r"^size +[\d.]+ +[\d.]+ to ", done.stdout, re.MULTILINE)
    other = "residuals" if name == "big" else "calibration"
    done = table("plot", f"runs/{name}", "--text", "--only", f"importances,{other}", cwd=path)
    assert f"left out: {other}" in done.stderr


def test_help_needs_neither_torch_nor_pandas():
    code = (
        "import sys; from lior_cli.main import main; main(['table', '--help']); "
        "print([name for name in ('torch', 'pandas', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("[]\n")
