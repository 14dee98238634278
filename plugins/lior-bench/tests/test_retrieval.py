"""`lior bench retrieval`: each system finds, is measured or says why not; measures are by definition."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys

import pytest

from lior_bench import relevance, retrieval
from lior_bench.children import Unavailable

TEXTS = [
    "Press the red button for ten seconds to reset the boiler in the cellar.",
    "Water the tomatoes in the morning, and never at noon or when the sun is high.",
    "The backup of the mail server runs at night, after the logs were rotated.",
]


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.txt").write_text(text)
    return folder


@pytest.fixture
def collection(tmp_path):
    """A judged collection in which the second document answers the only question."""
    folder = tmp_path / "judged"
    folder.mkdir()
    records = [f".I {n}\n.T\ntitle {n}\n.W\n{text}\n" for n, text in enumerate(TEXTS, 1)]
    (folder / "cacm.all").write_text("".join(records))
    (folder / "cacm.qry").write_text(".I 1\n.W\nWhen are tomatoes watered?\n.I 2\n.W\nnot judged\n")
    (folder / "cacm.rel").write_text("01 2 0 0\n")
    return folder


def prepared(path, folder):
    folder.mkdir()
    return retrieval.prepare(str(path), folder)


@pytest.mark.parametrize("system", ["lior settle", "lior bm25", "lior meaning", *retrieval.ENGINES])
def test_a_system_finds_keeps_and_learns(system, notes, tmp_path):
    folder = tmp_path / "bench"
    assert prepared(notes, folder) == {"bytes": sum(map(len, TEXTS)), "passages": 3}
    try:
        made = retrieval.index(system, folder)
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert made["index_bytes"] > 0
    ask, learn = retrieval._made(system, folder)  # opened from the disk
    assert ask("when to water tomatoes", 2)[0] == 1
    learn("The ladder is in the shed.")
    ask, _ = retrieval._made(system, folder)
    assert ask("where is the ladder", 2)


def test_judged_documents_are_ranked_as_wholes(collection, tmp_path):
    prepared(f"{collection}#cacm", tmp_path / "bench")
    for system in ("lior settle", "SQLite FTS5"):
        retrieval.index(system, tmp_path / "bench")
        found = retrieval.ask(system, tmp_path / "bench")
        assert (found["ndcg10"], found["map"]) == (1.0, 1.0)


@pytest.mark.slow
def test_the_table_has_a_row_for_each_system(process, notes):
    done = process("retrieval", notes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith("notes, 0.00 MB, 3 passages")
    systems = ("lior ask", "lior settle", "lior bm25", *retrieval.ENGINES)
    assert all(f"\n{system} " in done.stdout for system in systems)
    assert "nDCG" not in done.stdout


@pytest.mark.slow
def test_json(process, collection):
    done = process("retrieval", collection, "--json", "--quiet")
    assert done.stderr == ""
    [text] = json.loads(done.stdout)["texts"]
    row = next(row for row in text["rows"] if row["system"] == "lior settle")
    assert set(row) >= {"system", "status", "reason", *(key for key, _ in retrieval.COLUMNS.values())}
    assert row["ndcg10"] == 1.0
    assert row["peak_rss_bytes"] > 2**23


def test_what_cannot_be_is_one_line(bench):
    done = bench("retrieval", "gone")
    assert done.code != 0
    assert done.err.count("\n") == 1
    assert "the text cannot be read" in done.err


def test_what_starts_children_is_light():
    code = "import sys; from lior_bench import retrieval, runner; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- measures ---


def test_measures_by_definition():
    gains = {"a": 2, "b": 1}
    ideal = 2 + 1 / math.log2(3)
    assert relevance.metrics(["a", "b"], gains) == pytest.approx((1, 1, 1))
    found = (1 + 2 / math.log2(4)) / ideal, (1 + 2 / 3) / 2, 1
    assert relevance.metrics(["b", "x", "a"], gains) == pytest.approx(found)
    assert relevance.metrics([], gains) == (0, 0, 0)


def test_a_tenth_of_the_letters_is_wrong():
    text = "".join(random.Random(1).choices("abc ", k=4000))
    garbled = relevance.wrong(text, seed=3)
    assert relevance.wrong(text, seed=3) == garbled
    assert [c == " " for c in garbled] == [c == " " for c in text]
    assert 0.08 < sum(a != b for a, b in zip(text, garbled, strict=True)) / text.count("a") / 3 < 0.12
