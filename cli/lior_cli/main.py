"""The command line's entry point: the group of commands, and errors as one line.

Nothing but Click is imported before a command is chosen. The built-in commands
are ``module:attribute`` strings with their help beside them; other
distributions add commands through the entry-point group ``lior.commands``.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import LiorError, install_hint, needs_model, out_of_memory
from lior.plugins.trust import FLAG, Trust
from lior.process import shield_children
from lior_cli.lazy import LazyGroup
from lior_cli.output import escape_controls, escaping

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from lior.plugins.discovery import Origin

COMMANDS = {
    "train": ("lior_cli.train:train", "Learn a model from text."),
    "generate": ("lior_cli.generate:generate", "Continue a prompt."),
    "why": ("lior_cli.why:why", "Show where the words of a continuation come from."),
    "score": ("lior_cli.score:score", "Show where FILE surprises a model."),
    "eval": ("lior_cli.eval:evaluate", "Score a model on text, in bits per byte."),
    "learn": ("lior_cli.documents:learn", "Add documents to a trained run."),
    "forget": ("lior_cli.documents:forget", "Take documents out of a run, exactly."),
    "docs": ("lior_cli.documents:docs", "List the documents of a run."),
    "plot": ("lior_cli.plot:plot", "Draw pictures of a run."),
    "inspect": ("lior_cli.inspection:inspect", "Show the components of a run, and check the run."),
    "plugins": ("lior_cli.plugins:plugins", "List or check the installed plugins, or begin a new one."),
    "config": ("lior_cli.config:config", "List, show, copy or check recipes."),
    "cache": (
        "lior_cli.cache:cache",
        "List what is kept in the user's cache: indexes of folders, and compiled code.",
    ),
    "install": ("lior_cli.install:install", "Install parts of lior, or other packages, with pip."),
    "completion": ("lior_cli.completion:completion", "Print a script for completion in a shell."),
}
"""The location (``module:attribute``) and the help of each command, by name."""
_SECTIONS = {
    "Folders and files, without training": ("ask", "chat", "serve", "mcp", "sync"),
    "Models": ("train", "archive"),
    "Runs": ("generate", "why", "score", "eval", "learn", "forget", "docs", "plot", "inspect"),
    "Further commands": ("plugins", "config", "cache", "install", "completion"),
}
"""The headings of the help, with the commands below each."""
_OF_RUNS = "Runs"
"""The heading of commands that need a run."""

PRODUCTS = {
    "ask": ("lior-ask", "Find the answer to QUESTION in folders and files."),
    "chat": ("lior-ask", "Ask a run or a folder, one question after the other."),
    "serve": ("lior-serve", "Serve folders or a run: a page, OpenAI's protocol, MCP and JSON."),
    "mcp": ("lior-serve", "Serve folders or a run to an agent over standard input and output (MCP)."),
    "sync": ("lior-ask", "Learn what is new or changed in a folder, forget what is gone."),
    "archive": ("lior-archive", "Sort TEXT, of any size, to the folder OUT."),
    "bench": ("lior-bench", "Compare recipes with baselines, under equal budgets."),
    "field": ("lior-field", "Field dynamics."),
    "lens": ("lior-lens", "Correct the distortion of lenses."),
    "ritz": ("lior-ritz", "Solve quantum dots."),
    "table": ("lior-tables", "Fit tables."),
}
"""The distribution and help of each command of lior's other distributions, without an import."""

DEFECT = 70
"""The exit code after an unexpected error: EX_SOFTWARE of sysexits.h."""
REPORTED_AT = "https://github.com/lior-project/lior/issues"
_OBJECTS = 20_000
"""The number of new objects after which Python searches for garbage: imports make 100,000
permanent objects.
"""
_LONGEST_MESSAGE = 4000
"""The maximum length of an error message, in characters; the middle of a longer one is left out."""
INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT."""


class TopGroup(LazyGroup):
    """A group of the built-in commands and the commands of other distributions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = PRODUCTS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the built-in commands, then those of plugins."""
        return [*COMMANDS, *(name for name in _foreign()[0] if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; the built-in one if a plugin has the same name."""
        if command := super().get_command(ctx, cmd_name):
            return command
        from lior import registry

        foreign, fault = _foreign()
        if fault:
            raise fault
        if cmd_name not in foreign:
            return None
        found: click.Command = registry.get("command", cmd_name)  # type: ignore[assignment]
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command, or report what to install if its distribution is missing."""
        if (name := str(args[0])) in PRODUCTS and name not in self.list_commands(ctx):
            distribution = PRODUCTS[name][0]
            hint = install_hint(distribution.removeprefix("lior-"))
            ctx.fail(f"`lior {name}` comes with {distribution}: {hint}.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; report what to install if the model's packages are missing."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError:
            with needs_model(f"lior {ctx.invoked_subcommand}"):
                raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the built-in commands, then those of plugins with their distributions.

        The commands for runs are listed only if there is a run below this folder or its folder ``runs``.
        """
        runs = ctx.ensure_object(GroupOptions).every or _runs_here()
        foreign, fault = _foreign()
        for heading, names in _SECTIONS.items():
            with formatter.section(heading):
                if heading == _OF_RUNS and not runs:
                    formatter.write_text("None here. `lior train` makes one; then its commands are listed.")
                    continue
                there = [name for name in names if name in self._lazy or foreign.pop(name, "")]
                rows = [(name, (self._lazy.get(name) or PRODUCTS[name])[1]) for name in there]
                if rows:
                    formatter.write_dl(rows)
                else:
                    formatter.write_text("None here: `lior install ask` brings `ask`, `chat` and `sync`.")
        if foreign or fault:
            with formatter.section("Commands of plugins"):
                if foreign:
                    formatter.write_dl(list(foreign.items()))
                if fault:
                    formatter.write_text(str(fault))


