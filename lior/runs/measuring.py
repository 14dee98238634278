"""Measurements of a run: scores, sizes and pictures."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lior.config.options import check_keywords
from lior.errors import RunError
from lior.model import evaluation
from lior.reading.documents import RawDocument
from lior.runs import inspection
from lior.runs.documents import as_text

if TYPE_CHECKING:
    from lior.runs.checkpoint import Checkpoint


class Measured:
    """A run that can be measured: base class of :class:`~lior.runs.run.Run`."""

    __slots__ = ()

    @property
    def checkpoint(self) -> Checkpoint:
        """The model and its documents."""
        raise NotImplementedError

    @property
    def path(self) -> Path | None:
        """The run's directory, if it was written."""
        raise NotImplementedError

    def _directory(self) -> Path:
        """Return the run's directory; raises ``RunError`` for a run that was never written."""
        if self.path is None:
            raise RunError("the run has no directory: train with out=..., or keep it in memory")
        return self.path

    @check_keywords()
    def evaluate(self, text: str | bytes | None = None) -> evaluation.Score:
        """Score ``text``, or the run's own validation text, which ``data={"after_validation": "keep"}``
        leaves out of the memories.

        Raises
        ------
        RunError
            Without ``text``, when the run holds all of its text.
        """
        other = None if text is None else [RawDocument("text", as_text("text", text))]
        checkpoint = self.checkpoint
        return evaluation.evaluate(
            checkpoint.model, *(checkpoint.other_text(other) if other else checkpoint.validation())
        )

    def inspect(self) -> inspection.Inspection:
        """Return what ``lior inspect`` shows of the saved run: components, sizes, metric, invariants."""
        return inspection.inspect(self._directory(), self.checkpoint)

    @check_keywords()
    def plot(self, path: str | Path, *names: str, sample: int = 8192, form: str = "png") -> list[Path]:
        """Write the pictures of ``lior plot`` into the folder ``path``; returns the paths of the files.

        Parameters
        ----------
        names
            Pictures to write; by default all of which the run has numbers.
        sample
            Number of contexts in a sample.
        form
            ``png`` or ``svg``.

        Raises
        ------
        MissingPackage
            Without Matplotlib.
        RunError
            When the run was never written, or the folder cannot be written.
        """
        # By name: the pictures belong to a command, and commands are built on runs.
        write = import_module("lior_cli.run_pictures.pictures").write_pictures
        return [*write(self._directory(), self.checkpoint, Path(path), names, sample=sample, form=form)]
