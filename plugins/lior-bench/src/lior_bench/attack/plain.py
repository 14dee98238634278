"""Hostile and huge files of text: mail, HTML, JSON, CSV, logs, chats, calendars, man pages, Markdown."""

from __future__ import annotations

from lior_bench.attack.cases import case


@case("unique.txt", read=True)
def unique() -> bytes:
    """20 MB of words that occur once."""
    return " ".join(f"w{number:x}" for number in range(2_700_000)).encode()
