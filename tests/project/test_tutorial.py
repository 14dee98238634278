"""The tutorial does what it says: its commands run in order and print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import doc_outputs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tutorial")]  # one run for all

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
LESS = {
    "LIOR_GEOMETRY__UPDATES": "4",
    "LIOR_GEOMETRY__BATCH": "32",
    "LIOR_GEOMETRY__KEYS": "256",
    "LIOR_FIT__PASSES": "0",
    "LIOR_FIT__NOISE_PASSES": "0",
    "LIOR_MIXER__POSITIONS": "4096",
    "OMP_NUM_THREADS": "1",
    "LIOR_EMBEDDER": "",  # by words alone: no time for the encoder
}
"""Settings that make the run of the tutorial a matter of seconds; its commands are left as they are."""


@pytest.fixture(scope="module")
def said():
    """What every block printed, in order."""
    return [
        (block["code"], shown)
        for block, shown in doc_outputs.run_page(TUTORIAL.read_text(), LESS, timeout=900)
    ]


def after(said, command):
    """What the block with this command printed."""
    return next(shown for block, shown in said if command in block)


def test_the_model_beats_the_4_gram(said):
    assert re.search(r"bits per byte on .* % less than a 4-gram", after(said, "lior train"))


def test_the_chat_answers_with_the_line(said):
    shown = after(said, "and the del statement?")
    assert re.search(r'^"pass" is a null operation.*\n(?:notes/)?pass\.txt:\d+ ', shown, re.M)
    assert re.search(r"^(?:notes/)?del\.txt:\d+ ", shown, re.M)


def test_the_chat_says_why(said):
    assert "place" in after(said, "/why")
    assert ".txt" in after(said, "/why")


def test_what_was_learned_is_quoted_with_its_place(said):
    shown = after(said, "lior learn")
    assert "The launch of the great balloon is on the fourth of May." in shown
    assert re.search(r"^fourth .* launch\.txt:2 ", shown, re.MULTILINE)


def test_what_was_forgotten_is_gone(said):
    shown = after(said, "lior forget")
    assert "launch.txt:2" not in shown
    assert float(re.search(r"^balloon +(\S+)", shown, re.MULTILINE)[1]) < 1e-6


def test_the_odd_line_is_first(said):
    lines = after(said, "lior score").splitlines()
    assert next(line for line in lines if "log.txt:" in line).endswith("hypotenuse!!")


def test_pictures_and_a_plugin_were_made(said):
    assert "plots/curves.png" in after(said, "lior plot")
    assert "Wrote lior-myframe/pyproject.toml" in after(said, "lior plugins new")


def test_the_library_does_the_same(said):
    assert "document='launch.txt', line=2" in said[-1][1]


@pytest.mark.exhaustive  # a sample differs where the processor rounds otherwise
def test_the_outputs_shown_are_those_of_the_commands(capsys):
    """At full size, up to numbers."""
    assert doc_outputs.main(["--check", str(TUTORIAL)]) == 0, capsys.readouterr().out


def test_outputs_are_selected_and_written_into_the_page():
    page = "```sh\necho a 1; echo b; echo c\n```\n\n<!-- show: a|c -->\n```text\nold\n```\n\nend\n"
    new = doc_outputs.rewritten(page, doc_outputs.run_page(page))
    assert "```text\na 1\n...\nc\n```\n\nend\n" in new
    assert doc_outputs.without_numbers(new) == doc_outputs.without_numbers(new.replace("a 1", "a  27.5"))
    assert doc_outputs.without_numbers(new) != doc_outputs.without_numbers(page)
