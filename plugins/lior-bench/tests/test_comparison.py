"""`lior bench`: every system has a row, whatever happens to it, and a user's table fits 80 columns."""

from __future__ import annotations

import json
import math

import pytest

from lior.errors import UsageError
from lior_bench import children
from lior_bench.systems import split_baselines
from lior_bench.text import NUMBERS

ROW = {"text", "system", "mode", "status", "reason", *NUMBERS, "spread", "seeds", "runs"}
TOP = {"format", "complete", "command", "date", "machine", "settings", "texts", "rows", "orderings"}
MACHINE = {"cpu", "cores", "platform", "python", "versions", "variables"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.exhaustive  # .ci/run compares too
def test_quick(process, sample, work):
    done = process(
        sample, "--quick", "--check-orderings", "--baselines", "ngram,zlib", "--out", "b", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((work / "b" / "bench.json").read_text())
    assert set(found) == TOP
    assert found["complete"] is True
    assert set(found["machine"]) == MACHINE
    settings = {"recipes": ["fast"], "baselines": ["ngram", "zlib"], "seeds": 1, "quick": True}
    assert found["settings"] == settings
    assert found["command"].endswith("--baselines ngram,zlib --out b --json")
    [text] = found["texts"]
    assert (text["bytes"], text["train_bytes"], text["scored_bytes"]) == (60_000, 54_000, 6_000)
    assert all(set(row) == ROW for row in found["rows"])
    rows = {(row["system"], row["mode"]): row for row in found["rows"]}
    assert len(rows) == 6
    for row in rows.values():
        assert (row["status"], row["reason"]) == ("ok", None)
        assert row["nats_per_byte"] == pytest.approx(row["bits_per_byte"] * math.log(2))
        assert 0.5 < row["bits_per_byte"] < 5
        assert row["peak_rss_bytes"] > 2**23
        assert row["runs"][0]["bytes"] == 6_000
    assert rows["lior fast", "online"]["bits_per_byte"] < rows["lior fast", "static"]["bits_per_byte"]
    assert rows["lior fast", "static"]["seeds"] == [0]
    assert rows["zlib -9", "online"]["seeds"] == [None]
    assert [claim["holds"] for claim in found["orderings"]] == [True]
    assert "holds: lior fast static" in done.stderr


# --- with children that only say what they are told to ---


class Fake:
    """Stands for :func:`lior_bench.children.run`: answers by the first word that is in the command."""

    def __init__(self, **bits: object) -> None:
        self.bits = {
            "static": 2.0,
            "online": 1.5,
            "ngram": 2.2,
            "ppmd": 1.9,
            "zlib": 3.0,
            "transformer": 2.7,
        } | bits
        self.commands: list[list[str]] = []

    def __call__(self, arguments):
        words = [str(argument) for argument in arguments]
        self.commands.append(words)
        if "train" in words:
            seconds = {"total": 9.0, "validate": 2.0}
            return children.Reply({"val_bytes": 6000, "seconds": seconds}, 100)
        work, given = words[-2:]
        name = "transformer" if "transformer" in work else "online" if "--online" in words else "static"
        if work == "lior_bench.baselines:measure":
            name = json.loads(given)[0][:5].rstrip("4678")
        value = self.bits[name]
        value = value(words) if callable(value) else value
        if isinstance(value, BaseException):
            raise value
        nats = value * math.log(2)
        if ":" in work:
            return children.Reply({"nats": nats * 6000, "train_seconds": 1.0, "score_seconds": 0.5}, 200)
        return children.Reply({"nats_per_byte": nats, "bytes": 6000, "seconds": 3.0}, 200)


@pytest.fixture
def compare(bench, monkeypatch, sample, work):
    """Run `lior bench` with a :class:`Fake`; returns the outcome and what ``bench.json`` holds."""

    def run(fake, *args):
        monkeypatch.setattr(children, "run", fake)
        outcome = bench(sample, "--out", "b", "--quiet", *args)
        file = work / "b" / "bench.json"
        return outcome, json.loads(file.read_text()) if file.exists() else None

    return run


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({"static": 2.3}, "lior fast static (2.3) < Kneser-Ney order 4 static (2.2)"),
        ({"online": 1.9}, "lior fast online (1.9) < PPMd order 6 online (1.9)"),
        ({"online": children.Unmeasured("broke")}, "lior fast online (None)"),
        ({"ppmd": children.Unmeasured("broke")}, "PPMd order 6 online (None)"),
    ],
)
def test_an_ordering_that_fails_is_exit_code_one_and_a_line(compare, worse, said, sample):
    outcome, found = compare(Fake(**worse), "--quick", "--check-orderings", "--baselines", "ngram,ppmd")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("lior: error: an ordering does not hold: ")
    assert said in outcome.err
    assert found["complete"] is True
    assert [claim["holds"] for claim in found["orderings"]].count(False) == 1


def test_a_bench_of_a_user_reports_and_judges_nothing(compare):
    outcome, found = compare(Fake(static=9.0), "--quick", "--baselines", "ngram")
    assert (outcome.code, outcome.err) == (0, "")
    assert found["orderings"] == []


def test_the_table_fits_80_columns_and_reasons_are_below(compare, work):
    reason = "neither the program nor the Python package zpaq is installed"
    recipe = work / f"{'long' * 9}.toml"
    recipe.write_text("")
    outcome, _ = compare(
        Fake(zpaq=children.Unavailable(reason)),
        "--recipes",
        f"fast,{recipe.name}",
        "--baselines",
        "zpaq,zlib,transformer",
    )
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert f"zpaq -m5, online: skipped: {reason}" in lines
    end = lines.index(f"zpaq -m5, online: skipped: {reason}")
    assert 6 <= end <= 12
    assert max(map(len, lines[:end])) <= 80
    assert " ".join(lines[1].split()) == "system mode bits/byte train s score s kB/s peak MiB"
    assert "…" in outcome.out


