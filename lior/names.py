r"""Names of files as text: in one line, valid Unicode, and back again.

A file system allows bytes that are no UTF-8, line breaks, and characters that control a terminal or turn the
direction of text. No JSON parser, page or log has to cope with them: a name is made printable where a file is
found, and is kept, shown and given back in this form.
"""

from __future__ import annotations

import re

CONTROLS = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 but tab and line breaks, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, overrides and isolates of the direction
    r"\u2028\u2029\ud800-\udfff"  # separators of lines; what Python has for bytes that are not UTF-8
)
"""Characters, for a class of a regular expression, that no text shows."""
_HIDDEN = re.compile(rf"[\t\n\r{CONTROLS}]")
_AMBIGUOUS = re.compile(r"\\(?=u[0-9a-f]{4})")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def escape(found: re.Match[str]) -> str:
    r"""``\u`` and four digits for a character."""
    return f"\\u{ord(found[0]):04x}"


def in_line(name: str) -> str:
    r"""A name that is no file's, with ``\u`` and four digits for each character that no line shows.

    What :func:`printable` made stays as it is.
    """
    return _HIDDEN.sub(escape, name)


def printable(path: str) -> str:
    r"""The name or path of a file as :func:`in_line`, so that :func:`original` gives it back.

    A byte that is no UTF-8 is ``\udc`` and its two digits; a backslash before such digits is ``\u005c``.

    >>> printable("a\nb\udce9.txt"), printable(r"C:\users"), printable(r"\u0041")
    ('a\\u000ab\\udce9.txt', 'C:\\users', '\\u005cu0041')
    """
    return in_line(_AMBIGUOUS.sub(escape, path))


def original(name: str) -> str:
    r"""The name or path that :func:`printable` made ``name`` of.

    >>> original("a\\u000ab\\udce9.txt")
    'a\nb\udce9.txt'
    """
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)
