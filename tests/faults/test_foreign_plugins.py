"""Plugins of other packages that fail: each is named, and costs one line, not a run or a traceback."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import pytest

FRAME = """
import attrs, torch
from typing import ClassVar
from lior_plugins.frames.lowrank import LowRank

@attrs.frozen(kw_only=True)
class Theirs(LowRank):
    BODY
"""
MEMORY = """
import attrs
from lior_plugins.memories.exact import Exact

@attrs.define(kw_only=True)
class Theirs(Exact):
    name = "theirs"
    BODY
"""
UPDATER = """
import attrs
from lior_plugins.updaters.contrastive import Contrastive

@attrs.frozen(kw_only=True)
class Theirs(Contrastive):
    BODY
"""
SOURCES = {"frame": FRAME, "memory": MEMORY, "updater": UPDATER}
GROUPS = {"frame": "lior.frames", "memory": "lior.memories", "updater": "lior.updaters"}


class Case(NamedTuple):
    """A fault and what is said of it."""

    kind: str
    body: str
    message: str


def form(result: str, message: str) -> Case:
    """A frame whose form is ``result``, an expression in the true ``form``."""
    body = f"""
    def form(self, state):
        form = super().form(state)
        return {result}
    """
    return Case("frame", body, message)


def read(result: str, message: str) -> Case:
    """A memory that reads ``result``, an expression in the true evidence ``e``."""
    body = f"""
    def read(self, query, alphabet):
        e = super().read(query, alphabet)
        return {result}
    """
    return Case("memory", body, message)


NAN_STEP = """
    def step(self, params, *rest, **named):
        p, *more = super().step(params, *rest, **named)
        return {k: v * float("nan") for k, v in p.items()}, *more
    """
BY_NAME = "of lior-theirs 1.2 (theirs_mod, line 10) failed: "
CASES = {
    "raises": form("1 / 0", f"frame 'theirs' {BY_NAME}ZeroDivisionError"),
    "raises in torch": form("form.lam @ torch.zeros(3)", BY_NAME),
    "another shape": form(
        "form._replace(lam=form.lam[1:])",
        "1.2 violates its interface: form.lam has shape (7,), and should have (8,)",
    ),
    "not a number": form(
        "form._replace(lam=form.lam * torch.nan)", "form.lam has numbers that are not finite"
    ),
    "not positive": form("form._replace(omega2=-form.omega2)", "form is not positive definite"),
    "another version": Case("frame", "api_version: ClassVar[int] = 99", "for version 99 of the interface"),
    "evidence of another shape": read(
        "e._replace(log_p=e.log_p[:, :, 1:])",
        "memory 'theirs' violates its interface: log_p has shape",
    ),
    "evidence without numbers": read("e._replace(log_p=e.log_p * 1e999 * 0)", "gave no numbers: theirs"),
    "an update without numbers": Case("updater", NAN_STEP, "loss of the geometry is not finite after update"),
}


def place(install, case: Case):
    """Install a package with one plugin ``theirs``."""
    body = textwrap.indent(textwrap.dedent(case.body).strip(), "    ").strip()
    source = SOURCES[case.kind].replace("BODY", body)
    return install("lior-theirs", f"[{GROUPS[case.kind]}]\ntheirs = theirs_mod:Theirs", theirs_mod=source)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_plugin_that_fails_is_named(install, lior, sample, small_recipe, case):
    site = place(install, CASES[case])
    flags = ["--config", str(small_recipe), f"--{CASES[case].kind}", "theirs", "--out", "r", "--quiet"]
    done = lior("train", str(sample), *flags, path=site)
    assert done.returncode in (1, 2, 70)
    assert done.stdout == ""
    assert CASES[case].message in done.stderr
    assert done.stderr.startswith("lior: error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_same_package_without_the_fault_works(install, lior, sample, small_recipe):
    site = place(install, form("form", ""))
    flags = ["--config", str(small_recipe), "--frame", "theirs", "--out", "r", "--quiet"]
    assert lior("train", str(sample), *flags, path=site).returncode == 0
    hidden = lior("eval", "r", path=site, LIOR_ALLOW_PLUGINS="lior")
    assert hidden.returncode == 1
    assert "the run needs frame 'theirs' of lior-theirs 1.2" in hidden.stderr
    assert "hidden by the variable LIOR_ALLOW_PLUGINS" in hidden.stderr
    assert lior("eval", "r", path=site, LIOR_ALLOW_PLUGINS="lior-theirs").returncode == 0
