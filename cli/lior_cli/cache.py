"""``lior cache``: the folder of compiled code."""

from __future__ import annotations

import click


@click.command()
@click.option("--clear", is_flag=True, help="Remove everything in it.")
def cache(clear: bool) -> None:
    """Show or empty the folder of compiled code.

    The first command that needs them compiles the counting loops and keeps the result there, for each version
    of lior. Versions that are no longer used are removed when another is compiled. NUMBA_CACHE_DIR names
    another place.
    """
    from lior.counting import cache

    found = cache.versions()
    size = sum(map(cache.size, found)) / 2**20
    if clear:
        cache.clear()
    label = f"{len(found)} version{'' if len(found) == 1 else 's'}, {size:.1f} MiB"
    click.echo(f"{cache.root()}: {label}{' removed' if clear else ''}")
