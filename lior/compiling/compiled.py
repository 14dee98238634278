"""Compilation of loops by numba, once for each version of them.

Functions that Python calls are cached on disk (:func:`entry`); the functions that they call are compiled
into them (:func:`inner`). numba detects changes in the file of a cached function, but not in the functions
that it calls. So the folder's name is a digest of everything that the compiled code depends on.

numba caches code in the package (``__pycache__``) or, with ``NUMBA_CACHE_DIR``, in one folder for all
libraries. Files in the package break read-only installations, and the folder that remains hides the package
after an upgrade; the variable belongs to the user. So the functions get numba's own cache with a locator of
their own. This relies on three internals of numba, unchanged since 0.61: ``FunctionCache``, how
``IndexDataCacheFile`` reads and writes, and the attribute that ``Dispatcher.enable_caching`` sets.

numba trusts its files: a flipped bit gives wrong sums or ends the process, and code that another user
writes there is executed. So each file begins with the SHA-256 of the rest, and a folder that others can
write to is not used.

The functions of a package are compiled together, separately from other distributions; the package has a
module ``warmup`` with ``compile_all()``. A separate process compiles: :func:`begin` starts that program,
and a call that needs a function waits until it is there. There are two reasons. Compiling takes about ten
seconds and holds the interpreter's lock. The process that compiled a function may also run other code than
the cache holds. Its calls may go to the first compilation of a called function, not to the copy that was
optimised with its caller. Sums are then rounded in another order (``fastmath``), and the first run would
not give the same model as the next.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import pickle
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

from lior.compiling import cache
from lior.plugins.trust import import_path_statement
from lior.process import python

_LOG = logging.getLogger("lior")
_POLL = 0.05
_PROGRAM = """
import gc, sys
gc.set_threshold(100_000, 20, 20)  # numba makes millions of objects that stay: a tenth of the time
from lior.process import end_with_parent
end_with_parent(0)
from importlib import import_module
import_module(sys.argv[1] + ".warmup").compile_all()
"""
HOME, COUNTING = __name__.rpartition(".")[0], "lior_plugins.counting"
"""The package of the functions that every model needs, and that of the default memory."""
PACKAGES = HOME, COUNTING


def inner(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function that only compiled functions call.

    The function has no wrappers for Python and C, which take a third of the time of compiling. Called from
    Python it crashes, so tests call its ``py_func``. It counts no references to arrays, which would be
    atomic steps in every loop that takes an array from a named tuple, and so it cannot create arrays.
    """
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    return njit(**options) if function is None else njit(**options)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and cache the result for later processes.

    It runs without the interpreter's lock: threads may read, or compute addresses, side by side.
    """
    compiled = njit(nogil=True, no_cfunc_wrapper=True)(function)
    if not numba.config.DISABLE_JIT:
        compiled._cache = _Cache(function)
    return compiled


# --- the cache folder ---


def folder(package: str = COUNTING) -> Path:
    """Return the cache folder of ``package``; its name is a digest of the sources, numba, Python and the
    processor.

    If the user cannot write there, or another user can, a temporary folder serves this process alone.
    """
    return _folder(package)


@functools.cache  # apart from `folder`: a call that leaves the package out has another key
def _folder(package: str) -> Path:
    sources = [path for name in {HOME: 0, package: 0} for path in _sources(name)]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    host = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    versions = numba.__version__, llvmlite.__version__, sys.version, platform.machine()
    digest.update(repr((versions, host)).encode())
    kept = cache.root() / digest.hexdigest()[:16]
    try:
        if not (kept / _COMPLETE).exists():
            kept.mkdir(parents=True, exist_ok=True)
            (kept / _LOCK).open("a").close()
        cache.refuse_if_shared(kept)
    except OSError as error:
        return _temporary(kept, error)
    cache.mark_used(kept)
    return kept


def _sources(package: str) -> list[Path]:
    return sorted(Path(str(import_module(package).__file__)).parent.glob("*.py"))


_COMPLETE, _LOCK = "complete", "lock"
_environment: dict[str, str] = {}
"""Environment variables that tell the compiling process where to write."""
_message = "compiling counting loops for their first use: about half a minute"


def _temporary(kept: Path, error: OSError) -> Path:
    global _message
    _message = f"compiling the counting loops: {kept} cannot keep them ({error.strerror or error})"
    if "NUMBA_CACHE_DIR" not in _environment:
        _environment["NUMBA_CACHE_DIR"] = path = tempfile.mkdtemp(prefix="lior-")
        atexit.register(_remove, path, os.getpid())
    return Path(_environment["NUMBA_CACHE_DIR"]) / cache.BELOW / kept.name


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def _package_of(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[0]


class _Locator:
    """A locator that tells numba which folder caches a function."""

    def __init__(self, package: str, py_file: str, line: int) -> None:
        self._package, self._py_file, self._line = package, py_file, line

    @classmethod
    def from_function(cls, function: Callable[..., Any], py_file: str) -> _Locator:
        return cls(_package_of(function), py_file, function.__code__.co_firstlineno)

    def ensure_cache_path(self) -> None:
        folder(self._package).mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(folder(self._package))

    def get_source_stamp(self) -> str:
        """Return a digest of the file's contents: the same version installed again has the same stamp."""
        return hashlib.sha256(Path(self._py_file).read_bytes()).hexdigest()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012 (numba's)


_DIGEST = hashlib.sha256().digest_size


class _Files(IndexDataCacheFile):
    """The cache files of a function: each begins with the SHA-256 of the rest, and is written at once.

    A damaged file is removed together with the mark that everything is compiled: the compiling process then
    writes it again.
    """

    def _load_index(self) -> Any:
        try:
            version, stamp, overloads = self._read(self._index_path)
        except FileNotFoundError:
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: Any) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _read(self, path: str) -> Any:
        content = Path(path).read_bytes()
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            _discard(Path(path))
            raise FileNotFoundError(path)
        return pickle.loads(content[_DIGEST:])

    def _write(self, path: str, value: Any) -> None:
        data = self._dump(value)
        with self._open_for_write(path) as stream:
            stream.write(hashlib.sha256(data).digest() + data)