def test_a_baseline_that_fails_is_a_row(compare):
    outcome, found = compare(
        Fake(zlib=children.Unmeasured("it broke | badly")), "--recipes", "fast", "--baselines", "zlib"
    )
    assert outcome.code == 0
    assert [row["status"] for row in found["rows"]] == ["ok", "ok", "failed"]
    assert found["rows"][-1]["reason"] == "it broke | badly"
    assert "failed: it broke | badly" in outcome.out


def test_interrupted_keeps_the_rows(compare, work):
    outcome, found = compare(Fake(ppmd=KeyboardInterrupt()), "--baselines", "zlib,ppmd", "--recipes", "fast")
    assert outcome.code == 130
    assert outcome.err == "lior: error: interrupted: b keeps the 3 rows that were measured\n"
    assert found["complete"] is False
    assert [row["system"] for row in found["rows"]] == ["lior fast", "lior fast", "zlib -9"]
    assert "Interrupted" in (work / "b" / "bench.md").read_text()


def test_rows_are_on_disk_before_the_next_system_runs(compare, work):
    kept = []

    def peek(words):
        runs = work / "b" / "runs.jsonl"
        kept.append(len(runs.read_text().splitlines()) if runs.exists() else 0)
        return 3.0

    compare(Fake(static=peek, online=peek, zlib=peek), "--baselines", "zlib", "--recipes", "fast")
    assert kept == [0, 1, 2]


def test_seeds_give_medians_and_ranges(compare, work):
    by_seed = {"0": 2.0, "1": 2.6, "2": 2.1}
    fake = Fake()

    def of_seed(words):
        trained = [command for command in fake.commands if "train" in command][-1]
        return by_seed[trained[trained.index("--seed") + 1]]

    fake.bits["static"] = of_seed
    outcome, found = compare(fake, "--recipes", "fast", "--baselines", "zlib", "--seeds", 3)
    row, _, other = found["rows"]
    assert row["seeds"] == [0, 1, 2]
    assert row["bits_per_byte"] == pytest.approx(2.1)
    assert row["spread"]["bits_per_byte"] == pytest.approx([2.0, 2.6])
    assert row["train_seconds"] == 7.0
    assert len(other["runs"]) == 1
    assert "lior fast, static: 2.0000 to 2.6000 bits per byte, median of 3 seeds" in outcome.out
    assert "| 2.1000 (2.0000–2.6000) |" in (work / "b" / "bench.md").read_text()


def test_the_transformer_gets_the_time_of_the_default_recipe(compare):
    fake = Fake(transformer=2.7)
    _, found = compare(fake, "--baselines", "transformer")
    times = [json.loads(c[-1])[2] for c in fake.commands if c[-2] == "lior_bench.transformer:measure"]
    assert times == [7.0, 70.0]
    assert [row["system"] for row in found["rows"][-2:]] == [
        "transformer 1x default",
        "transformer 10x default",
    ]


def test_no_time_to_match_is_no_transformer(compare):
    _, found = compare(
        Fake(static=children.Unmeasured("broke")), "--baselines", "transformer", "--recipes", "fast"
    )
    assert {row["reason"] for row in found["rows"][2:]} == {
        "there is no training time of recipe fast to match"
    }


def test_another_split_is_not_compared(compare, work):
    class Other(Fake):
        def __call__(self, arguments):
            reply = super().__call__(arguments)
            return children.Reply(reply.answer | {"val_bytes": 5999}, 1) if "train" in arguments else reply

    _, found = compare(Other(), "--baselines", "zlib", "--recipes", "fast")
    assert found["rows"][0]["reason"] == "its validation text has 5999 bytes, that of the others 6000"


def test_page_and_picture(compare, work):
    compare(Fake(), "--recipes", "fast", "--baselines", "ngram,ppmd,zlib")
    out = work / "b"
    assert (out / "bench.png").read_bytes()[:8] == PNG
    page = (out / "bench.md").read_text()
    assert "](bench.png)" in page
    table = [line for line in page.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in table[2:5]] == ["| lior fast", "| PPMd order 6", "| lior fast"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--recipes", "fsat"], 2, "fsat: no such recipe and no such file. Did you mean 'fast'?"),
        (["--baselines", "zlip"], 2, "--baselines: no baseline 'zlip'. Did you mean 'zlib'?"),
        (["--seeds", "0"], 2, "--seeds: '0' is not a whole number of at least 1"),
        (["nowhere.txt"], 1, "nowhere.txt: no such file or folder"),
        (["short.txt"], 1, "short.txt: 5 bytes are too few to compare on; give at least 1000"),
    ],
)
def test_what_cannot_be_compared_is_said_at_once(bench, work, args, code, said):
    (work / "short.txt").write_text("short")
    outcome = bench(*args, "--out", "b")
    assert outcome.code == code
    assert said in outcome.err.splitlines()[-1]


def test_a_full_directory_is_left_alone(bench, work, monkeypatch):
    monkeypatch.setattr(children, "run", Fake())
    out = work / "b"
    out.mkdir()
    (out / "mine").write_text("x")
    outcome = bench("--out", "b")
    assert (outcome.code, [path.name for path in out.iterdir()]) == (1, ["mine"])
    assert "the directory is not empty; nothing was touched" in outcome.err


def test_baselines_by_name():
    assert split_baselines("zlib, ppmd,zlib") == ("zlib", "ppmd")
    assert "transformer" in split_baselines("all")
    with pytest.raises(UsageError, match="Known: ngram, ppmd"):
        split_baselines("nothing")
