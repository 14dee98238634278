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
from lior_tables import comparing, plan, resuming, sums

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
    assert "errors are those of five models" in done.stdout
    assert other["anew"]
    assert "note: column 'day' holds dates" in done.stderr
    assert other["classes"] == ["no", "yes"]
    assert other["leave_one_out"]["right"] > 0.9 > other["baseline"]["right"]
    assert sum(member["share"] for member in other["members"]) == pytest.approx(1)


def test_fit_says_when_a_guess_is_as_good(home, tmp_path):
    assert "no better" not in home[1].stdout
    random = rows(30).assign(price=np.random.RandomState(5).randn(30))[["size", "price"]]
    random.to_csv(tmp_path / "random.csv", index=False)
    done = table("fit", "random.csv", "--target", "price", *QUICK, cwd=tmp_path)
    assert "no better than the mean by root mean squared error" in done.stdout


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
    assert "kind" not in json.loads(done.stdout)["importances"]
    assert json.loads(done.stdout)["inputs"] == 3
    (path / "ungrouped.csv").write_text("size,noise,day\n1,2,2026-01-03\n")
    assert table("predict", tmp_path / "group", "ungrouped.csv", cwd=path).returncode == 0
    done = table("learn", tmp_path / "group", "ungrouped.csv", cwd=path)
    assert "no column 'kind', which the model needs" in done.stderr
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


def test_each_of_several_targets_has_its_scores(tmp_path):
    rows().assign(cents=lambda frame: 100 * frame["price"]).to_csv(tmp_path / "a.csv", index=False)
    given = ("--target", "price", "--target", "cents", "--drop", "big", "--out", "m", *QUICK)
    done = table("fit", "a.csv", *given, cwd=tmp_path)
    errors = dict(re.findall(r"(\w+): root mean squared error +([\d.]+)", done.stdout))
    assert float(errors["cents"]) == pytest.approx(100 * float(errors["price"]), rel=0.01)
    said = table("predict", "m", "a.csv", cwd=tmp_path).stderr
    assert "in the file: price: root mean squared error" in said
    assert "cents: R² " in said
    found = json.loads(table("predict", "m", "a.csv", "--json", cwd=tmp_path).stdout)["score"]
    assert list(found) == ["price", "cents"]
    assert found["cents"]["R²"] == pytest.approx(found["price"]["R²"], abs=1e-3)


def test_options_without_effect_are_named(home, tmp_path):
    path, *_ = home
    given = ("fit", "a.csv", "--target", "price", "--drop", "big", *QUICK)
    idle = ("--size", "9", "--features", "pixels", "--texts", "words", "--categories", "distance")
    done = table(*given, *idle, "--drop", "kind", "--out", tmp_path / "m", cwd=path)
    assert [line for line in done.stderr.splitlines() if "no effect" in line] == [
        "note: --size has no effect on a table",
        "note: --features has no effect on a table",
        "note: --texts has no effect: no input holds texts",
        "note: --categories has no effect: no input holds words",
    ]
    assert "no effect" not in table(*given, "--out", tmp_path / "n", cwd=path).stderr
    arrays = np.random.RandomState(0).rand(12, 4, 4)
    for i, array in enumerate(arrays):
        (tmp_path / "arrays" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "arrays" / "ab"[i % 2] / f"{i}.npy", array)
    done = table("fit", "arrays", "--target", "folder", *idle, *QUICK, "--out", "p", cwd=tmp_path)
    assert "--categories has no effect on pictures" in done.stderr
    assert "--texts has no effect on pictures" in done.stderr
    assert "--size" not in done.stderr


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
    assert " from the row below" in table("why", "runs/price", "b.csv", "--top", "1", cwd=path).stdout
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


def test_standard_input_is_not_replaced_either(home, tmp_path, monkeypatch, capsys):
    path, *_ = home
    given = tmp_path / "given.csv"
    given.write_bytes((path / "b.csv").read_bytes())
    with given.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert main(["table", "predict", str(path / "runs/price"), "-", "--out", str(given)]) == 2
    assert "is the input, which would be replaced" in capsys.readouterr().err
    assert given.read_bytes() == (path / "b.csv").read_bytes()


