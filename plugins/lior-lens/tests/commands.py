"""The command line in this process: no interpreter is started, no torch imported anew."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from subprocess import CompletedProcess
from unittest import mock

from lior_cli.main import main


def lens(*arguments, cwd=None, **variables) -> CompletedProcess[str]:
    """What ``lior lens`` does, prints and returns."""
    out, error = io.StringIO(), io.StringIO()
    here = contextlib.chdir(cwd) if cwd else contextlib.nullcontext()
    with (
        mock.patch.dict(os.environ, variables),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        here,
    ):
        code = main(["lens", *map(str, arguments)])
    return CompletedProcess(list(arguments), code, out.getvalue(), error.getvalue())
