"""Run a notebook without Jupyter: its cells in order, in one namespace.

    python -m tools.notebook examples/notebook.ipynb    # run it, and write the outputs into it

The output of a cell is what it prints, and the HTML or ``repr`` of its last expression.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any]) -> list[str]:
    """Run all cells of code, set their outputs, and return the text or HTML of each."""
    names: dict[str, Any] = {"__name__": "__main__"}
    said = []
    for number, cell in enumerate((c for c in notebook["cells"] if c["cell_type"] == "code"), 1):
        printed, data = _cell("".join(cell["source"]), f"cell {number}", names)
        streams = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
        results = [{"output_type": "execute_result", "execution_count": number, "data": data, "metadata": {}}]
        cell["execution_count"], cell["outputs"] = number, streams + (results if data else [])
        said.append(printed + data.get("text/html", data.get("text/plain", "")))
    return said


def _cell(source: str, name: str, names: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Run a cell; return what it printed, and its value by MIME type."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, name, "exec"), names)
        value = eval(compile(ast.Expression(last.value), name, "eval"), names) if last else None
    if value is None:
        return printed.getvalue(), {}
    data = {"text/plain": repr(value)}
    if html := getattr(value, "_repr_html_", None):
        data = {"text/html": html(), "text/plain": f"<{type(value).__name__}>"}
    return printed.getvalue(), data


def main(paths: list[str]) -> None:
    """Run notebooks and write their outputs."""
    for path in map(Path, paths):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        run(notebook)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
