"""The documentation site: the repository's own Markdown files in place, and a reference of the API.

A hook of MkDocs and an extension of Griffe; ``mkdocs.yml`` names both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = (
    "*.md",
    "examples/README.md",
    "docs/**/*.md",
    "plugins/*/README.md",
    "plugins/*/data/README.md",
    "plugins/*/docs/**/*.md",
)
PICTURES = ("docs/**/*.svg", "docs/**/*.png", "plugins/*/docs/**/*.png", "LICENSE")
API = {
    "lior": ("lior", ["lior.api", "lior.training.preparation"]),
    "runs": ("Runs", ["lior.runs.run"]),
    "ask": ("Questions", ["lior_ask.api", "lior_ask.answer.record"]),
    "reading": ("Reading files", ["lior.reading"]),
    "interfaces": (
        "Interfaces",
        [
            "lior.interfaces",
            "lior.interfaces.base",
            "lior.interfaces.memories",
            "lior.interfaces.retrieval",
            "lior.interfaces.passages",
        ],
    ),
    "plugins": (
        "Plugins and configuration",
        ["lior.plugins.kinds", "lior.plugins.registry", "lior.config.options"],
    ),
    "testing": ("Contract suites", ["lior.testing"]),
    "geometry": ("Geometry", ["lior.geometry"]),
    "errors": ("Errors and events", ["lior.errors", "lior.events"]),
}
"""Title and modules of each page; a package includes the modules below it."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of the documents' folder by those of the repository, under their paths there."""
    root = Path(config.config_file_path).parent
    chosen = Files([file for file in files if file.abs_src_path is None or file.src_dir != config.docs_dir])
    for pattern in (*PAGES, *PICTURES):
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            chosen.append(File(name, str(root), config.site_dir, config.use_directory_urls))
    for page, (title, modules) in API.items():
        text = f"# {title}\n\n" + "\n\n".join(f"::: {name}" for name in _modules(root, modules))
        chosen.append(File.generated(config, f"api/{page}.md", content=text + "\n"))
    return chosen


def _modules(root: Path, names: list[str]) -> list[str]:
    """Return the modules of these names; for a package, all its modules too."""
    found = []
    for name in names:
        place = root.joinpath(*name.split("."))
        below = (
            sorted(p.stem for p in place.glob("*.py") if not p.stem.startswith("_")) if place.is_dir() else []
        )
        found += [name, *(f"{name}.{module}" for module in below)]
    return found


class AsMarkdown(Extension):
    """Docstrings as Markdown: roles such as ``:class:`~a.b.C``` become code, doctests become blocks."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object when it is loaded."""
        if obj.docstring:
            text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"`\1`", obj.docstring.value)
            text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
            text = re.sub(r"::(\n\n +)", r":\1", text)
            text = re.sub(r"(?ms)^=+ +=+$.*^=+ +=+$", r"```text\n\g<0>\n```", text)  # tables
            obj.docstring.value = re.sub(r"(?m)^>>> .*(?:\n.+)*", r"```pycon\n\g<0>\n```", text)
