"""The laws that every :class:`~lior.interfaces.Listener` obeys."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from lior.errors import RunError
from lior.events import manager
from lior.interfaces import Listener
from lior.plugins.listening import heard
from lior.testing.strategies import Contract, law

_NAMES = st.lists(st.text(max_size=20), max_size=3)
_METRICS = st.dictionaries(
    st.text("abc_", min_size=1, max_size=9),
    st.one_of(st.floats(), st.lists(st.floats(), max_size=3)),
    max_size=3,
)


class ListenerContract(Contract[Listener]):
    """The laws of a listener."""

    def test_hears_events(self) -> None:
        listener = self.make()
        assert heard(listener), "no method is marked with hookimpl: it would be told nothing"
        manager([listener])

    @law(metrics=st.lists(_METRICS, min_size=1, max_size=3), names=_NAMES, kept=st.booleans())
    def test_takes_every_event_in_any_order(self, metrics: Any, names: Any, kept: bool) -> None:
        hook = manager([self.make()]).hook
        with _elsewhere() as folder:
            run = folder if kept else None
            for _ in range(2):  # a process may train twice
                hook.lior_documents_changed(run=run, learned=names, forgotten=names[:1])
                hook.lior_train_start(config=SimpleNamespace(), run=run)
                hook.lior_train_stage(stage="count", message="counting")
                for step, numbers in enumerate(metrics):
                    hook.lior_train_step(stage="count", step=step, steps=len(metrics), metrics=numbers)
                hook.lior_checkpoint_failed(error=RunError("the disk is full"))
                hook.lior_checkpoint_saved(path=folder / "000001")
                hook.lior_train_end(result=SimpleNamespace())

    def test_leaves_alone_where_it_is_started(self) -> None:
        with _elsewhere() as folder:
            manager([self.make()]).hook.lior_train_start(config=SimpleNamespace(), run=None)
            assert not [*folder.iterdir()], "it writes into the working directory without being asked"


listener_contract = ListenerContract.of


@contextlib.contextmanager
def _elsewhere() -> Any:
    """Work in a new folder (context manager)."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
