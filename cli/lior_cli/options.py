"""Click options made from the schema of a training run.

A flag is a layer of the configuration like any other. Its value is checked with all other values, so that one
report names every fault.
"""

from __future__ import annotations

import functools
import glob
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lior.config import Key, Override, keys, recipes, split_names
from lior.config.options import RawText, typed_fields
from lior.errors import PluginError, UsageError
from lior.plugins.registry import registry
from lior.reading.finding import is_run as is_run

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


Callback = Callable[..., Any]

_KEPT = "data.after_validation"
"""The key that ``--holdout keep`` sets."""


class PluginName(click.ParamType):
    """The name of a plugin, or ``package.module:Class``; nothing is imported.

    Parameters
    ----------
    kind
        Kind of plugin.
    several
        Whether the value is a comma-separated list.
    """

    name = "plugin"

    def __init__(self, kind: str, *, several: bool = False) -> None:
        self.kind = kind
        self.several = several

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the installed names."""
        names = "|".join(registry.names(self.kind)) or self.kind.upper()
        return f"[{names}]{',...' if self.several else ''}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse a name that no installed plugin has."""
        for name in split_names(value) if self.several else [value]:
            try:
                registry.origin(self.kind, name)
            except PluginError as error:
                self.fail(str(error), param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return installed names, each with the distribution that it comes from."""
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        names = [name for name in registry.names(self.kind) if name.startswith(last)]
        origins = {name: " and ".join(o.source for o in registry.origins(self.kind, name)) for name in names}
        return [CompletionItem(before + comma + name, help=origins[name]) for name in names]


class WholeNumber(click.IntRange):
    """A whole number; the message on any other value names the allowed values."""

    name = "integer"
    allowed = ""
    """Allowed values in words; derived from the bounds if empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse everything else."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            allowed = self.allowed or _within("a whole number", self)
            self.fail(f"{value!r} is not {allowed}", param, ctx)


class RealNumber(click.FloatRange):
    """A number; the message on any other value names the allowed values."""

    name = "number"
    allowed = ""
    """Allowed values in words; derived from the bounds if empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse other values, also NaN, which comparisons with the bounds accept."""
        try:
            if not math.isnan(number := super().convert(value, param, ctx)):
                return number
        except click.BadParameter:
            pass
        allowed = self.allowed or _within("a number", self)
        return self.fail(f"{value!r} is not {allowed}", param, ctx)


def _within(words: str, bounds: click.IntRange | click.FloatRange) -> str:
    low, high = bounds.min, bounds.max
    if low is None:
        return words
    if high is not None and not (bounds.min_open or bounds.max_open):
        return f"{words} from {low} to {high}"
    least = f"{words} {'above' if bounds.min_open else 'of at least'} {low}"
    return least if high is None else f"{least} and {'below' if bounds.max_open else 'at most'} {high}"


class RecipeName(click.ParamType):
    """The name of a shipped recipe or the path of a TOML file.

    Parameters
    ----------
    files
        Whether files count as well.
    """

    name = "recipe"

    def __init__(self, *, files: bool = True) -> None:
        self.files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return shipped names; the shell completes files."""
        from click.shell_completion import CompletionItem

        files = [CompletionItem(incomplete, type="file")] if self.files else []
        shipped = [CompletionItem(name) for name in recipes.list_shipped() if name.startswith(incomplete)]
        return [*files, *shipped]  # Bash drops what stands before a file


class TextPath(click.ParamType):
    """A file, folder or pattern with text, or ``-`` for standard input."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return no names: the shell completes files."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


class RunPath(click.Path):
    """The directory of a run."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return directories with a ``config.toml``, here and one deeper, the newest first; else any."""
        from click.shell_completion import CompletionItem

        start = glob.escape(incomplete)
        found = [path for deep in ("*", "*/*") for path in glob.glob(f"{start}{deep}/config.toml")]  # noqa: PTH207 (as typed)
        newest = sorted(filter(os.path.isfile, found), key=os.path.getmtime, reverse=True)
        runs = [CompletionItem(path.removesuffix("/config.toml")) for path in newest]
        return [CompletionItem(incomplete, type="dir"), *runs]


def run_among(paths: Sequence[Path]) -> Path | None:
    """Return the run among paths, or ``None`` for folders, files and patterns.

    Raises ``UsageError`` when there are other paths beside a run, which has an index of its own.
    """
    runs = [path for path in paths if is_run(path)]
    if runs and len(paths) > 1:
        raise UsageError(f"{runs[0]} is a run and is given alone; leave the other paths out, or the run")
    return runs[0] if runs else None


def given(name: str) -> bool:
    """Return whether an option of the current command is on the command line; ``name`` is its parameter."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


class Assignment(click.ParamType):
    """An assignment ``KEY=VALUE``."""

    name = "assignment"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the keys of a configuration with their help, without options of plugins, which need an
        import.
        """
        from click.shell_completion import CompletionItem

        known = (key for key in keys() if key.dotted.startswith(incomplete))
        return [CompletionItem(f"{key.dotted}=", help=key.help) for key in known]


def has_flag(key: Key) -> bool:
    """Return whether a key has a flag of its own: top-level keys, kinds of plugins and keys of
    the data do.
    """
    return not isinstance(key.default, tuple) and (
        len(key.path) == 1 or bool(key.kind) or key.path[0] == "data"
    )


def flag(key: Key) -> str:
    """Return the flag of a key, such as ``--time-limit``."""
    return "--" + (key.kind or key.path[-1]).replace("_", "-")


def flagged_keys() -> Iterator[Key]:
    """Return the keys that have a flag, in the order of the schema."""
    return (key for key in keys() if has_flag(key))


def set_option(function: Callback) -> Callback:
    """Add the repeatable option ``--set key=value``, passed on as ``assignments``."""
    return click.option(
        "--set",
        "assignments",
        type=Assignment(),
        multiple=True,
        metavar="KEY=VALUE",
        help="Set any key, such as geometry.updates=100 or frame.rank=8. May be repeated.",
    )(function)


def schema_options(function: Callback) -> Callback:
    """Give a command the options of a training run.

    The command is called with ``recipe`` (a name, a path or ``None``) and
    ``overrides`` (a list), which are what :func:`lior.config.load` takes.
    """
    flagged = list(flagged_keys())

    @functools.wraps(function)
    def wrapper(*args: Any, recipe: str | None, assignments: tuple[str, ...], **others: Any) -> Any:
        overrides: list[str | Override] = [*assignments]
        for key in flagged:
            value = others.pop(_parameter(key))
            if value is not None:
                name = _KEPT if (key.dotted, value) == ("data.holdout", "keep") else key.dotted
                overrides.append(Override(name, RawText(value), flag(key)))
        return function(*args, recipe=recipe, overrides=overrides, **others)

    command: Callback = wrapper
    for key in reversed(flagged):
        command = _option(key)(command)
    command = set_option(command)
    return click.option(
        "--config", "recipe", type=RecipeName(), help="Recipe: a shipped name or a TOML file."
    )(command)


def _option(key: Key) -> Callable[[Callback], Callback]:
    plain = key.kind or key.choices or key.allowed == "text"  # the name says enough
    shown = "" if plain else f"; {key.allowed}"
    default = f"  [default: {key.default}]" if key.default != "" else ""
    shown += f"; or keep, short for {flag(_key(_KEPT))} keep" if key.dotted == "data.holdout" else ""
    return click.option(
        flag(key),
        _parameter(key),
        type=_type(key),
        metavar=None if key.kind or key.choices else "VALUE",
        help=_sentence(key.help + shown) + default,
    )


def _type(key: Key) -> click.ParamType:
    if key.kind:
        return PluginName(key.kind, several=key.several)
    return click.Choice(key.choices) if key.choices else click.STRING


def _key(dotted: str) -> Key:
    return next(key for key in keys() if key.dotted == dotted)


def _parameter(key: Key) -> str:
    return "_".join(key.path)


def device_option(function: Callback) -> Callback:
    """Add ``--device``, as in the schema of a training run."""
    key = _key("device")
    return click.option(
        "--device", type=_type(key), default=key.default, show_default=True, help=_sentence(key.help)
    )(function)


def limits_option(function: Callback) -> Callback:
    """Add ``--limits on|off``, the limits for reading a file, and ``--follow-links``.

    Both are in force during the command."""
    links = click.option(
        "--follow-links",
        is_flag=True,
        expose_value=False,
        callback=_set_links,
        help="Read links to folders, and links that leave the folders given.",
    )
    return click.option(
        "--limits",
        type=click.Choice(["on", "off"]),
        default="on",
        show_default=True,
        expose_value=False,
        callback=_set_limits,
        help="Leave out a file that takes more than 7 s or 512 MB to read.",
    )(links(function))


def _set_limits(context: click.Context, _: click.Parameter, value: str) -> None:
    from lior.reading.limits import NO_LIMITS, QUESTION, limit_by

    context.with_resource(limit_by(NO_LIMITS if value == "off" else QUESTION))


def _set_links(context: click.Context, _: click.Parameter, value: bool) -> None:
    from lior.reading.finding import follow_links

    context.with_resource(follow_links(value))


def seed_option(function: Callback) -> Callback:
    """Add ``--seed``, the seed of the sampling."""
    return click.option(
        "--seed",
        type=WholeNumber(min=0, max=2**63 - 1),
        default=0,
        show_default=True,
        help="Seed of the draws.",
    )(function)


def field_options(cls: type) -> Callable[[Callback], Callback]:
    """Add a flag for each field of an attrs class; all are numbers, and the class checks their range."""

    def decorate(function: Callback) -> Callback:
        for name, typed in reversed(typed_fields(cls).items()):
            kind = WholeNumber if typed.hint is int else RealNumber
            number = kind(min=typed.field.metadata["low"], max=typed.field.metadata["high"])
            number.allowed = typed.allowed
            function = click.option(
                "--" + name.replace("_", "-"),
                type=number,
                default=typed.field.default,
                show_default=True,
                help=_sentence(typed.field.metadata["help"]),
            )(function)
        return function

    return decorate


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
