r"""Standard output and standard error without what could control a terminal.

Names, texts and configurations come from other people, so all text output goes through one place. A control
character becomes ``\u`` and four digits, which JSON reads as the same character. A character that the
encoding of the stream lacks is escaped likewise. Bytes written to ``sys.stdout.buffer`` are unchanged:
continuations in a pipe.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from lior.files import CONTROLS, escape

_CONTROLS = re.compile(rf"[{CONTROLS}]|\r(?!\n)")
_OWN = f"\x1b[{int.from_bytes(os.urandom(8), 'big')};"
"""The beginning of a style of this process; click removes it with other styles, and no text contains it."""
_STYLES = re.compile(f"({re.escape(_OWN)}[0-9;]+m)")
_click_style = click.style


def escape_controls(text: str) -> str:
    r"""Return ``text`` with ``\u`` and four digits for each control character.

    >>> escape_controls("a\x1b[2Jb\x9b\u202e\n")
    'a\\u001b[2Jb\\u009b\\u202e\n'
    """
    return _CONTROLS.sub(escape, text)


def _escape_missing(error: UnicodeError) -> tuple[str, int]:
    """Handle an error of encoding: escape the characters that the encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)  # the streams are only written to
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "\\u" + units.hex("-", 2).replace("-", "\\u"), error.end


codecs.register_error("lior.escape", _escape_missing)


def _style(text: Any, *args: Any, **styles: Any) -> str:
    """Style a text like ``click.style``, for a :class:`_Stream`."""
    before, after = _click_style("|", *args, **styles).replace("\x1b[", _OWN).split("|")
    return f"{before}{text}{after}"


class _Stream:
    """A text stream that escapes its output; otherwise it behaves like the stream to which it writes."""

    def __init__(self, stream: TextIO) -> None:
        self.unescaped = stream
        if isinstance(stream, io.TextIOWrapper):
            # Python uses ASCII if no locale is set; click would bypass this stream and write UTF-8
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_only else None, errors="lior.escape")

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # click detects a text stream by this error
            raise TypeError(f"a text is needed, not {type(text).__name__}")
        parts = _STYLES.split(text)
        parts[1::2] = [part.replace(_OWN, "\x1b[") for part in parts[1::2]]
        parts[::2] = map(escape_controls, parts[::2])
        self.unescaped.write("".join(parts))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unescaped, name)


@contextlib.contextmanager
def escaping() -> Iterator[None]:
    """Context manager: escape printed text in this block, except click's styles."""
    before = sys.stdout, sys.stderr
    click.style = click.termui.style = _style  # the second for ``click.secho``
    sys.stdout, sys.stderr = _Stream(before[0]), _Stream(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        click.style = click.termui.style = _click_style


def unescape(stream: TextIO) -> TextIO:
    """Return the underlying stream, for rich, which moves the cursor; its texts are escaped one by one."""
    found: TextIO = getattr(stream, "unescaped", stream)
    return found


def redraw(line: str) -> None:
    """Write ``line`` over the last line of standard error, which is a terminal."""
    stream = unescape(sys.stderr)
    stream.write(f"\r{escape_controls(line)}\x1b[K")
    stream.flush()
