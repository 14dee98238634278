"""Plugins of other packages that fail: each is named, and costs one line, not a run or a traceback."""

from __future__ import annotations

import textwrap

import pytest

from lior.plugins.kinds import KINDS
from lior.plugins.registry import registry

SOURCE = """
import attrs, torch
from typing import ClassVar
from lior_plugins.{module} import {base}

@attrs.{made}(kw_only=True)
class Theirs({base}):
    name = "theirs"
    {body}
"""
BASES = {
    "frame": {"module": "frames.lowrank", "base": "LowRank", "made": "frozen"},
    "memory": {"module": "memories.exact", "base": "Exact", "made": "define"},
    "tokenizer": {"module": "tokenizers.bytes", "base": "Bytes", "made": "frozen"},
    "updater": {"module": "updaters.contrastive", "base": "Contrastive", "made": "frozen"},
}
BODIES = {
    "form": ("frame", "def form(self, state):\n    form = super().form(state)\n    return "),
    "read": ("memory", "def predict(self, *a, **k):\n    e = super().predict(*a, **k)\n    return "),
    "kept": ("memory", "def snapshot(self):\n    kept = super().snapshot()\n    return "),
    "tokens": ("tokenizer", "def encode(self, data):\n    ids = super().encode(data)\n    return "),
    "step": ("updater", "def step(self, *a, **k):\n    p, *more = super().step(*a, **k)\n    return "),
    "version": ("frame", "api_version: ClassVar[int] = "),
}
"""What is overridden -> kind of plugin, and how; the result is an expression in the true one."""
BY_NAME = "of lior-theirs 1.2 (theirs_mod, line 11) failed: "
SHAPE = "1.2 violates its interface: form.lam has shape (7,), and should have (8,)"
OTHER = "memory 'theirs' violates its interface: log_p has shape"
UPDATED = '{k: v * float("nan") for k, v in p.items()}, *more'
CASES = {
    "raises": ("form", "1 / 0", f"frame 'theirs' {BY_NAME}ZeroDivisionError"),
    "raises in torch": ("form", "form.lam @ torch.zeros(3)", BY_NAME),
    "another shape": ("form", "form._replace(lam=form.lam[1:])", SHAPE),
    "not a number": ("form", "form._replace(lam=form.lam * torch.nan)", "form.lam has numbers that are not"),
    "not positive": ("form", "form._replace(omega2=-form.omega2)", "form is not positive definite"),
    "another version": ("version", "99", "for version 99 of the interface"),
    "a snapshot without the text": ("kept", "{}", "1.2 violates its interface: a memory that is restored"),
    "evidence of another shape": ("read", "e._replace(log_p=e.log_p[:, :, 1:])", OTHER),
    "evidence without numbers": ("read", "e._replace(log_p=e.log_p * 1e999 * 0)", "gave no numbers: theirs"),
    "evidence of another type": ("read", "None", "interface: predict gave NoneType, not Evidence"),
    "tokens of another type": ("tokens", "ids.tolist()", "gave list, and should give a tensor of int64"),
    "tokens of another shape": ("tokens", "ids[:, None]", "encode gave torch.int64 (256, 1), and should"),
    "tokens beyond the vocabulary": ("tokens", "ids + 9", "gave the id 256, and should give 0 to 255"),
    "tokens that lose bytes": ("tokens", "ids % 128", "from byte 128 on, b'\\x80\\x81"),
    "no tokens": ("tokens", "ids[:0]", "lior-theirs 1.2 violates its interface: decode(encode(data))"),
    "ends the process": ("read", "exit(0)", f"memory 'theirs' {BY_NAME}SystemExit: 0. "),
    "an update without numbers": ("step", UPDATED, "loss of the geometry is not finite after update"),
}


@pytest.fixture
def train(install, command, short, small_recipe, monkeypatch):
    """Train with a plugin ``theirs`` of another package; its folder, and how that ended."""

    def run(what: str, result: str):
        kind, body = BODIES[what]
        source = SOURCE.format(**BASES[kind], body=textwrap.indent(body + result, "    ").strip())
        site = install("lior-theirs", f"[{KINDS[kind].group}]\ntheirs = theirs_mod:Theirs", theirs_mod=source)
        monkeypatch.setattr(registry, "_index", None)  # what is installed is looked up again
        flags = ["--config", str(small_recipe), f"--{kind}", "theirs", "--out", "r", "--quiet"]
        return site, command("train", short, *flags)

    return run


@pytest.mark.parametrize("case", CASES)
def test_a_plugin_that_fails_is_named(train, case):
    what, result, message = CASES[case]
    _, done = train(what, result)
    assert done.code in (1, 2, 70)
    assert message in done.err
    assert done.err.startswith("lior: error: ")
    assert (done.out, done.err.count("\n")) == ("", 1)


def test_a_class_that_fails_is_named(command, short, tmp_path, monkeypatch):
    source = SOURCE.format(**BASES["memory"], body="def predict(self, *a, **k):\n        return 1 / 0")
    (tmp_path / "class_mod.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    done = command(
        "train", short, "--memory", "class_mod:Theirs", "--config", "tiny", "--out", "r", "--quiet"
    )
    assert done.code == 70
    assert "memory 'class_mod:Theirs' (class_mod, line 10) failed: ZeroDivisionError" in done.err


@pytest.mark.slow
def test_the_same_package_without_the_fault_works(train, lior):
    site, done = train("form", "form")
    assert done.code == 0
    hidden = lior("eval", "r", path=site, LIOR_ALLOW_PLUGINS="lior")
    assert hidden.returncode == 1
    assert "the run needs frame 'theirs' of lior-theirs 1.2" in hidden.stderr
    assert "hidden by the variable LIOR_ALLOW_PLUGINS" in hidden.stderr
    assert lior("eval", "r", path=site, LIOR_ALLOW_PLUGINS="lior-theirs").returncode == 0
