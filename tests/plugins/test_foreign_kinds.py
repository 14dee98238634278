"""A registry of another system's kinds: the rules of lior's own, in messages that fit."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar, Protocol

import pytest

import lior
from lior.errors import BrokenPlugin, DuplicatePlugin, IncompatiblePlugin, UnknownPlugin, UsageError
from lior.plugins.discovery import GROUPS, Kind, Policy
from lior.plugins.registry import Registry


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


def test_kinds_are_public():
    assert lior.Kind is Kind
    assert lior.Registry is Registry


def test_found_by_name_before_import_and_apart_from_lior(install):
    install("toy-wells", f"{GROUP}well = tk_well:Well", tk_well=WELL.format(version=2))
    registry = foreign()
    assert registry.names("potential") == ["well"]
    assert registry.names("encoder") == [], "that of lior is another kind of this name"
    assert "tk_well" not in sys.modules
    assert registry.get("potential", "well").__name__ == "Well"
    assert "well" not in [name for kind in GROUPS for name in Registry(environ={}).names(kind)]


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


def test_duplicates_are_named_and_the_remedy_works_in_every_registry(install):
    for name in ("toy-a", "toy-b"):
        module = name.replace("-", "_")
        install(name, f"{GROUP}well = {module}:Well", **{module: WELL.format(version=2)})
    with pytest.raises(DuplicatePlugin, match=r"potential 'well' is claimed by") as caught:
        foreign().get("potential", "well")
    assert "toy-a 1.2 (toy_a:Well)" in str(caught.value)
    remedy = "toy_solver.potentials:well@toy-a"
    assert f"LIOR_BLOCK_PLUGINS={remedy}" in str(caught.value)
    assert foreign(LIOR_BLOCK_PLUGINS=remedy).origin("potential", "well").distribution == "toy-b"
    assert "rotor" in Registry(environ={"LIOR_BLOCK_PLUGINS": remedy}).names("frame")


@pytest.mark.parametrize(
    "block",
    [
        "potential:well", "toy_solver.potentials:well", "toy-wells", "potential:well@toy.wells",
        "frame:x,potential:well",
    ],
)  # fmt: skip
def test_block_list(install, block):
    install("toy-wells", f"{GROUP}well = tk_well:Well", tk_well=WELL.format(version=2))
    with pytest.raises(UnknownPlugin, match=r"'well' of toy-wells 1\.2 is hidden .* LIOR_BLOCK_PLUGINS"):
        foreign(LIOR_BLOCK_PLUGINS=block).get("potential", "well")
    Registry(environ={"LIOR_BLOCK_PLUGINS": block}).names("frame")


@pytest.mark.parametrize(("allow", "seen"), [("toy-wells", ["own", "well"]), ("other", ["own"])])
def test_allow_list_always_allows_the_system_itself(install, allow, seen):
    install("toy-wells", f"{GROUP}well = tk_well:Well", tk_well=WELL.format(version=2))
    install("toy-solver", f"{GROUP}own = tk_own:Well", tk_own=WELL.format(version=2))
    assert foreign(LIOR_ALLOW_PLUGINS=allow).names("potential") == seen


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("potentail:well", "Did you mean 'potential'"),
        ("toy_solver.potential:well", "Did you mean 'toy_solver.potentials'"),
        (
            "toy_solver.xxxxxxxxxxxxxxxxxxxxxxxx:x",
            r"Kinds: toy_solver\.potentials, toy_solver\.encoders\.",
        ),
        ("fram:rotor", "Did you mean 'frame'"),
        ("potential:", "'potential:' is not `kind:name`"),
        ("toy_solver.potentials:a:b", "is not `kind:name`"),
    ],
)
def test_a_mistyped_kind_is_reported_by_the_system_that_has_it(block, complaint):
    with pytest.raises(UsageError, match=complaint) as caught:
        foreign(LIOR_BLOCK_PLUGINS=block).names("potential")
    assert str(caught.value).startswith("LIOR_BLOCK_PLUGINS")


@pytest.mark.parametrize("block", ["potential:well", "other_system.updaters:x", "potential:well@toy-wells"])
def test_a_kind_of_another_system_is_left_to_it(block):
    assert Policy.parse({"LIOR_BLOCK_PLUGINS": block}).blocked
    assert "rotor" in Registry(environ={"LIOR_BLOCK_PLUGINS": block}).names("frame")


def test_a_kind_that_looks_mistyped_can_be_written_as_its_group():
    with pytest.raises(UsageError, match=r"Did you mean 'encoder'.*is written as its entry-point group\.$"):
        Policy.parse({"LIOR_BLOCK_PLUGINS": "decoder:x"})
    Policy.parse({"LIOR_BLOCK_PLUGINS": "toy_solver.decoders:x"})


def test_a_group_of_lior_names_its_kind():
    environ = {"LIOR_BLOCK_PLUGINS": "lior.frames:rotor"}
    assert "rotor" not in Registry(environ=environ).names("frame")
    with pytest.raises(UsageError, match=r"Did you mean 'lior.frames'"):
        Policy.parse({"LIOR_BLOCK_PLUGINS": "lior.frame:rotor"})


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


def test_register_and_path(install):
    registry = foreign()
    well = type("Well", (), {"api_version": 2, "energy": lambda self, points: points})
    registry.register("potential", "mine", well)
    assert registry.get("potential", "mine") is well
    install("toy-none", "", tk_path=WELL.format(version=2))
    assert registry.get("potential", "tk_path:Well").__name__ == "Well"


@pytest.mark.parametrize("group", ["potentials", ".potentials", "toy.", ""])
def test_a_group_has_an_owner(group):
    with pytest.raises(UsageError, match=r"write it as package\.plural"):
        Kind(group=group, interface=Potential)


def test_a_registry_of_its_own_is_light():
    code = (
        "import sys, lior; lior.Registry(kinds={'a': lior.Kind(group='t.as', interface='torch:Tensor')})"
        ".names('a'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
