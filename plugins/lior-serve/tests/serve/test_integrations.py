"""Classes and snippets of howto-integrations.md, run with the real packages where they are installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lior_ask import Index

DOCS = Path(__file__).resolve().parents[3] / "lior-ask" / "docs"
PAGE = (DOCS / "howto-integrations.md").read_text("utf-8")
QUESTION, ABSENT = "When is the boiler serviced?", "Who painted the zeppelin?"


def snippet(heading: str) -> str:
    """The first block of code below a heading."""
    found = re.search(rf"^## {heading}\n.*?```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def defined(heading: str) -> dict:
    names: dict = {"__name__": "snippet"}
    exec(compile(snippet(heading), heading, "exec", dont_inherit=True), names)
    return names


def test_langchain(folder):
    pytest.importorskip("langchain_core")
    retriever = defined("LangChain")["LiorRetriever"](index=Index(folder))
    document = retriever.invoke(QUESTION)[0]
    assert document.page_content == "The boiler is serviced in October."
    assert (document.metadata["source"], document.metadata["line"]) == ("house.md", 3)
    assert retriever.invoke(ABSENT) == []


def test_llama_index(folder):
    pytest.importorskip("llama_index.core")
    retriever = defined("LlamaIndex")["LiorRetriever"](Index(folder))
    node = retriever.retrieve(QUESTION)[0]
    assert (node.text, node.metadata["line"]) == ("The boiler is serviced in October.", 3)
    assert retriever.retrieve(ABSENT) == []


def test_llm(folder, tmp_path, monkeypatch):
    llm = pytest.importorskip("llm")
    from click.testing import CliRunner
    from llm.cli import cli
    from llm.plugins import pm

    class Echo(llm.Model):
        model_id = "echo"

        def execute(self, prompt, stream, response, conversation):
            yield prompt.prompt

    class Plugin:
        @llm.hookimpl
        def register_models(self, register):
            register(Echo())

    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    pm.register(Plugin(), name="echo of this test")
    try:
        for question, said in (
            (QUESTION, "house.md:3\nHouse\nhouse\nThe boiler is serviced in October."),
            (ABSENT, "has nothing about: Who painted the zeppelin?"),
        ):
            done = CliRunner().invoke(cli, ["-m", "echo", "-f", f"lior:{folder}", question])
            assert said in done.output
        done = CliRunner().invoke(cli, ["-m", "echo", "-f", f"lior:{folder}"], input="")
        assert "the question is missing" in done.output
    finally:
        pm.unregister(name="echo of this test")


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed")
def test_the_task_of_visual_studio_code(of_folder):
    command = json.loads(snippet("Visual Studio Code"))["tasks"][0]["command"]
    for question, said in (
        (QUESTION, "house.md:3  The boiler is serviced in October.\n"),
        (ABSENT, "zeppelin"),
    ):
        there = command.replace("http://127.0.0.1:8765", str(of_folder.base_url).rstrip("/"))
        done = subprocess.run(
            there.replace("${input:question}", question),
            shell=True,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said in done.stdout


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_script_of_obsidian(of_folder, tmp_path):
    """As far as its request and what it does with the reply; Obsidian is replaced by five lines."""
    script = snippet("Obsidian").replace("http://127.0.0.1:8765", str(of_folder.base_url).rstrip("/"))
    (tmp_path / "ask.js").write_text(script)
    around = f"""
    const said = [], obsidian = {{
      requestUrl: async (o) => ({{ json: await (await fetch(o.url, {{
        method: o.method, body: o.body, headers: {{ "content-type": o.contentType }} }})).json() }}),
      Notice: class {{ constructor(text) {{ said.push(text); }} }},
    }};
    const app = {{ workspace: {{ openLinkText: async (note) => said.push(note) }} }};
    const quickAddApi = {{ inputPrompt: async () => {json.dumps(QUESTION)} }};
    require("./ask.js")({{ app, quickAddApi, obsidian }}).then(() => console.log(JSON.stringify(said)));
    """
    done = subprocess.run(["node", "-e", around], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["The boiler is serviced in October.", "house.md"]
