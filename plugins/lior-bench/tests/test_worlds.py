"""The folders with questions: every answer stands in its file, and each folder has its part."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
PARTS = json.loads((DATA / "parts.json").read_text("utf-8"))
EXACT = {name for part in PARTS.values() for name in part if name[1] != "-"}
"""Those of the first brief; the names of others begin with the letter of their writer."""
CLOSED = {*PARTS["closed"], *PARTS["closed-last"]}
KINDS = {"direct": 13, "words": 13, "across": 3, "absent": 23}


def squeeze(text: str) -> str:
    return " ".join(text.split())


def test_every_answer_stands_in_its_file():
    with zipfile.ZipFile(DATA / "worlds.zip") as archive:
        texts = {each: squeeze(archive.read(each).decode()) for each in archive.namelist() if "/" in each}
        for name in (name for part in PARTS.values() for name in part):
            lines = archive.read(f"{name}.questions.jsonl").splitlines()
            check(name, [json.loads(line) for line in lines], texts)


def check(name, questions, texts):
    kinds = Counter(each["kind"] for each in questions)
    wanted = {"direct", "absent"} if name in CLOSED else KINDS.keys()
    assert kinds == KINDS or (kinds.keys() == wanted and name not in EXACT), name
    valued = {"value" in each for each in questions if each["kind"] != "absent"}
    assert valued == {True} or (valued == {False} and name not in (*PARTS["learn"], *PARTS["choose"])), name
    for each in questions:
        told = each.get("near", "") if each["kind"] == "absent" else each["answer"]
        assert not told or squeeze(told) in texts[f"{name}/{each['file']}"], (name, each["question"])
        assert squeeze(each.get("value", "")) in squeeze(told), (name, each["question"])


def test_each_folder_has_one_part():
    with zipfile.ZipFile(DATA / "worlds.zip") as archive:
        there = {name.partition("/")[0] for name in archive.namelist() if "/" in name}
    assert sorted(name for part in PARTS.values() for name in part) == sorted(there)
    assert {part: len(names) for part, names in PARTS.items()} == {
        "read": 317,
        "learn": 40,
        "more": 38,
        "choose": 11,
        "last": 19,
        "closed": 4,
        "closed-last": 2,
    }
