"""Counting and filters in docs/howto-ask.md: what the page shows is what its commands print."""

from __future__ import annotations

import re
from pathlib import Path

from tools import doc_outputs

PAGE = Path(__file__).parents[2] / "docs/howto-ask.md"


def test_counting_and_filters(tmp_path):
    [part] = re.findall(
        r"^## Counting, sums and lists\n.*?(?=^## In other words)", PAGE.read_text("utf-8"), re.S | re.M
    )
    settings = {"XDG_CACHE_HOME": str(tmp_path), "LIOR_EMBEDDER": ""}
    shown = doc_outputs.rewritten(part, doc_outputs.run_page(part, settings))
    assert shown == part
