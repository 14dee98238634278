"""Pages of HTML that a command writes: one file each that needs no other, recognised by its first lines."""

from __future__ import annotations

from html import escape
from pathlib import Path

from lior.errors import UsageError

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{command}">
"""


def html_page(command: str, *, title: str, style: str, body: str) -> str:
    """Return the whole page, which needs no other file; ``style`` and ``body`` are inserted unchanged."""
    return (
        f"{_HEAD.format(command=command)}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def check_page(path: Path, command: str) -> None:
    """Refuse, before anything is computed, to overwrite a file that is not a page of ``command``.

    Raises
    ------
    UsageError
        When there is another file, or the folder does not exist.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if not path.exists():
        return
    head = _HEAD.format(command=command).encode()
    with path.open("rb") as stream:
        ours = stream.read(len(head)) == head
    if not ours:
        raise UsageError(
            f"{path}: is there and no page of `{command}`; nothing was touched; give another name"
        )


def write_page(path: Path, text: str) -> str:
    """Write the page atomically; return "wrote" or "replaced"."""
    from lior.files import writing

    done = "replaced" if path.exists() else "wrote"
    with writing(path) as stream:
        stream.write(text.encode())
    return done
