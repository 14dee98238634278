"""Folders of installed documentation, for the sets of questions about manuals.

python -m lior_bench.manuals SET OUT [--root DIR]

A set names packages of Debian 12 and their files. Each is copied from below the first DIR that has it: the
system, or a folder into which packages were extracted with ``dpkg -x``. Pages of man are formatted without
hyphens, 100 columns wide. Nothing is downloaded.
Prints how much text there is and which expected words are in no document.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import click

from lior.reading.documents import read_documents
from lior_bench.checkout import folder
from lior_bench.questions import PLACE, squeezed


def collect(packages: dict[str, list[str]], out: Path, roots: tuple[str, ...] = ()) -> None:
    """Copy the files of ``packages``, a name and patterns below a root for each, to ``out``.

    Raises
    ------
    click.ClickException
        When a pattern has no file below any of the ``roots`` and the system's.
    """
    found = {
        (package, pattern): next(
            filter(None, (sorted(Path(root).glob(pattern)) for root in (*roots, "/"))), []
        )
        for package, patterns in packages.items()
        for pattern in patterns
    }
    lacking = sorted({package for (package, _), files in found.items() if not files})
    if lacking:
        raise click.ClickException(
            f"not installed: {', '.join(lacking)}; run apt-get download {' '.join(lacking)}, "
            "extract each with dpkg -x PACKAGE.deb DIR, and give --root DIR"
        )
    for (_, pattern), files in found.items():
        for path in files:
            place = out / Path(*path.parts[-len(Path(pattern).parts) :]).relative_to("usr/share")
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.relative_to(out).parts[0] == "man":
                place.with_name(place.name.removesuffix(".gz") + ".txt").write_text(page(path), "utf-8")
            else:
                shutil.copyfile(path, place)


def page(path: Path) -> str:
    """A page of man as text."""
    environment = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
    man = ("man", "-Tutf8", "--nj", "--nh", "-P", "cat", str(path))
    shown = subprocess.run(man, env=environment, capture_output=True, check=True).stdout
    return subprocess.run(
        ("col", "-bx"), env=environment, input=shown, capture_output=True, check=True
    ).stdout.decode()


@click.command(help=__doc__)
@click.argument("name", metavar="SET")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--root", "roots", multiple=True, type=click.Path(exists=True), help="Where packages were extracted."
)
def main(name: str, out: Path, roots: tuple[str, ...]) -> None:
    content = json.loads((folder(PLACE) / f"{name}.json").read_text("utf-8"))
    collect(content["packages"], out, roots)
    texts = [squeezed(document.data.decode()) for document in read_documents([str(out)])]
    print(f"{len(texts)} documents, {sum(map(len, texts)) / 1e6:.1f} million characters in {out}")
    for question, words in [*content["plain"].items(), *content["paraphrased"].items()]:
        for each in [words] if isinstance(words, str) else words:
            if not any(squeezed(each) in text for text in texts):
                print(f"no document has {each!r}, for {question!r}")


if __name__ == "__main__":
    main()
