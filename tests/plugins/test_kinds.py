"""One table describes the kinds of plugin; the places that cannot be derived from it agree with it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import get_args, get_overloads, get_type_hints

import click

from lior import interfaces
from lior.config import keys
from lior.plugins.kinds import KINDS, import_target
from lior.plugins.registry import Registry, registry
from lior_cli.plugins import new, plugins
from tests.cases import cases

TRAINED = [kind for kind in KINDS if KINDS[kind].option]
"""Kinds that the configuration of a training run chooses."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "interfaces.md"


@cases("kind", KINDS)
def test_every_row_is_whole(kind):
    row = KINDS[kind]
    assert row.help
    assert not row.help.endswith(".")
    assert row.protocol.__module__.startswith(interfaces.__name__)
    assert row.group.startswith("lior.")
    assert "{}" in row.use
    assert files(row.templates or "lior_cli.scaffold.templates").joinpath(f"{kind}.py").is_file()


@cases("kind", [kind for kind in KINDS if kind != "command"])
def test_every_kind_but_commands_has_a_suite(kind):
    assert callable(import_target(KINDS[kind].suite))


@cases("kind", TRAINED)
def test_the_table_has_the_version_of_the_interfaces(kind):
    assert KINDS[kind].api_version == (2 if kind == "memory" else interfaces.API_VERSION)


@cases("kind", TRAINED)
def test_an_option_is_one_of_its_kind(kind):
    assert KINDS[kind].option.startswith(f"{kind}.")


def test_names_of_groups_and_suites_follow_one_rule():
    for kind in [kind for kind in KINDS if kind != "command"]:
        module = "lior_ask.testing" if kind in ("retriever", "judge") else "lior.testing"
        assert KINDS[kind].suite == f"{module}:{kind}_contract"


def test_the_configuration_chooses_every_kind_of_a_run():
    chosen = {key.kind: key for key in keys() if key.kind}
    assert set(chosen) == set(TRAINED)
    assert all(key.path[0] == kind and key.help == KINDS[kind].help for kind, key in chosen.items())


def test_type_checkers_know_what_every_kind_is():
    said = {}
    for overload in get_overloads(Registry.get):
        hints = get_type_hints(overload, localns={"interfaces": interfaces})
        for kind in get_args(hints["kind"]):
            said[kind] = get_args(hints["return"]) or (hints["return"],)
    assert said == {kind: (KINDS[kind].protocol,) for kind in KINDS}


@cases("command", [plugins, new])
def test_the_command_line_offers_every_kind(command):
    (option,) = [parameter for parameter in command.params if parameter.name == "kind"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(KINDS)


def test_the_page_lists_every_kind_with_its_plugins():
    row = r"^\| (\w+) \| `(lior\.\w+)` \| `(\w+)`.*? \|(.*?)\| "
    rows = re.findall(row, PAGE.read_text(), re.MULTILINE)
    own = {
        kind: {
            n for n in registry.names(kind) if registry.origin(kind, n).distribution in ("lior", "lior-ask")
        }
        for kind in KINDS
    }
    assert {
        kind: (group, interface, set(re.findall(r"[\w-]+", re.sub(r"\(.*?\)", "", names))))
        for kind, group, interface, names in rows
    } == {kind: (row.group, row.protocol.__name__, own[kind]) for kind, row in KINDS.items()}