def _discard(path: Path) -> None:
    global _message
    _message = f"compiling the counting loops: {path.name} was damaged"
    for file in (path, path.with_name(_COMPLETE)):
        with contextlib.suppress(OSError):
            file.unlink()


class _Cache(FunctionCache):
    """numba's cache of a function; a problem with its files never stops the program."""

    _impl_class = _CacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._package = _package_of(function)
        locator = self._impl.locator
        stamp = locator.get_source_stamp()
        self._cache_file = _Files(locator.get_cache_path(), self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function if it is on disk or will be soon; None if it must be compiled here."""
        with _waiting:
            found = self._load(sig, target_context)
            if found is None and not _compiles_here:
                child = begin_compiling(self._package)
                _say()
                running = child is not None
                while found is None and running:
                    time.sleep(_POLL)
                    running = child is not None and child.poll() is None
                    found = self._load(sig, target_context)  # also if the child has just ended
            return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a partial file, another user's, or one of a changed format
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Cache a compiled function, if the folder is writable."""
        try:
            super().save_overload(sig, data)
        except OSError:
            if _compiles_here:
                raise


# --- compiling in a separate process ---

_lock = threading.Lock()
_children: dict[str, subprocess.Popen[bytes] | None] = {}
"""Process that compiles each package, by the package's name."""
_compiles_here = _said = False
"""Whether this is the compiling process; whether the user was told the reason for the wait."""


def begin_compiling(package: str = COUNTING) -> subprocess.Popen[bytes] | None:
    """Start a process that compiles ``package``, unless the cache has it; returns the process or ``None``."""
    with _lock:
        if _children.get(package) is None and not (
            _compiles_here or numba.config.DISABLE_JIT or (folder(package) / _COMPLETE).exists()
        ):
            _children[package] = _start(package)
        return _children.get(package)


class _Waiting:
    """The time that threads have waited for compiled functions or loaded them (a context manager)."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0
        self._since = self.seconds = 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._since = self._since if self._count else time.perf_counter()
            self._count += 1

    def __exit__(self, *fault: object) -> None:
        with self._lock:
            self._count -= 1
            self.seconds += 0.0 if self._count else time.perf_counter() - self._since


_waiting = _Waiting()


def waited() -> float:
    """Return the seconds that this process has waited for compiled functions, or loaded them."""
    return _waiting.seconds


def _start(package: str = COUNTING) -> subprocess.Popen[bytes] | None:
    command = python("-c", import_path_statement() + _PROGRAM, package)
    nothing = subprocess.DEVNULL
    try:
        # It runs in a process group of its own: Ctrl-C is for the waiting process, which then ends this
        # one. It shares the session: Linux divides time between sessions first, whatever their priorities
        # are. Nothing is written to its standard input: it ends when this process does.
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=nothing,
            stderr=nothing,
            process_group=0,
            env={**os.environ, "OMP_NUM_THREADS": "1", **_environment},
        )
    except OSError:  # no interpreter, or too many processes: functions are compiled on their first call
        return None
    atexit.register(_end, child, os.getpid())
    return child


def _end(child: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner and child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)  # also the processes that it has started
        child.wait()


@contextlib.contextmanager
def compiling(package: str = COUNTING) -> Iterator[bool]:
    """Let this process compile the functions of ``package`` that it calls; one process at a time does so.

    Yields whether anything is missing. A block that ends without an error marks everything as compiled.
    """
    global _compiles_here
    _compiles_here = True
    kept = folder(package)
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not (kept / _COMPLETE).exists()
        if missing:
            cache.remove_stale(kept)
        yield missing
        (kept / _COMPLETE).touch()


def _say() -> None:
    """Log the reason for the wait, once."""
    global _said
    if not _said:
        _said = True
        _LOG.info(_message)
