"""Well-known texts beside published figures: ``python -m lior_bench.published FILE...``.

Texts are recognised by their SHA-256 or, where none is known here, by name and size: alice29.txt of the
Canterbury corpus (`pip download brotli --no-binary :all:` has it in tests/testdata), book1 of the Calgary
corpus, and enwik8, of which the first 1,000,000 bytes count. Each is compressed by a model that begins with
nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import attrs
import click

from lior_bench import children


@attrs.frozen
class Text:
    """A text that others have published figures of."""

    name: str
    size: int
    """Of its first bytes these count."""
    published: tuple[tuple[str, int, str], ...]
    """System, bytes of the compressed text, and where that was published."""
    sha256: str = ""


TEXTS = (
    Text(
        "alice29.txt", 152_089,
        (
            ("paq8px v216 -8", 33_070, "github.com/hxim/paq8px"),
            ("cmix v21", 33_360, "byronknoll.com/cmix.html"),
            ("Midicoth", round(2.119 * 152_089 / 8), "arXiv:2603.08771"),
        ),
        "7467306ee0feed4971260f3c87421154a05be571d944e9cb021a5713700c38f0",
    ),
    Text("book1", 768_771, (("paq8px v216 -8", 183_306, "github.com/hxim/paq8px"),)),
    Text("enwik8", 1_000_000, (("StateSMix", 265_370, "arXiv:2605.02904"),)),
)  # fmt: skip


def known(path: Path, data: bytes) -> Text:
    """The text that a file with content ``data`` is, or an error that says which ones there are."""
    for text in TEXTS:
        same = hashlib.sha256(data).hexdigest() == text.sha256
        if same or (not text.sha256 and path.stem == text.name and len(data) >= text.size):
            return text
    raise click.ClickException(f"{path}: none of {', '.join(text.name for text in TEXTS)}")


def compressed(path: Path, recipe: str) -> tuple[int, float]:
    """Bytes of the compressed file, and the seconds that it took by the clock."""
    out = path.with_suffix(".lior")
    command = ("-m", "lior_cli.main", "compress", str(path), "--config", recipe, "--quiet", "--json")
    answer = children.run([*command, "--force", "-o", str(out)]).answer
    return out.stat().st_size, answer["seconds"]


@click.command(help=__doc__)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--recipe", "recipes", multiple=True, default=("fast", "code"), show_default=True)
def main(files: tuple[Path, ...], recipes: tuple[str, ...]) -> None:
    print("| text | system | bytes | bits/byte | seconds | source |\n|---|---|---|---|---|---|")
    for file in files:
        data = file.read_bytes()
        text = known(file, data)
        rows = [(system, size, "", source) for system, size, source in text.published]
        with tempfile.TemporaryDirectory() as folder:
            cut = Path(folder) / text.name
            cut.write_bytes(data[: text.size])
            for recipe in recipes:
                size, passed = compressed(cut, recipe)
                rows.append((f"lior {recipe}", size, f"{passed:.1f}", "here"))
        for system, size, seconds, source in sorted(rows, key=lambda row: row[1]):
            bits = 8 * size / text.size
            print(f"| {text.name} | {system} | {size:,} | {bits:.3f} | {seconds} | {source} |", flush=True)


if __name__ == "__main__":
    main()
