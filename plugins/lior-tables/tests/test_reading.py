"""Files as people have them."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lior.errors import DataError, UsageError
from lior_tables.cli.sharing import task_of
from lior_tables.reading import Task, are_classes, check_variety, opened, read
from lior_tables.rows import ColumnNote


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comma.csv", b"a,b\n1.5,x\n2,y\n"),
        ("semicolon.csv", b"a;b\n1.5;x\n2;y\n"),
        ("tab.tsv", b"a\tb\n1.5\tx\n2\ty\n"),
        ("bar.txt", b"a|b\n1.5|x\n2|y\n"),
        ("bom.csv", b"\xef\xbb\xbfa,b\r\n1.5,x\r\n2,y\r\n"),
        ("packed.csv.gz", gzip.compress(b"a,b\n1.5,x\n2,y\n", mtime=0)),
        ("quoted.csv", b'"a","b"\n1.5,"x"\n2,"y"\n'),
    ],
)
def test_separators_are_found(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    frame = read(tmp_path / name)
    assert frame["a"].tolist() == [1.5, 2.0]
    assert frame["b"].tolist() == ["x", "y"]


def test_a_file_that_is_not_utf_8_is_latin_1(tmp_path):
    (tmp_path / "old.csv").write_bytes("a,stadt\n1,Köln\n".encode("latin-1"))
    assert read(tmp_path / "old.csv")["stadt"].tolist() == ["Köln"]


def test_codes_with_leading_zeros_stay_as_they_are(tmp_path):
    (tmp_path / "d.csv").write_text("code,n\n112,1\n007,2\n")
    assert read(tmp_path / "d.csv")["code"].tolist() == ["112", "007"]


def test_none_is_a_value_where_it_is_the_commonest_word(tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("damage;size;cost\nNone;None;None\nNone;big;1,5\nminor;big;2\n;;None\nNone;big;3\n")
    frame = read(path)
    assert frame["damage"].fillna("gap").tolist() == ["None", "None", "minor", "gap", "None"]
    assert frame["size"].isna().tolist() == [True, False, False, True, False]
    assert frame["cost"].isna().sum() == 2
    assert Task.of(frame, ["damage"]).none == ("damage",)


def test_a_target_without_any_cell_is_no_damage(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,w\n1,nan,a\n2,None,\n")
    frame = read(tmp_path / "a.csv", targets=["y"])
    assert frame["y"].isna().all()
    assert frame["x"].tolist() == [1, 2]


def test_none_is_a_value_in_a_file_for_a_model_that_has_it(tmp_path):
    (tmp_path / "one.csv").write_text("damage,size\nNone,None\n")
    frame = read(tmp_path / "one.csv", ("damage", "gone"))
    assert frame["damage"].tolist() == ["None"]
    assert frame["size"].isna().all()


def test_parquet(tmp_path):
    pd.DataFrame({"a": [1.5, None], "b": ["x", None]}).to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")["a"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "not a table: the file is empty"),
        ("head.csv", b"a,b\n", "no rows under the header"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, and the lines before have 2"),
        ("quote.csv", b'a,b\n1,"2\n', "a quotation mark in line 2 has no second one"),
        ("binary.csv", b"PK\0\1,2\n", "binary, or in UTF-16; save it as CSV"),
        *((f"bad.csv.{end}", b"x" * 99, "damaged, or neither") for end in ("gz", "xz", "zip", "tar")),
        ("twice.csv.gz", b"a,b\n1,2\n", "not a table|cannot be read"),
        ("bad.parquet", b"no parquet", "not a table|cannot be read"),
        ("same.csv", b"a,b,a\n1,2,3\n", r"same\.csv: two columns are named 'a'; rename one"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["a", "b"] * 10, True),
        ([True, False] * 10, True),
        ([0, 1] * 10, True),
        ([1, 2, 3] * 10, True),
        ([1.5, 2.5] * 10, False),
        (list(range(30)), False),
        ([3, 4, 5, 6, 7, 8, 9] * 30, False),  # marks, counts
        ([0, None] * 10, True),
    ],
)
def test_whether_a_target_is_a_class(values, classes):
    if values[1] is None:
        values = [*values, 1]
    assert are_classes(pd.Series(values)) == classes


@pytest.mark.parametrize("values", [list(range(11)), [3, 4, 5]])
def test_a_target_of_few_whole_numbers_is_read_as_a_note_says_and_an_option_changes_it(values):
    frame = pd.DataFrame({"x": range(220), "y": [values[i % len(values)] for i in range(220)]})
    asked = f"has {len(values)} different whole numbers, read as "
    read = "classes; --regress predicts a number" if 0 in values else "numbers; --classify predicts a class"
    with pytest.warns(ColumnNote, match=asked + read):
        assert Task.of(frame, ["y"]).classes == (0 in values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [Task.of(frame, ["y"], classes=each).classes for each in (True, False)] == [True, False]


def test_a_target_that_hardly_varies_is_noted_and_a_single_class_refused():
    said = "the target 'y' is 2.0 in 300 of 300 rows"
    with pytest.warns(ColumnNote, match=said):
        check_variety(pd.DataFrame({"y": [2.0] * 300}), PATH, classes=False)
    with pytest.warns(ColumnNote, match="the target 'y' is 'a' in 299 of 300 rows: there is little to learn"):
        check_variety(pd.DataFrame({"y": ["a"] * 299 + ["b"]}), PATH, classes=True)
    with pytest.raises(DataError, match="f: the target 'y' has one class only, 'a'"):
        check_variety(pd.DataFrame({"y": ["a"] * 9}), PATH, classes=True)


PATH = Path("f")
DAYS = pd.date_range("2026-01-01", periods=50)
NAMES = pd.DataFrame({"x": range(50), "name": [f"no {i}" for i in range(50)], "day": DAYS})
NAMES["written"] = DAYS.strftime("%d.%m.%Y")
FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "n": [1.0, None], "w": [1, 2]})


def test_a_task_leaves_its_columns_out_of_the_inputs():
    task = Task.of(FRAME, ["a"], drop=["b", "w"])
    assert task.inputs == ("n",)
    assert task.answers(FRAME, Path("f")).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Task.of(FRAME, ["A"]), r"no column 'A'\. Did you mean 'a'\? There are a, b, n, w"),
        (lambda: Task.of(FRAME, ["a"], drop=["bb"]), r"no column 'bb'"),
        (lambda: Task.of(FRAME, ["a"], others=["B"]), "no column 'B'. Did you mean 'b'"),
        (lambda: Task.of(FRAME[["a"]], ["a"]), "no column is left"),
        (lambda: Task.of(FRAME, ["a", "a"]), "'a' is given to --target twice; give it once"),
        (lambda: Task.of(FRAME, ["a"], drop=["a"]), "'a' is given to --target and to --drop; give it once"),
        (
            lambda: Task.of(FRAME, ["a"]).answers(FRAME.assign(a=[1, np.inf]), PATH),
            "'a' has infinity, or a number above 1e308, in row 1",
        ),
        (lambda: Task.of(FRAME, ["a", "w"], classes=True), "one target"),
        (lambda: Task.of(NAMES, ["name"]), "'name' has 50 different values in 50 rows; these are too many"),
        (lambda: Task.of(NAMES, ["written"]), "'written' holds dates, which are neither numbers nor classes"),
        (lambda: Task.of(NAMES, ["day"]), "'day' holds dates, which are neither numbers nor classes"),
        (lambda: Task.of(FRAME, ["n"], classes=False).answers(FRAME, PATH), "in 1 of 2 rows, first in row 1"),
        (
            lambda: Task.of(FRAME, ["b"], classes=False).answers(FRAME, PATH),
            r"'b' has 2 cells that are no numbers \('x' in row 0, 'y' in row 1\); correct or remove .* "
            "--classify predicts words",
        ),
        (lambda: Task.of(FRAME, ["a"]).rows(FRAME.drop(columns="b"), PATH), "no column 'b', which the model"),
    ],
)
def test_a_wrong_task_is_refused(call, said):
    with pytest.raises((UsageError, DataError), match=said):
        call()


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        ('"1,010" 2,020', [1010, 2020]),
        ("€1010 €1,010.5", [1010, 1010.5]),
        ("1.010,50€ 7,00€", [1010.5, 7]),
        ("90:30 1:15", [90.5, 1.25]),
        ("-3 1e-3", [-3, 1e-3]),
    ],
)
def test_a_target_is_a_number_as_people_write_it(tmp_path, cells, numbers):
    rows = "".join(f"{i};{cell}\n" for i, cell in enumerate(cells.split(" ")))
    (tmp_path / "t.csv").write_text("x;y\n" + rows)
    frame = opened(tmp_path / "t.csv", targets=["y"])
    task = Task.of(frame, ["y"], classes=False)
    assert task.answers(task.with_targets(frame), tmp_path).tolist() == numbers
    assert opened(tmp_path / "t.csv", task)["y"].tolist() == numbers


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
@pytest.mark.parametrize("other", ["cheap", "€5"])
def test_a_target_that_is_mostly_numbers_names_the_rows_that_are_none(tmp_path, other):
    cells = [other if i % 20 == 7 else f"${i % 15 + 10}" for i in range(60)]
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    frame = opened(tmp_path / "t.csv", targets=["y"])
    task = Task.of(frame, ["y"])
    said = rf"3 cells that are no numbers in \$ \('{other}' in row 7, '{other}' in row 27, .*--skip-missing"
    with pytest.raises(DataError, match=said):
        task.answers(task.with_targets(frame), tmp_path)
    given = {"targets": ["y"], "drop": [], "classes": None, "skip_missing": True}
    task, kept = task_of(opened(tmp_path / "t.csv", targets=["y"]), tmp_path, given)
    assert task.answers(kept, tmp_path).tolist() == [i % 15 + 10 for i in range(60) if i % 20 != 7]


def test_white_space_around_cells_is_no_part_of_them(tmp_path):
    rows = ["yes , a,1 ,5", "yes,a ,2,6", ' yes\t,NA , 3," 007"', "YES, ,NA ,7"]
    (tmp_path / "t.csv").write_text("y,w,n,c\n" + "".join(f"{row}\n" for row in rows))
    frame = read(tmp_path / "t.csv", targets=["y"])
    assert frame["y"].tolist() == ["yes", "yes", "yes", "YES"]
    assert frame["w"].fillna("gap").tolist() == ["a", "a", "gap", "gap"]
    assert frame["n"].fillna(-1).tolist() == [1, 2, 3, -1]
    assert frame["c"].tolist() == ["5", "6", "007", "7"]


def test_classes_stay_as_they_are_written(tmp_path):
    labels = ["2", "2.1", "2.10", "007"]
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{labels[i % 4]}\n" for i in range(40)))
    frame = opened(tmp_path / "t.csv", targets=["y"])
    task = Task.of(frame, ["y"])
    assert task.classes
    assert {*task.answers(task.with_targets(frame), tmp_path)} == {*labels}
    assert opened(tmp_path / "t.csv", task)["y"].tolist()[:4] == labels


def test_number_classes_of_another_kind_of_file_meet_their_spelling():
    numbers, words = pd.DataFrame({"x": [1, 2], "y": [1, 2]}), pd.DataFrame({"x": [1, 2], "y": ["1", "2"]})
    of_numbers, of_words = (Task.of(each, ["y"], classes=True) for each in (numbers, words))
    assert of_numbers.with_targets(words.copy())["y"].tolist() == [1, 2]
    assert of_words.with_targets(numbers.copy())["y"].tolist() == ["1", "2"]