def test_targets_that_are_numbers_are_compared_and_the_others_named(home):
    path, *_ = home
    frame = rows(20, seed=1)
    whole = json.loads(table("predict", "runs/price", "b.csv", "--json", cwd=path).stdout)
    assert whole["not_scored"] == []
    texts = frame["price"].map("${:,.3f}".format)
    some = texts.where(~texts.index.isin([3, 7]), ["sold"] * 19 + [""])
    frame.assign(price=some.mask(some.index == 9)).to_csv(path / "sold.csv", index=False)
    done = table("predict", "runs/price", "sold.csv", "--json", cwd=path)
    assert json.loads(done.stdout)["not_scored"] == [3, 7, 9]
    frame.drop([3, 7, 9]).to_csv(path / "rest.csv", index=False)
    rest = json.loads(table("predict", "runs/price", "rest.csv", "--json", cwd=path).stdout)
    assert json.loads(done.stdout)["score"] == pytest.approx(rest["score"])
    said = table("predict", "runs/price", "sold.csv", cwd=path).stderr
    assert "against 17 of 20 targets in the file: root mean squared error" in said
    assert said.endswith("no number: row 3 (sold), row 7 (sold), row 9 (missing)\n")
    frame.assign(price="sold").to_csv(path / "sold.csv", index=False)
    said = table("predict", "runs/price", "sold.csv", cwd=path).stderr
    assert "nothing to compare with, the targets in the file are no number: row 0 (sold)" in said
    assert "row 2 (sold), 17 more" in said
    frame.assign(price="").to_csv(path / "sold.csv", index=False)  # an empty column to fill in
    assert table("predict", "runs/price", "sold.csv", cwd=path).stderr == ""


def test_columns_that_were_left_out_are_not_needed_and_no_inputs(tmp_path):
    frame = rows(80).assign(ad=[f"AD{i * 7919 % 9973}" for i in range(80)], one=1)
    frame.drop(columns="big").to_csv(tmp_path / "a.csv", index=False)
    less = frame.drop(columns=["big", "ad", "one"]).head(3)
    less.to_csv(tmp_path / "b.csv", index=False)
    done = table("fit", "a.csv", "--target", "price", "--out", "m", *QUICK, cwd=tmp_path)
    assert "column 'ad' identifies rows and is left out" in done.stderr
    assert "80 rows, 4 inputs as 8 coordinates" in done.stdout
    assert table("predict", "m", "b.csv", cwd=tmp_path).returncode == 0
    found = json.loads(table("why", "m", "b.csv", "--json", cwd=tmp_path).stdout)
    assert set(found["importances"]) == set(found["asked"]) == {"size", "noise", "kind", "day"}
    assert set(found["rows"][0]["inputs"]) == set(found["asked"])
    drawn = json.loads(table("plot", "m", "--only", "importances", "--json", cwd=tmp_path).stdout)
    assert set(drawn["pictures"]["importances"]["panels"][0]["names"]) == set(found["asked"])
    assert "no column 'one'" in table("learn", "m", "b.csv", cwd=tmp_path).stderr
    less.assign(one=1).to_csv(tmp_path / "more.csv", index=False)
    assert table("learn", "m", "more.csv", cwd=tmp_path).returncode == 0
    assert table("forget", "m", "0", "--metric", "refit", cwd=tmp_path).returncode == 0
    assert table("predict", "m", "b.csv", cwd=tmp_path).returncode == 0


