"""The command line answers at once: it imports no torch, no numpy, and little of the standard library.

How long that takes is a row of ``lior bench later``.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "pypdfium2", "docx", "charset_normalizer")
COMMANDS = [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["plugins"],
    ["plugins", "--json"],
    ["plugins", "new", "lior-x", "--kind", "frame"],
    ["config", "list"],
    ["config", "show"],
]

IMPORTED_BY_COMMANDS = f"""
import sys
from lior_cli.main import main
for args in {COMMANDS}:
    code = main(args)
    heavy = [name for name in {HEAVY} if name in sys.modules]
    if code or heavy:
        sys.exit(f"{{args}}: code {{code}}, imported {{heavy}}")
"""


def test_commands_import_nothing_heavy(tmp_path):
    code = [sys.executable, "-c", IMPORTED_BY_COMMANDS]
    subprocess.run(code, check=True, stdout=subprocess.DEVNULL, cwd=tmp_path)


LIGHT = [
    "lior",
    "lior.plugins.kinds",
    "lior.config.resolving",
    "lior.interfaces",
    "lior.events",
    "lior.testing",
]
IMPORTED_BY_MODULES = f"""
import sys
from importlib import import_module
for name in {[*LIGHT, "lior_cli.lazy"]}:
    import_module(name)
    if any(heavy in sys.modules for heavy in {HEAVY}):
        sys.exit(name)
"""


def test_imports_are_light():
    subprocess.run([sys.executable, "-c", IMPORTED_BY_MODULES], check=True)


@pytest.mark.parametrize(
    "use",
    [
        "from lior.reading.parsing import parse_bytes; parse_bytes(b'text', 'a.txt')",
        "from lior import Kind, Registry\n"
        "Registry(kinds={'a': Kind(group='t.as', interface='torch:Tensor')}).names('a')",
    ],
    ids=["reading", "a registry of its own"],
)
def test_use_is_light(use):
    code = f"import sys; {use}\nsys.exit(' '.join({{*{HEAVY}}} & {{*sys.modules}}) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_imports_no_command():
    code = (
        "import sys; from lior_cli.main import main; main(['--help']);"
        "loaded = {m for m in sys.modules if m.startswith('lior_cli.')};"
        "loaded -= {'lior_cli.main', 'lior_cli.lazy', 'lior_cli.output'};"
        "sys.exit(', '.join(loaded) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


UNUSED = (
    "asyncio",
    "concurrent",
    "hashlib",
    "http",
    "json",
    "logging",
    "multiprocessing",
    "numba",
    "rich",
    "sqlite3",
)
UNUSED += ("ssl", "subprocess", "tomllib", "unittest")


def test_help_loads_few_modules():
    """Half of the time of a start is imports: 207 modules when this was written."""
    code = (
        "import sys; from lior_cli.main import main; main(['--help']);"
        f"print([name for name in {UNUSED} if name in sys.modules], len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    found, count = done.stdout.splitlines()[-1].rsplit(" ", 1)
    assert found == "[]"
    assert int(count) < 240
