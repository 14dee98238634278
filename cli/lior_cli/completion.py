"""``lior completion``: the script that a shell needs to complete a command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for completion in a shell.

    It completes commands, options, plugins, recipes, keys and runs. To switch it on for new shells:

    \b
    bash: echo 'eval "$(lior completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(lior completion zsh)"' >> ~/.zshrc
    fish: lior completion fish > ~/.config/fish/completions/lior.fish
    """
    root = context.find_root()
    found = get_completion_class(shell)
    if root.info_name is None or found is None:
        raise LookupError(f"no completion for {shell} in Click")
    script = found(root.command, {}, root.info_name, f"_{root.info_name.upper()}_COMPLETE").source()
    # The value follows KEY= at once, and Bash would add a space.
    script = script.replace("\n    return 0\n", f"\n{_NO_SPACE}    return 0\n") if shell == "bash" else script
    click.echo(script)


_NO_SPACE = """\
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi

"""
