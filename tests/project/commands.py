"""Every command with arguments that let it do its work on small inputs, each on what those before it made."""

from __future__ import annotations

from pathlib import Path

ARGUMENTS: dict[str, list[str]] = {
    "sync": ["notes"],
    "train": ["notes/gate.md", "--config", "tiny", "--out", "run", "--quiet"],
    "ask": ["notes", "Which code opens the gate?"],
    "chat": ["notes"],
    "eval": ["run", "notes/gate.md"],
    "score": ["run", "notes/gate.md"],
    "learn": ["run", "notes/pond.md"],
    "forget": ["run", "pond.md"],
    "docs": ["run"],
    "why": ["run", "--prompt", "The gate"],
    "generate": ["run", "--max-tokens", "8"],
    "plot": ["run", "--out", "plots"],
    "inspect": ["run"],
    "plugins": [],
    "config": ["show", "tiny"],
    "cache": [],
    "install": [],
    "completion": ["bash"],
}
"""Command -> arguments."""
TABLES = ["fit", "table.csv", "--target", "y", "--out", "table", "--workers", "2"]
FURTHER: dict[str, list[str]] = {
    "archive": ["sorted", "notes/gate.md"],
    "table fit": TABLES[1:],
    "table predict": ["table", "table.csv"],
    "table why": ["table", "table.csv"],
    "table learn": ["table", "table.csv"],
    "plugins new": ["lior-owls", "--kind", "frame"],
    "config list": [],
    "config copy": ["tiny", "own.toml"],
    "config check": ["own.toml"],
    "cache clear": ["notes"],
    "field laws": [],
    "ritz config show": [],
    "ritz config explain": [],
    "ritz reference": ["--tolerance", "0.01"],
    "ritz sweep": ["--vary", "delta=0.1,0.2", "--workers", "2", "--out", "sweep"],
    "lens config": [],
}
"""Commands of other distributions, and commands in groups."""
SERVERS = {"serve": ["notes", "--port", "0"], "mcp": ["notes"]}


def write_inputs(folder: Path) -> None:
    """Write the files that the arguments name."""
    (folder / "notes").mkdir()
    (folder / "notes/gate.md").write_text("The gate of the garden opens with the code 4711.\n" * 40)
    (folder / "notes/pond.md").write_text("The pond is cleaned in March.\n")
    (folder / "table.csv").write_text("x,y\n" + "".join(f"{i % 17},{i % 17 * 2}\n" for i in range(200)))
