"""The registry: names, errors, the allow list, plugins registered in code."""

from __future__ import annotations

import attrs
import pytest

from lior import interfaces
from lior.errors import BrokenPlugin, DuplicatePlugin, IncompatiblePlugin, UnknownPlugin, UsageError
from lior.plugins.kinds import KINDS
from lior.plugins.registry import Registry, interface_members
from tests.cases import cases
from tests.toy_tokenizers import NoDecode, Plain


class DecodeIsNoMethod(NoDecode):
    decode = 3


class Inherits(interfaces.Tokenizer):
    api_version = 1


@pytest.fixture
def registry() -> Registry:
    return Registry(environ={})


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_name_says_what_is_installed(registry, kind):
    with pytest.raises(
        UnknownPlugin, match=f"No {kind} plugin is named 'nope'.*lior plugins --kind {kind}"
    ) as caught:
        registry.get(kind, "nope")
    assert caught.value.exit_code == 2
    assert all(name in str(caught.value) for name in registry.names(kind))


def test_mistyped_name_gets_a_suggestion(registry):
    with pytest.raises(UnknownPlugin, match="Did you mean 'rotor'"):
        registry.origin("frame", "rottor")


def test_mistyped_kind_gets_a_suggestion(registry):
    for question in (
        registry.names,
        lambda kind: registry.get(kind, "rotor"),
        lambda k: registry.origins(k, "x"),
    ):
        with pytest.raises(UsageError, match=r"'fram' is not a kind of plugin. Did you mean 'frame'"):
            question("fram")


def test_origin_of_a_built_in(registry):
    origin = registry.origin("frame", "rotor")
    assert (origin.distribution, origin.target) == ("lior", "lior_plugins.frames.rotor:Rotor")
    assert str(origin) == f"lior {origin.version} (lior_plugins.frames.rotor:Rotor)"


def test_registered_class_is_found(registry):
    registry.register("tokenizer", "plain", Plain)
    assert "plain" in registry.names("tokenizer")
    assert registry.get("tokenizer", "plain") is Plain
    assert registry.origin("tokenizer", "plain").source == "code"


def test_registered_target_is_imported_when_needed(registry):
    registry.register("tokenizer", "later", "nowhere_at_all:Later")
    assert "later" in registry.names("tokenizer")
    with pytest.raises(BrokenPlugin, match="No module named 'nowhere_at_all'"):
        registry.get("tokenizer", "later")


def test_registering_the_same_class_again_replaces_it(registry):
    registry.register("tokenizer", "plain", Plain)
    again = attrs.make_class("Plain", {}, bases=(Plain,))
    again.__module__, again.__qualname__ = Plain.__module__, Plain.__qualname__
    registry.register("tokenizer", "plain", again)
    assert registry.get("tokenizer", "plain") is again


@pytest.mark.parametrize(("name", "owner"), [("bytes", "lior "), ("mine", "code")])
def test_registering_a_taken_name_is_refused(registry, name, owner):
    registry.register("tokenizer", "mine", Plain)
    with pytest.raises(DuplicatePlugin, match=f"{name}.*{owner}"):
        registry.register("tokenizer", name, NoDecode)


def test_class_named_by_its_path(registry):
    target = f"{__name__}:Plain"
    assert registry.get("tokenizer", target) is Plain
    assert registry.origin("tokenizer", target).target == target


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("no_such_module:X", "ModuleNotFoundError"),
        (f"{__name__}:Nope", "AttributeError"),
        (":X", "is not package.module:Class"),
        ("x:", "is not package.module:Class"),
        (f"{__name__}:pytest", "it must be a class"),
    ],
)
def test_bad_path_is_explained(registry, target, cause):
    with pytest.raises(BrokenPlugin, match=cause):
        registry.get("tokenizer", target)


@pytest.mark.parametrize(
    ("cls", "missing"),
    [
        (NoDecode, "decode"),
        (DecodeIsNoMethod, "decode"),
        (Inherits, "decode, encode, fit, restore, snapshot, vocab"),
    ],
)
def test_incomplete_class_is_broken(registry, cls, missing):
    registry.register("tokenizer", "bad", cls)
    with pytest.raises(BrokenPlugin, match=f"does not fit Tokenizer: it lacks {missing}\\.$") as caught:
        registry.get("tokenizer", "bad")
    assert not isinstance(caught.value, IncompatiblePlugin)


def test_interface_members_include_attributes_and_inherited_ones():
    assert interface_members(interfaces.Tokenizer) == [
        "api_version",
        "decode",
        "encode",
        "fit",
        "restore",
        "snapshot",
        "vocab",
    ]
    assert "learned" in interface_members(interfaces.FrameProvider)
    assert interface_members(interfaces.Command) == ["main", "name"]


@cases("kind", [kind for kind in KINDS if kind != "command"])
def test_every_interface_asks_for_a_version(kind):
    assert "api_version" in interface_members(KINDS[kind].protocol)


def test_a_malformed_variable_is_reported():
    with pytest.raises(
        UsageError, match=r"^LIOR_ALLOW_PLUGINS: '!' is not the name of a distribution\.$"
    ) as caught:
        Registry(environ={"LIOR_ALLOW_PLUGINS": "lior-x, !"}).names("frame")
    assert caught.value.exit_code == 2


def test_empty_entries_of_the_variable_do_not_count():
    names = Registry(environ={"LIOR_ALLOW_PLUGINS": " , "}).names("frame")
    assert names == Registry(environ={}).names("frame") != []
