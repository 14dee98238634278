r"""Names of files as text: in one line, valid Unicode, and back again.

A file system allows bytes that are no UTF-8, line breaks, and characters that control a terminal or turn
the direction of text. A name is therefore made printable when a file is found, and is stored, shown and
returned in this form. So no JSON parser, page or log has to handle these characters.
"""

from __future__ import annotations

import re

CONTROLS = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 except tab and line breaks, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, overrides and isolates of the direction
    r"\u2028\u2029\ud800-\udfff"  # separators of lines; Python's characters for bytes that are not UTF-8
)
"""Characters, for a class of a regular expression, that no text shows."""
_HIDDEN = re.compile(rf"[\t\n\r{CONTROLS}]")
_AMBIGUOUS = re.compile(r"\\(?=u[0-9a-f]{4})")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def escape(found: re.Match[str]) -> str:
    r"""Return ``\u`` and four digits for a character."""
    return f"\\u{ord(found[0]):04x}"


def in_line(name: str) -> str:
    r"""Return a name other than a file's, with ``\u`` and four digits for each character that no line
    shows.

    Results of :func:`printable` are not changed.
    """
    return _HIDDEN.sub(escape, name)


def printable(path: str) -> str:
    r"""Return the name or path of a file in one line, so that :func:`original` restores it.

    A byte that is no UTF-8 becomes ``\udc`` and its two digits; a backslash before such digits becomes
    ``\u005c``.

    >>> printable("a\nb\udce9.txt"), printable(r"C:\users"), printable(r"\u0041")
    ('a\\u000ab\\udce9.txt', 'C:\\users', '\\u005cu0041')
    """
    return in_line(_AMBIGUOUS.sub(escape, path))


def original(name: str) -> str:
    r"""Return the name or path from which :func:`printable` made ``name``.

    >>> original("a\\u000ab\\udce9.txt")
    'a\nb\udce9.txt'
    """
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)