def _runs_here() -> bool:
    """Return whether this folder or its folder ``runs`` is a run or contains one."""
    from lior.reading.finding import is_run

    folders = [Path(), Path("runs")]
    with contextlib.suppress(OSError):
        folders += [each for folder in folders if folder.is_dir() for each in folder.iterdir()]
    return any(map(is_run, folders))


def _foreign() -> tuple[dict[str, str], LiorError | None]:
    """Return the help of other distributions' commands, and the error if they cannot be listed."""
    from lior import registry

    rows: dict[str, str] = {}
    try:
        for name in registry.names("command"):
            source = " and ".join(origin.source for origin in registry.origins("command", name))
            rows[name] = f"ignored: {source} claims a name of lior" if name in COMMANDS else f"from {source}"
    except LiorError as error:  # a malformed variable must not prevent the help
        return rows, error
    return rows, None


class GroupOptions:
    """Values of the options before a command."""

    debug = False
    every = False
    """Whether the help lists all commands, from any folder."""


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.ensure_object(GroupOptions).debug = value


def _set_trust(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    Trust.every = value
    ctx.call_on_close(lambda: setattr(Trust, "every", False))  # later commands must not inherit it


def _extends_lior(found: Distribution) -> bool:
    """Return whether a distribution other than lior has plugins or commands of lior."""
    return found.name != "lior" and any(each.group.startswith("lior.") for each in found.entry_points)


def _print_versions(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import distributions

    from lior import __version__

    parts = {each.name: each.version for each in distributions() if _extends_lior(each)}
    for name, version in ("lior, version", __version__), *sorted(parts.items()):
        click.echo(f"{name} {version}")
    ctx.exit()


@click.group(cls=TopGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_versions,
    help="Show the versions of lior and of its installed parts, and exit.",
)
@click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks of errors."
)
@click.option(
    FLAG,
    is_flag=True,
    expose_value=False,
    callback=_set_trust,
    help="Import the classes that a run names as package.module:Class.",
)
def cli() -> None:
    """Ask your own notes, mail, tables and logs; train models of them without autograd."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Codes: 0 success; 1 failure; 2 wrong use; 70 a defect; 130 interrupted.
    """
    options = GroupOptions()
    _replace_closed_streams()
    _replace_removed_folder()
    warnings.showwarning = _note
    warnings.simplefilter("always", UserWarning)  # every time, not once for each line of code
    if args is None:
        # torch reads these once, during its import. Threads that spin while they wait make a busy machine
        # several times slower. Without strict reproducibility, MKL's last bits depend on the thread count.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
        shield_children()
        _hasten(sys.argv[1:])
        atexit.register(gc.freeze)  # the remaining objects need no garbage collection
    with escaping():
        try:
            code = cli.main(args=args, prog_name="lior", obj=options, standalone_mode=False)
            sys.stdout.flush()
        except SystemExit as error:
            return _exited(error)
        except Exception as error:
            if options.debug and not isinstance(error, click.exceptions.ClickException | click.Abort):
                raise
            return _report(error)
        return code if isinstance(code, int) else 0


def _note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning of lior as one line; those of libraries address programmers and are dropped."""
    if category.__module__.startswith("lior"):
        click.echo(escape_controls(f"note: {message}"), err=True)


def _hasten(args: Sequence[str]) -> None:
    """Let one thread compute questions to folders, and let ``ask`` collect garbage less often.

    Long-running processes keep Python's own threshold: with a larger one a chat did not react to Ctrl-C.

    numpy reads the number of threads when it is imported. For products of some thousand rows several threads
    are slower on a busy machine. Four servers on two cores answered 50 questions a second with several
    threads and 148 with one. A question as a process of its own took 1.4 s and 1.0 s of CPU time.
    """
    asked, served = args[:1] in (["ask"], ["chat"]), args[:1] in (["serve"], ["mcp"])
    if not (asked or served):
        return
    from lior.reading.finding import is_run

    if any(is_run(Path(each)) for each in args):
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if args[0] == "ask":
        gc.set_threshold(_OBJECTS)
    if served:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _replace_closed_streams() -> None:
    """Discard output to a standard stream that was closed (``>&-``), for which Python has ``None``."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _replace_removed_folder() -> None:
    """Work in an empty folder if the working directory was removed: libraries need one."""
    try:
        Path.cwd()
    except FileNotFoundError:
        import tempfile

        os.chdir(place := tempfile.mkdtemp(prefix="lior-"))
        atexit.register(_remove_if_empty, place)
        click.echo(f"lior: the working directory was removed; relative names are those of {place}", err=True)


def _remove_if_empty(folder: str) -> None:
    with contextlib.suppress(OSError):
        Path(folder).rmdir()


def _discard_output() -> None:
    """Discard the remaining output: its reader has closed it, and the interpreter must not try at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: Exception) -> int:
    """Print an error as one line and return the exit code."""
    match error:
        case BrokenPipeError():  # the reader needs no more output
            _discard_output()
            return 0
        case click.Abort():
            click.echo("lior: interrupted", err=True)
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():  # a group without a command
            click.echo(error.format_message())
            return 0
        case click.UsageError():
            return _fail(_told_of_usage(error), error.exit_code)
        case click.ClickException():
            return _fail(error.format_message(), error.exit_code)
        case LiorError():
            return _fail(str(error), error.exit_code)
        case OSError(errno=errno.ENOSPC):
            if not error.filename:  # the output: its rest must not be tried again at the end
                _discard_output()
            told = f"no space left on the device: {error.filename or 'output'}. Free some and repeat."
            return _fail(told, getattr(error, "exit_code", 1))
        case OSError(strerror=str()):
            told = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
            return _fail(told, getattr(error, "exit_code", 1))
    if out_of_memory(error):
        return _fail("out of memory. Use a smaller model, batch or text.")
    return _report_defect(error)


def _exited(error: SystemExit) -> int:
    """Return the exit code after ``sys.exit``, which a command may call, and another plugin may not."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    if frame.f_globals.get("__name__") == click.core.__name__:  # the reader has closed the output
        _discard_output()
        return 0
    origin, _ = _plugin_at_fault(error)
    if origin and origin.kind != "command":
        return _report_defect(error)
    if isinstance(error.code, str):
        return _fail(error.code)
    return error.code or 0


def _told_of_usage(error: click.UsageError) -> str:
    """Return what is wrong with the arguments, and where the right ones are."""
    told = error.format_message()
    if type(error) is click.BadParameter and (given := error.param):
        name = given.opts[0] if given.param_type_name == "option" else given.human_readable_name
        told = f"{name}: {error.message.rstrip('.')}."
    return f"{told} Try '{error.ctx.command_path if error.ctx else 'lior'} --help'."


def _report_defect(error: BaseException) -> int:
    """Print who must mend the defect behind an error, and return the exit code."""
    cause = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    origin, place = _plugin_at_fault(error)
    if origin:
        told = f"{origin.label} ({place}) failed: {cause}. Tell its authors;"
        return _fail(f"{told} `lior --debug ...` shows the traceback.", DEFECT)
    told = f"{cause}. This is a defect of lior or of a plugin; please report it at {REPORTED_AT}"
    return _fail(f"{told} with what `lior --debug ...` shows.", DEFECT)


def _plugin_at_fault(error: BaseException) -> tuple[Origin | None, str]:
    """Return the plugin that is not of lior and whose module raised ``error``, if any, with module and line.

    The innermost plugin counts: an error in torch inside a plugin's call is attributed to the plugin.
    """
    from lior.plugins.registry import registry

    owners = registry.foreign_modules()
    found: tuple[Origin | None, str] = (None, "")
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        if origin := owners.get(module):
            found = origin, f"{module}, line {line}"
    return found


def _fail(message: str, code: int = 1) -> int:
    line = re.sub(r"\n(?!  )", " ", message)  # a line break in a name; lists of faults are indented
    if len(line) > _LONGEST_MESSAGE:
        line = f"{line[: _LONGEST_MESSAGE // 2]} … {line[-_LONGEST_MESSAGE // 2 :]}"
    click.echo(f"lior: error: {line}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
