"""Documents as what they are, ready for JSON."""

from __future__ import annotations

from types import SimpleNamespace

from lior.interfaces import Passage
from lior_ask import Index
from lior_serve.documents import passage_lines

MAILS = """From bo@x.example Mon Mar  9 10:00:00 2026
From: Bo <bo@x.example>
Subject: Oars

The oars are in the shed.

From ada@x.example Tue Mar 10 18:20:00 2026
From: Ada <ada@x.example>
Subject: Key
Date: Tue, 10 Mar 2026 18:20:00 +0100

Hello Bo, this is about the boat.
The key of the boat is new.
It hangs in the office now.

Bring it back.
"""


def shown(name, text, line, quoted):
    index = Index(embedder="")
    index.learn(name, text)
    version = SimpleNamespace(index=index, text=lambda _: [text.encode()], file_of=lambda _: name)
    return passage_lines(version, Passage(document=name, line=line, column=1, text=quoted))["view"]


def test_a_table_has_its_header_and_the_rows_around_a_passage():
    rows = "".join(f"2026-01-{n % 28 + 1:02},{n}\n" for n in range(400))
    view = shown("a.csv", f"day,km\n{rows}", 202, "")
    assert (view["kind"], view["columns"]) == ("table", ["day", "km"])
    assert [view["rows"][0]["line"], view["rows"][-1]["line"]] == [102, 301]
    assert view["rows"][100] == {"line": 202, "cells": ("2026-01-05", "200")}


def test_a_mail_has_its_head_and_the_paragraph_of_a_passage_marked():
    view = shown("all.mbox", MAILS, 13, "The key of the boat is new.")
    assert dict(view["head"]) == {
        "from": "Ada <ada@x.example>",
        "to": "",
        "date": "Tue, 10 Mar 2026 18:20:00 +0100",
        "subject": "Key",
    }
    assert [each["text"] for each in view["parts"]] == [
        ["Hello Bo, this is about the boat.", "The key of the boat is new.", "It hangs in the office now."],
        ["Bring it back.", "", ""],
    ]


def test_markdown_is_set_and_its_passage_marked():
    text = "# Boat\n\n- the **blue** one\n- it is `new`: yes\n\n> said Bo\n2) last\n"
    view = shown("a.md", text, 4, "- it is `new`: yes")
    assert view == {
        "kind": "text",
        "parts": [
            {"line": 1, "style": "heading", "text": ["Boat", "", ""]},
            {"line": 3, "style": "item", "text": ["the blue one", "", ""]},
            {"line": 4, "style": "item", "text": ["", "it is new: yes", ""]},
            {"line": 6, "style": "quotation", "text": ["said Bo", "", ""]},
            {"line": 7, "style": "item", "text": ["last", "", ""]},
        ],
    }


def test_plain_lines_have_no_view():
    assert shown("a.txt", "The boat is blue.\n", 1, "The boat is blue.") is None
