"""Sections of the how-to pages whose commands print what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import doc_outputs

ROOT = Path(__file__).parents[2]
ASK = "plugins/lior-ask/docs/howto-ask.md"


@pytest.mark.parametrize(
    ("page", "begin"),
    [
        (ASK, r"\A.*?^## Ask"),  # with the notes of the page
        pytest.param(ASK, "^## Counting, sums and lists", marks=pytest.mark.slow),
        (ASK, "^## A conversation"),
        pytest.param(ASK, "^## A run", marks=pytest.mark.slow),  # it compiles the counting loops
        pytest.param("docs/howto-readers.md", "^## An example", marks=pytest.mark.slow),
    ],
)
def test_commands_print_what_the_page_shows(page, begin, tmp_path):
    text = (ROOT / page).read_text("utf-8")
    [part] = re.findall(rf"{begin}\n.*?(?=^## )", text, re.S | re.M)
    settings = {"XDG_CACHE_HOME": str(tmp_path), "LIOR_EMBEDDER": ""}
    shown = doc_outputs.rewritten(part, doc_outputs.run_page(part, settings))
    assert shown == part
