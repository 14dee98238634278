"""A registry of another system's kinds: the rules of lior's own, in messages that fit."""

from __future__ import annotations

import sys
from typing import ClassVar, Protocol

import pytest

from lior.errors import BrokenPlugin, IncompatiblePlugin, UnknownPlugin, UsageError
from lior.plugins.kinds import KINDS as OF_LIOR
from lior.plugins.kinds import Kind
from lior.plugins.registry import Registry
from tests.cases import cases


class Potential(Protocol):
    api_version: ClassVar[int]

    def energy(self, points): ...


KIND = Kind(group="toy_solver.potentials", interface=Potential, api_version=2)
KINDS = {"potential": KIND, "encoder": Kind(group="toy_solver.encoders", interface=Potential)}
GROUP = "[toy_solver.potentials]\n"
WELL = """
class Well:
    api_version = {version}
    def energy(self, points): ...
"""


def foreign(**environ: str) -> Registry:
    return Registry(environ=environ, kinds=KINDS)


def test_found_by_name_before_import_and_apart_from_lior(install):
    install("toy-wells", f"{GROUP}well = tk_well:Well", tk_well=WELL.format(version=2))
    registry = foreign()
    assert registry.names("potential") == ["well"]
    assert registry.names("encoder") == [], "that of lior is another kind of this name"
    assert "tk_well" not in sys.modules
    assert registry.get("potential", "well").__name__ == "Well"
    assert "well" not in [name for kind in OF_LIOR for name in Registry(environ={}).names(kind)]


def test_other_versions_and_incomplete_classes_are_refused(install):
    install(
        "toy-wells",
        f"{GROUP}old = tk_old:Well\nbare = tk_bare:Bare",
        tk_old=WELL.format(version=1),
        tk_bare="class Bare:\n    api_version = 2",
    )
    with pytest.raises(IncompatiblePlugin) as caught:
        foreign().get("potential", "old")
    assert str(caught.value) == (
        "potential 'old' of toy-wells 1.2 was written for version 1 of the interfaces; this toy_solver has "
        "version 2. Install a release of toy-wells that was made for this toy_solver, or another toy_solver."
    )
    with pytest.raises(BrokenPlugin, match=r"does not fit Potential: it lacks energy\.$"):
        foreign().get("potential", "bare")


def test_an_interface_may_be_named_and_is_imported_with_the_first_plugin(install):
    source = "from typing import Protocol\nclass Asked(Protocol):\n    def energy(self, points): ...\n"
    install("toy-wells", f"{GROUP}well = tk_named:Well", tk_named=WELL.format(version=9), tk_asked=source)
    registry = Registry(environ={}, kinds={"potential": Kind(group=KIND.group, interface="tk_asked:Asked")})
    assert registry.names("potential") == ["well"]
    assert "tk_asked" not in sys.modules
    assert registry.get("potential", "well"), "an interface without a version asks for none"
    assert "tk_asked" in sys.modules


@pytest.mark.parametrize(("allow", "seen"), [("toy-wells", ["own", "well"]), ("other", ["own"])])
def test_allow_list_always_allows_the_system_itself(install, allow, seen):
    install("toy-wells", f"{GROUP}well = tk_well:Well", tk_well=WELL.format(version=2))
    install("toy-solver", f"{GROUP}own = tk_own:Well", tk_own=WELL.format(version=2))
    assert foreign(LIOR_ALLOW_PLUGINS=allow).names("potential") == seen


def test_messages_name_no_command_that_would_not_work(install):
    install("toy-wells", f"{GROUP}well = tk_well:Well", tk_well=WELL.format(version=2))
    with pytest.raises(UnknownPlugin) as caught:
        foreign().get("potential", "wel")
    assert str(caught.value) == (
        "No potential plugin is named 'wel'. Did you mean 'well'? Installed: well. "
        "package.module:Class works too."
    )
    with pytest.raises(UnknownPlugin) as caught:
        foreign().get("encoder", "x")
    assert "lior plugins" not in str(caught.value)
    assert foreign().allowed("potential") == "one of well"
    assert foreign().allowed("encoder") == "package.module:Class"
    assert Registry(environ={}).allowed("encoder") == "a name that `lior plugins --kind encoder` lists"


def test_only_its_own_kinds_are_known():
    with pytest.raises(UsageError, match=r"'potentials' is not a kind of plugin. Did you mean 'potential'"):
        foreign().names("potentials")
    with pytest.raises(UsageError, match=r"Kinds: potential, encoder\.$"):
        foreign().names("frame")


@cases("group", ["potentials", ".potentials", "toy.", ""])
def test_a_group_has_an_owner(group):
    with pytest.raises(UsageError, match=r"write it as package\.plural"):
        Kind(group=group, interface=Potential)
