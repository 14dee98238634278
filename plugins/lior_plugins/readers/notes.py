"""Notes in Markdown: what front matter calls them, and lines that only link to other notes."""

from __future__ import annotations

import re

_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(.{0,20000}?)\n(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title\s*[:=]\s*(\"[^\"\n]*\"|'[^'\n]*'|[^\n#]*)", re.MULTILINE | re.IGNORECASE)
_LINK_ALONE = re.compile(r"\s*(?:[-*+] +)?!?\[\[[^\[\]]+\]\]\s*")


def titles_of(text: str) -> tuple[str, tuple[int, ...]]:
    """The title in the front matter (YAML or TOML) that a text begins with, and the lines, from 0, that only
    name what stands elsewhere: that of the title, and a link or an embedded note of Obsidian alone."""
    matter = _MATTER.match(text)
    match = matter and _TITLE.search(text, matter.start(2), matter.end(2))
    alone = [number for number, line in enumerate(text.split("\n")) if _LINK_ALONE.fullmatch(line)]
    if not match:
        return "", tuple(alone)
    return match[1].strip().strip("\"'"), (text.count("\n", 0, match.start()), *alone)
