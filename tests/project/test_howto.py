"""The commands of the guides run, and print what the page shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import doc_outputs

ROOT = Path(__file__).parents[2]
DOCS = "plugins/lior-ask/docs"


def test_commands_print_what_the_page_shows(tmp_path):
    """By words alone, to the last digit."""
    text = (ROOT / "docs/howto-readers.md").read_text("utf-8")
    [part] = re.findall(r"^## An example\n.*?(?=^## )", text, re.S | re.M)
    settings = {"XDG_CACHE_HOME": str(tmp_path), "LIOR_EMBEDDER": ""}
    shown = doc_outputs.rewritten(part, doc_outputs.run_page(part, settings))
    assert shown == part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "begin"),
    [
        ("docs/howto-train.md", r"\A"),
        ("docs/howto-edit.md", r"\A"),
        ("docs/howto-why.md", r"\A"),
        ("plugins/lior-tables/README.md", "^A table that comes with scikit-learn.*?(?=^## )"),
        *((f"{DOCS}/howto-{name}.md", r"\A") for name in ("ask", "calculate", "chat", "search")),
    ],
)
def test_all_commands_of_a_guide_run_and_print_what_it_shows(page, begin):
    """Up to numbers. Guides of questions show answers with the encoder, as a user gets them."""
    if "tables" in page:
        pytest.importorskip("lior_tables")
    text = (ROOT / page).read_text("utf-8")
    part = re.search(begin + ("(?s:.*)" if begin == r"\A" else ""), text, re.S | re.M)[0]
    settings = {"OMP_NUM_THREADS": "1"}
    if not page.startswith(DOCS):
        settings["LIOR_EMBEDDER"] = ""
    shown = doc_outputs.rewritten(part, doc_outputs.run_page(part, settings))
    assert doc_outputs.without_numbers(shown) == doc_outputs.without_numbers(part)


@pytest.mark.slow
def test_the_guide_of_the_server_serves(tmp_path):
    """Its first commands, without the installation, at a free port."""
    pytest.importorskip("lior_serve")
    text = (ROOT / "plugins/lior-serve/docs/howto-serve.md").read_text("utf-8")
    [serve] = re.findall(r"^lior serve ~/notes$", text[: text.index("```console")], re.M)
    ask = re.search(r"^\$ (curl .*)\n(.*)…$", text, re.M)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "plan.txt").write_text("The launch is on the fourth of May.\n")
    home = os.environ | {"HOME": str(tmp_path), "no_proxy": "*", "LIOR_EMBEDDER": ""}
    command = f"exec {sys.executable} -m lior_cli.main {serve[5:]} --port 0"
    with subprocess.Popen(["bash", "-c", command], env=home, text=True, stderr=subprocess.PIPE) as server:
        try:
            address = re.search(
                r"lior: serving notes \(.*; read-only\) at http://(\S+)/", server.stderr.readline()
            )[1]
            asked = ask[1].replace("127.0.0.1:8765", address)
            said = subprocess.run(
                ["bash", "-c", asked], env=home, text=True, capture_output=True, check=True
            ).stdout
        finally:
            server.terminate()
    begin = [doc_outputs.without_numbers(each)[0].split('"confidence"')[0] for each in (said, ask[2])]
    assert begin[0] == begin[1] != ""
    assert json.loads(said)["answer"]["document"] == "plan.txt"
