"""Notes in Markdown: the names in their front matter, and lines that only name something elsewhere."""

from __future__ import annotations

import re

_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(.{0,20000}?)\n(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title\s*[:=]\s*(\"[^\"\n]*\"|'[^'\n]*'|[^\n#]*)", re.MULTILINE | re.IGNORECASE)
_ALIASES = re.compile(
    r"^alias(?:es)?[ \t]*[:=][ \t]*(\[[^\]]*\]|[^\n]*(?:\n[ \t]*-[ \t][^\n]*)*)", re.MULTILINE | re.IGNORECASE
)
"""The other names of a note: a list in brackets, one name a line, or separated by commas."""
_ALIAS = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'|([^\W_][^,\n\[\]]*)")
_LINK_ALONE = re.compile(r"\s*(?:[-*+] +)?!?\[\[[^\[\]]+\]\]\s*")
_CALLOUT = re.compile(r"\s*>\s*\[![\w-]+\][+-]?(?:\s.*)?")
_QUOTED = re.compile(r"\s*>")


def titles_of(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the title and aliases in a text's front matter (YAML or TOML), and the numbers of lines that
    only name something elsewhere. Such lines, counted from 0, are those of title and aliases, single links or
    embedded notes of Obsidian, and titles of callouts with text below them.
    """
    lines = text.split("\n")
    alone = [number for number, line in enumerate(lines) if _LINK_ALONE.fullmatch(line)]
    alone += [
        number
        for number, line in enumerate(lines[:-1])
        if _QUOTED.match(lines[number + 1]) and _CALLOUT.fullmatch(line)
    ]
    names = list[str]()
    if matter := _MATTER.match(text):
        if match := _TITLE.search(text, *matter.span(2)):
            names.append(match[1].strip().strip("\"'"))
            alone.append(text.count("\n", 0, match.start()))
        if match := _ALIASES.search(text, *matter.span(2)):
            names += (next(filter(None, found)).strip() for found in _ALIAS.findall(match[1]))
            first = text.count("\n", 0, match.start())
            alone += range(first, first + match[0].count("\n") + 1)
    return ", ".join(dict.fromkeys(filter(None, names))), tuple(sorted(alone))
