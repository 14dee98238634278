"""Broadcast events reach whoever listens, with the arguments they ask for."""

from __future__ import annotations

import pytest

from lior.errors import PluginError
from lior.events import Events, hookimpl, manager


class Recorder:
    def __init__(self):
        self.seen = []

    @hookimpl
    def lior_train_step(self, step, metrics):
        self.seen.append((step, metrics))

    @hookimpl
    def lior_checkpoint_saved(self, path):
        self.seen.append(path)


def test_every_callback_hears_every_event():
    first, second = Recorder(), Recorder()
    hook = manager([first, second]).hook
    hook.lior_train_step(stage="mixer", step=1, steps=2, metrics={"loss": 0.5})
    hook.lior_train_end(result=None)
    hook.lior_checkpoint_saved(path="x")
    assert first.seen == second.seen == [(1, {"loss": 0.5}), "x"]


def test_all_events_are_known_and_may_be_unheard():
    hook = manager().hook
    for name in (name for name in vars(Events) if name.startswith("lior_")):
        assert getattr(hook, name).spec is not None


def test_mistyped_event_is_refused():
    class Wrong:
        @hookimpl
        def lior_train_stop(self):
            pass

    with pytest.raises(PluginError, match=r"Wrong cannot listen.*lior_train_stop"):
        manager([Wrong()])


def test_unknown_argument_is_refused():
    class Wrong:
        @hookimpl
        def lior_train_end(self, results):
            pass

    with pytest.raises(PluginError, match=r"Wrong cannot listen.*results"):
        manager([Wrong()])
