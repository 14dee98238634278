"""Well-known texts: which file is one, and a row for each system."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lior_bench import published


def test_a_text_is_known_by_name_and_size_and_another_is_refused() -> None:
    assert published.known(Path("enwik8"), bytes(1_000_001)).size == 1_000_000
    with pytest.raises(click.ClickException, match=r"notes\.txt: none of alice29\.txt, book1, enwik8"):
        published.known(Path("notes.txt"), b"x")
    with pytest.raises(click.ClickException, match="none of"):  # its SHA-256 is known, and is another
        published.known(Path("alice29.txt"), bytes(152_089))


def test_the_smallest_stands_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "compressed", lambda path, recipe: (path.stat().st_size // 8, 2.0))
    (tmp_path / "enwik8").write_bytes(bytes(1_500_000))
    done = CliRunner().invoke(published.main, [str(tmp_path / "enwik8"), "--recipe", "tiny"])
    assert done.output.splitlines()[2:] == [
        "| enwik8 | lior tiny | 125,000 | 1.000 | 2.0 | here |",
        "| enwik8 | StateSMix | 265,370 | 2.123 |  | arXiv:2605.02904 |",
    ]
