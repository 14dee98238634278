"""`lior plugins`: the listing, as text and JSON, and the check of every plugin by itself."""

from __future__ import annotations

import json

import pytest

from lior.plugins.registry import Registry, registry

BREAKS_A_LAW = """
class Lossy:
    api_version = 1
    vocab = 256
    def fit(self, documents): pass
    def snapshot(self): return {}
    def restore(self, snapshot): pass
    def encode(self, data):
        import torch
        return torch.zeros(len(data), dtype=torch.int64)
    def decode(self, tokens): return b""
"""


def test_listing_is_one_aligned_line_per_plugin(command):
    lines = command("plugins").out.splitlines()
    assert lines[0].split() == ["kind", "name", "distribution", "version", "target"]
    column = lines[0].index("distribution")
    rotor = next(line for line in lines if line.startswith("frame") and " rotor " in line)
    assert rotor[column:].startswith("lior ")
    assert len(lines) == 1 + sum(len(registry.names(kind)) for kind in _kinds(lines[1:]))


def _kinds(lines: list[str]) -> set[str]:
    return {line.split()[0] for line in lines}


def test_one_kind_only(command):
    assert _kinds(command("plugins", "--kind", "memory").out.splitlines()[1:]) == {"memory"}


def test_json(command):
    rows = json.loads(command("plugins", "--json").out)
    assert {"kind", "name", "distribution", "version", "target"} == set(rows[0])
    assert {"frame", "memory"} <= {row["kind"] for row in rows}


WITHOUT_HYPOTHESIS = """
import sys
sys.modules["hypothesis"] = None
"""


def test_check_without_hypothesis_names_the_extra(install, lior):
    site = install("lior-site", "", sitecustomize=WITHOUT_HYPOTHESIS)
    done = lior("plugins", "--check", path=site)
    assert (done.returncode, done.stdout) == (1, "")
    fault = "the contract suites need the package hypothesis: lior install check"
    assert done.stderr == f"lior: error: {fault}\n"


def test_damaged_metadata_is_a_warning(install, lior):
    site = install("lior-torn", "[lior.frames]\nno target here\n")
    result = lior("plugins", path=site)
    assert result.returncode == 0
    assert result.stderr.startswith("lior: warning: ")
    assert "lior_torn" in result.stderr


@pytest.mark.slow
def test_check_names_what_is_broken_and_checks_the_rest(install, lior):
    install("lior-dup", "[lior.tokenizers]\nbytes = tp_lossy:Lossy")
    install("lior-old", "[lior.tokenizers]\nold = tp_old:Old", tp_old="class Old: api_version = 9")
    install("lior-bare", "[lior.tokenizers]\nbare = tp_bare:Bare", tp_bare="class Bare: api_version = 1")
    site = install(
        "lior-bad",
        "[lior.tokenizers]\nbad = tp_bad:Bad\nlossy = tp_lossy:Lossy",
        tp_bad="import nonexistent_dep",
        tp_lossy=BREAKS_A_LAW,
    )
    result = lior("plugins", "--check", "--kind", "tokenizer", "--json", path=site)
    assert result.returncode == 1, result.stderr
    cause = {(row["name"], row["distribution"]): row["cause"] for row in json.loads(result.stdout)}
    assert "nonexistent_dep" in cause["bad", "lior-bad"]
    assert "test_" in cause["lossy", "lior-bad"]
    assert "version 9" in cause["old", "lior-old"]
    assert "lacks decode, encode, fit, restore, snapshot, vocab" in cause["bare", "lior-bare"]
    assert "claimed by" in cause["bytes", "lior"]
    assert "claimed by" in cause["bytes", "lior-dup"]
    last = result.stderr.splitlines()[-1]
    broken = "tokenizer bad, tokenizer bare, tokenizer bytes, tokenizer lossy, tokenizer old"
    assert last == f"lior: error: broken: {broken}"


@pytest.mark.slow
def test_check_passes_the_built_in_ones_and_leaves_no_files(lior, tmp_path):
    result = lior("plugins", "--check", "--kind", "product", LIOR_ALLOW_PLUGINS="lior")
    assert result.returncode == 0, result.stdout + result.stderr
    of_lior = Registry(environ={"LIOR_ALLOW_PLUGINS": "lior"}).names("product")
    assert result.stdout.count(" ok") == len(of_lior)
    assert list((tmp_path / "work").iterdir()) == []


NEEDS_A_PACKAGE = """
from lior.errors import MissingPackage

class Fast:
    api_version, suffixes = 1, (".fast",)

    def __init__(self):
        raise MissingPackage("pip install fast")

    def read(self, data, name): ...
"""


@pytest.mark.slow
def test_what_needs_a_package_is_missing_and_not_broken(install, lior):
    site = install("lior-fast", "[lior.readers]\nfast = tp_fast:Fast", tp_fast=NEEDS_A_PACKAGE)
    args = ("plugins", "--check", "--kind", "reader", "--json")
    result = lior(*args, path=site, LIOR_ALLOW_PLUGINS="lior-fast")
    row = next(row for row in json.loads(result.stdout) if row["name"] == "fast")
    assert (row["status"], row["cause"]) == ("missing", "pip install fast")
    assert result.returncode == 0, result.stderr