def test_rows_have_the_numbers_of_the_file(tmp_path):
    frame = rows(60).drop(columns="big")
    frame["price"] = frame["price"].mask(frame.index.isin([0, 20, 59]))
    frame["size"] = frame["size"].astype(str).where(frame.index != 40, "wide")
    frame.to_csv(tmp_path / "a.csv", index=False)
    given = ("fit", "a.csv", "--target", "price", "--skip-missing", *QUICK)
    done = table(*given, "--out", "m", cwd=tmp_path)
    assert "column 'size': 1 cell that is no number counts as missing ('wide' in row 40)" in done.stderr
    found = json.loads(table("why", "m", "a.csv", "--top", "57", "--json", cwd=tmp_path).stdout)
    assert {row["row"]: row["answer"] for row in found["rows"]} == frame["price"].dropna().to_dict()
    done = table("forget", "m", "0-2", "30", cwd=tmp_path)
    assert "note: the model has no row 0" in done.stderr
    assert "forgot 3 rows" in done.stdout
    found = json.loads(table("why", "m", "a.csv", "--top", "57", "--json", cwd=tmp_path).stdout)
    assert {row["row"] for row in found["rows"]} == set(range(3, 59)) - {20, 30}
    done = table("forget", "m", "2-4", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["forgot"] == [3, 4]
    frame.head(21).tail(2).to_csv(tmp_path / "b.csv", index=False)
    done = table("learn", "m", "b.csv", "--skip-missing", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["learned"] == [60]
    frame.assign(price=frame["price"].astype(str).where(frame.index != 50, "sold")).to_csv(
        tmp_path / "a.csv", index=False
    )
    done = table(*given, "--regress", "--out", "n", cwd=tmp_path)
    assert "column 'price': 1 cell that is no number counts as missing ('sold' in row 50)" in done.stderr
    assert "56 rows" in done.stdout


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
        (["predict", "runs/price", "b.csv", "--interval", "90"], 2, "is not a number above 0 and below 1"),
        (["fit", "a.csv", "--target", "price", "--time-limit", "0"], 2, "'0' is not a number above 0"),
        (["predict", "runs/price", "b.csv", "--out", "b.csv"], 2, "is the input, which would be replaced"),
        (["predict", "runs/price", "b.csv", "--out", "runs/../b.csv"], 2, "is the input, which would be"),
        (["predict", "runs/price", "b.csv", "--out", "link.csv"], 2, "is the input, which would be replaced"),
        (["predict", "runs/price", "b.csv", "--out", "p.xlsx"], 2, "are CSV or Parquet; give a name that"),
        (["why", "runs/price", "b.csv", "--html", "b.csv"], 2, "nothing was touched"),
        (["compare", "photos", "--target", "folder", "--out", "photos"], 2, "is the input, which would be"),
        (
            ["learn", "runs/price", "gaps.csv"],
            1,
            "missing in 1 of 3 rows, first in row 1; leave these rows out",
        ),
        (
            ["learn", "runs/price", "gaps.csv", "--skip-missing"],
            1,
            "has 1 cell that is no number ('sold' in row 2); correct",
        ),
        (["predict", "runs/big", "b.csv", "--interval", "0.9"], 2, "--interval is for numbers"),
        (["predict", "nowhere", "b.csv"], 1, "no such run directory; `lior table fit"),
        (
            ["predict", "runs/price", "b.csv", "--out", "no/where.csv"],
            1,
            "no/where.csv: cannot be written: No such",
        ),
        (["why", "runs/price", "b.csv", "--row", "20"], 2, "has the rows 0 to 19"),
        (["forget", "runs/price", "x"], 2, "rows are numbers such as 17"),
        (["forget", "runs/price", "1-999999999999"], 1, "fewer than two rows would be left"),
        (["forget", "runs/price", "95-99"], 1, "no row 95: rows of this model are 0 to 89, 90 in all"),
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
    rows(3).assign(price=["1.5", None, "sold"]).to_csv("gaps.csv", index=False)
    (path / "photos").mkdir(exist_ok=True)
    (path / "photos" / "comparison.png").touch()
    with contextlib.suppress(FileExistsError):
        (path / "link.csv").symlink_to("b.csv")
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


def test_a_file_beside_the_parts_of_a_fit_is_not_removed(tmp_path):
    (tmp_path / "m.partial").mkdir()
    rows(60).to_csv(tmp_path / "m.partial" / "a.csv", index=False)
    done = table("fit", "m.partial/a.csv", "--target", "price", "--out", "m", *QUICK, cwd=tmp_path)
    assert done.returncode == 0
    assert [file.name for file in (tmp_path / "m.partial").iterdir()] == ["a.csv"]


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


def test_intervals_of_ratios_are_positive():
    first, others = np.array([1.0, 3.0, 0.2, 0.5]), np.array([3.0, 0.1, 2.0, 1.0])
    found = comparing._ratio(others, first, 1.0)
    assert found["ratio"] == pytest.approx(6.1 / 4.7)
    assert 0 < found["low"] < found["ratio"] < found["high"]
    back = comparing._ratio(first, others, 1.0)
    assert back["low"] == pytest.approx(1 / found["high"])
    assert comparing._ratio(first, first, 1.0) == {"ratio": 1, "low": 1, "high": 1}
    nothing = 0 * first  # all rows right
    assert comparing._ratio(nothing, nothing, 1.0)["ratio"] == 1
    assert np.isfinite(list(comparing._ratio(first, nothing, 1.0).values())).all()


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


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-12, 0.0), (1e-30, 0.0), (1.0, 1e9), (1e-3, 1e6), (1e4, 5e6)]
)
def test_targets_of_any_scale_are_predicted_and_printed_with_the_digits_that_matter(tmp_path, scale, offset):
    """Numbers such as 1e-12 are read, saved and printed; numbers far from 0 do not lose what differs."""
    x = np.linspace(-2, 2, 60)
    frame = pd.DataFrame({"x": x, "y": offset + scale * np.round(3 * x, 2)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    done = table("fit", "a.csv", "--target", "y", "--out", "runs/a", "--regress", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = table("predict", "runs/a", "a.csv", "--interval", "0.9", cwd=tmp_path).stdout
    found = pd.read_csv(io.StringIO(printed), index_col="row").to_numpy()
    assert "e+" not in printed
    predictions = json.loads(
        table("predict", "runs/a", "a.csv", "--interval", "0.9", "--json", cwd=tmp_path).stdout
    )
    exact = pd.DataFrame(predictions["predictions"]).set_index("row").to_numpy()
    assert np.abs(found - exact).max() <= 1e-4 * frame["y"].std()
    assert np.abs(exact[:, 0] - frame["y"]).max() < 0.5 * frame["y"].std()
    why = table("why", "runs/a", "a.csv", "--top", "1", cwd=tmp_path).stdout.splitlines()[0]
    low, high = (float(part.replace(",", "")) for part in re.search(r"\((\S+) to (\S+) with", why).groups())
    assert np.abs(np.array([low, high]) - exact[0, 1:]).max() <= 1e-2 * (exact[0, 2] - exact[0, 1])
