"""The kinds of plugin: one table, from which everything that depends on a kind is derived.

The registry, the contract suites, the choices of the command line, the templates of ``lior plugins new``
and the help of the configuration read :data:`KINDS`. The test ``tests/plugins/test_kinds.py`` names the
places that Python cannot derive: the overloads of ``Registry.get``, the fields of ``TrainConfig`` and the
page ``docs/interfaces.md``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lior.errors import UsageError, did_you_mean, sentences


@dataclass(frozen=True, kw_only=True)  # attrs would be a tenth of the time of `lior --help`
class Kind:
    """A kind of plugin. Other systems need only ``group`` and ``interface``.

    Raises
    ------
    UsageError
        From the constructor, when the group has no dot.
    """

    group: str
    """Entry-point group ``package.plural``; ``package`` is the system that uses the plugins."""
    interface: type | str
    """``Protocol`` of the plugins; ``package.module:Class`` is imported with the first of them."""
    api_version: int = 1
    """Version of the interface; a plugin for another is refused, if the interface has ``api_version``."""
    help: str = ""
    """One line, without a full stop."""
    suite: str = ""
    """Factory of the contract suite, as ``package.module:function``; empty without a suite."""
    templates: str = ""
    """Package with the template ``KIND.py`` of `lior plugins new`; empty for that of the command line."""
    use: str = ""
    """Command that uses a plugin, with ``{}`` for its name, as ``lior plugins new`` prints it."""
    option: str = ""
    """Assignment that sets an option of the template, with ``{}`` for the plugin's name."""

    def __post_init__(self) -> None:
        if not all(self.group.partition(".")):
            raise UsageError(
                f"{self.group!r} is not an entry-point group of plugins; write it as package.plural."
            )

    @property
    def owner(self) -> str:
        """The package at the beginning of the group."""
        return self.group.partition(".")[0]

    @property
    def protocol(self) -> type:
        """The interface, imported."""
        found: type = import_target(self.interface) if isinstance(self.interface, str) else self.interface
        return found


def _train(
    plural: str, kind: str, interface: str, help: str, flags: str, option: str, version: int = 1
) -> Kind:
    """Return a kind that the configuration of a training run chooses."""
    return Kind(
        group=f"lior.{plural}",
        interface=f"lior.interfaces:{interface}",
        api_version=version,
        help=help,
        suite=f"lior.testing:{kind}_contract",
        use=f"lior train --{kind} {{}} {flags}",
        option=f"{kind}.{option}",
    )


def _other(kind: str, help: str, use: str, package: str = "lior", version: int = 1) -> Kind:
    """Return a kind that no training run chooses; ``package`` has its contract suite and template."""
    return Kind(
        group=f"lior.{kind}s",
        interface=f"lior.interfaces:{kind.title()}",
        api_version=version,
        help=help,
        suite=f"{package}.testing:{kind}_contract",
        templates="" if package == "lior" else f"{package}.templates",
        use=use,
    )


_EXACT, _ASK = "--memory exact --config tiny", "lior ask FOLDER QUESTION"

KINDS = {
    "frame": _train("frames", "frame", "FrameProvider", "metric of the coordinates", _EXACT, "scale=2"),
    "rsource": _train("rsources", "rsource", "RSource", "resilience at a point", _EXACT, "weight=2"),
    "updater": _train(
        "updaters", "updater", "Updater", "learning rule of the geometry", _EXACT, "learning_rate=0.01"
    ),
    "memory": _train(
        "memories", "memory", "Memory", "memory backends", "--config tiny", "{}.order=1", version=2
    ),
    "product": _train(
        "products", "product", "AttentionProduct", "cost of a query and a memory item", _EXACT, "scale=2"
    ),
    "encoder": _train("encoders", "encoder", "Encoder", "contexts to coordinates", _EXACT, "decay=0.8"),
    "tokenizer": _train(
        "tokenizers", "tokenizer", "Tokenizer", "text to tokens", "--config fast", 'pairs=["th", "he"]'
    ),
    "device": _other(
        "device",
        "hardware that holds and multiplies the tensors",
        "lior train notes.txt --config tiny --device {}",
    ),
    "reader": _other(
        "reader", "text of the files of a format", f"{_ASK}  # {{}} reads the files that have its suffixes"
    ),
    "embedder": _other("embedder", "vectors of texts by their meaning", f"LIOR_EMBEDDER={{}} {_ASK}"),
    "retriever": _other(
        "retriever", "ranks the passages for a question", f"{_ASK} --retriever {{}}", "lior_ask", version=2
    ),
    "judge": _other(
        "judge", "decides which passage answers, and how likely", f"LIOR_JUDGE={{}} {_ASK}", "lior_ask"
    ),
    "listener": _other(
        "listener",
        "receives events of trainings and of changed documents",
        "lior train notes.txt --config tiny  # {} receives the events",
    ),
    "command": Kind(
        group="lior.commands",
        interface="lior.interfaces:Command",
        help="subcommand of `lior`",
        use="lior {} RUN",
    ),
}
"""The kinds by name, in the order of listings."""


def import_target(target: str) -> Any:
    """Return the object that ``package.module:attribute`` names."""
    module, _, path = target.partition(":")
    value: Any = import_module(module.strip())
    for part in path.strip().split("."):
        value = getattr(value, part)
    return value


def check_kind(kind: str, known: Collection[str] = KINDS.keys()) -> str:
    """Return ``kind``, or raise ``UsageError`` if it is not one of ``known``."""
    if kind not in known:
        hint = did_you_mean(kind, known)
        raise UsageError(sentences(f"{kind!r} is not a kind of plugin.", hint, f"Kinds: {', '.join(known)}."))
    return kind
