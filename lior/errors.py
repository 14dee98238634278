"""Errors that a user can act on.

The command line prints ``str(error)`` as one line and exits with ``error.exit_code``; any other error that
escapes is a defect of lior.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lior.packages import PARTS, install_hint

__all__ = [
    "PARTS",
    "BrokenPlugin",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DuplicatePlugin",
    "EndpointError",
    "IncompatiblePlugin",
    "IndexUnavailable",
    "Interrupted",
    "LiorError",
    "MissingPackage",
    "NewerFormat",
    "NoFiles",
    "PluginError",
    "RunError",
    "SkippedCheckpoint",
    "Stopped",
    "TextRemains",
    "UnknownPlugin",
    "UntrustedPlugin",
    "UsageError",
    "did_you_mean",
    "install_hint",
    "needs_model",
    "out_of_memory",
    "quantity",
    "sentences",
]


_ALIKE = 0.7
"""Minimum ratio of equal letters in a name that is suggested; 'barier' and 'barrier_meV' have .71,
'compare' and 'score' .67. Chosen by hand."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest of ``known``, or an empty string; cases are the same.

    >>> did_you_mean("Rottor", ["rotor", "lowrank"])
    "Did you mean 'rotor'?"
    >>> did_you_mean("xyz", ["rotor"]), did_you_mean("age", ["mileage"])
    ('', '')
    """
    from difflib import get_close_matches  # costs start-up time, needed only after an error

    folded = {name.casefold().strip(): name for name in known if name != word}
    close = get_close_matches(word.casefold().strip(), folded, n=1, cutoff=_ALIKE)
    return f"Did you mean {folded[close[0]]!r}?" if close else ""


def quantity(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> quantity(1, "passage"), quantity(1200, "passage")
    ('1 passage', '1,200 passages')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def sentences(*parts: str) -> str:
    """Join the parts that are not empty by spaces."""
    return " ".join(part for part in parts if part)


class LiorError(Exception):
    """Base of all errors that lior raises on purpose."""

    exit_code = 1


class UsageError(LiorError):
    """The request itself is invalid: an unknown key, a value out of range, an unknown plugin."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration has one or more faults; ``problems`` lists them all."""

    def __init__(self, problems: list[str]):
        self.problems = problems
        head = "" if len(problems) == 1 else f"{len(problems)} problems in the configuration:\n  "
        super().__init__(head + "\n  ".join(problems))


class DataError(LiorError):
    """A text cannot be read or used."""


class NoFiles(DataError):
    """There is no file at all in the given folders."""


class RunError(LiorError):
    """A run directory is missing, damaged or of another kind."""


class NewerFormat(RunError):
    """A checkpoint was written by a later version of lior."""


class TextRemains(UserWarning):
    """Forgotten text could not be removed from earlier versions of a run; the command line prints it."""


class SkippedCheckpoint(UserWarning):
    """A newer checkpoint cannot be used, and an older one is; the command line prints it as a note."""


class MissingPackage(LiorError):
    """An optional package that the work needs is not installed."""


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error is Python's ``MemoryError``, torch's on a device, or torch's on the CPU, which
    has no class.
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


@contextmanager
def needs_model(who: str) -> Iterator[None]:
    """Raise ``MissingPackage`` when ``who`` imports a missing package of the extra ``model``."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PARTS["model"].modules:
            raise
        hint = install_hint("model")
        raise MissingPackage(f"{who} needs the language model's packages: {hint}") from error


class EndpointError(LiorError):
    """A language model at a user's address did not reply."""

    def __init__(self, address: str, reason: str):
        self.reason = reason
        """One line, without the address."""
        super().__init__(f"{address}: {reason}")


class IndexUnavailable(LiorError):
    """The database of an index is unreachable, or refuses a request."""


class DeviceError(LiorError):
    """The requested device is not available."""


class Interrupted(LiorError):
    """The user stopped the work; the message names the saved results. The exit code is 128 plus the
    signal."""

    def __init__(self, message: str, exit_code: int = 130):
        self.exit_code = exit_code
        super().__init__(message)


class Stopped(LiorError):
    """Training stopped early on request; the message says how to continue."""


class PluginError(UsageError):
    """Base of all errors about plugins."""


class UnknownPlugin(PluginError, LookupError):
    """No installed plugin has this name."""


class BrokenPlugin(PluginError, ImportError):
    """The plugin is installed but cannot be imported or does not fit its interface."""

    exit_code = 1


class DuplicatePlugin(PluginError):
    """Two distributions claim the same name."""

    exit_code = 1


class UntrustedPlugin(PluginError):
    """Code would be imported that the user neither installed nor named."""

    exit_code = 1


class IncompatiblePlugin(BrokenPlugin):
    """The plugin was written for another version of the interfaces."""
