r"""A finished run as an object: complete, score, learn, forget, and say where words come from.

>>> import lior
>>> notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\n" * 9 for i in range(9)}
>>> run = lior.train(documents=notes, memory="sdm,match", fit={"passes": 0}).run
>>> document = run.learn({"plan": "The launch of the great balloon is on the fourth of May."})
>>> run.complete("The launch of the great balloon", 25, temperature=0)
' is on the fourth of May.'
>>> word = run.sources("The launch of the great balloon is on the", " fourth")[1]
>>> word.sources[0].document, word.sources[0].line, word.sources[0].column
('plan', 1, 43)
>>> run.forget("plan").name
'plan'
>>> "May" in run.complete("The launch of the great balloon", 25, temperature=0)
False
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import torch

from lior.config.options import checked_keywords
from lior.config.sampling import Sampling
from lior.data import corpus
from lior.data.corpus import Source, as_bytes
from lior.errors import DataError, RunError, UsageError
from lior.model.evaluation import evaluate
from lior.model.generation import generate
from lior.model.language_model import Model
from lior.model.provenance import Explained, explain
from lior.runs import editing
from lior.runs.directory import RunDir, open_version
from lior.runs.manifest import read_manifest
from lior.runs.stored import Document, Loaded
from lior.tensors import pick_device


@attrs.define
class Run:
    """A model with its documents. Changes are in memory until :meth:`save`."""

    _loaded: Loaded
    path: Path | None = None
    """The run's directory; ``None`` for one that was never written."""
    _version: Path | None = None
    _forgotten: bool = attrs.field(default=False, init=False)
    _whole: bool = attrs.field(default=True, init=False)
    """Whether no change was broken off, which would leave the memories between two states."""
    changes: int = attrs.field(default=0, init=False)
    """Documents learned and forgotten since the run was opened or saved."""

    @property
    def model(self) -> Model:
        """The model itself."""
        return self._loaded.model

    @property
    def loaded(self) -> Loaded:
        """The model with its text."""
        return self._loaded

    def documents(self) -> list[Document]:
        """All documents in the order in which they were learned."""
        return self._loaded.documents()

    @checked_keywords(Sampling)
    def complete(self, prompt: str | bytes, tokens: int = 200, *, seed: int = 0, **sampling: Any) -> str:
        """Continue ``prompt`` by ``tokens`` tokens; ``sampling`` are the fields of :class:`Sampling`."""
        model = self.model
        generator = torch.Generator(model.device).manual_seed(seed)
        context = model.tokenizer.encode(as_bytes(prompt)).tolist()
        drawn = generate(model, context, tokens, Sampling(**sampling), generator=generator)
        return model.tokenizer.decode(list(drawn)).decode("utf-8", "replace")

    @checked_keywords()
    def score(self, text: str | bytes) -> float:
        """How surprised the model is by ``text``, in bits per byte."""
        one = corpus.build([Source("text", as_bytes(text))], self.model.tokenizer).to(self.model.device)
        return evaluate(self.model, one, 0, len(one)).bits_per_byte

    @checked_keywords()
    def sources(
        self, prompt: str | bytes, text: str | bytes, *, most: int = 5, words: bool = True
    ) -> list[Explained]:
        """Where the words of ``text``, or its tokens, would come from if the model said it after ``prompt``.

        Parameters
        ----------
        most
            Places of each that are listed, the weightiest first.

        Returns
        -------
        list of Explained
            One for each word, or token: its probability, the experts' weights, and the stored places behind
            it with document, line and excerpt. The weights sum to the probability.
        """
        encode = self.model.tokenizer.encode
        before, tokens = encode(as_bytes(prompt)).tolist(), encode(as_bytes(text)).tolist()
        return explain(self._loaded.model, self._loaded.text, before, tokens, most=most, words=words)

    @checked_keywords()
    def learn(
        self, text: str | Path | Sequence[str] | Mapping[str, str | bytes], *, name: str | None = None,
        field: str = "text",
    ) -> list[Document]:  # fmt: skip
        """Learn further documents.

        Parameters
        ----------
        text
            Paths as ``lior train`` takes them, or a mapping of names to texts.
        name
            What to call it instead of its path, for a single document.
        field
            Key of the text in a line of JSON Lines.

        Raises
        ------
        DataError
            When a text cannot be read or is empty, or a document of its name is there already.
        UsageError
            When ``name`` is given for several documents.
        """
        sources = _sources(text, field)
        if name is not None:
            if len(sources) != 1:
                raise UsageError(f"name {name!r} is for one document, not for {len(sources)}; leave it out")
            sources = [Source(name, sources[0].data)]
        before = len(self._loaded.text.names)
        self._change(lambda: editing.learn(self._loaded, sources), len(sources))
        return self.documents()[before:]

    @checked_keywords()
    def forget(self, name: str) -> Document:
        """Forget the document of that name, or the only one whose path ends with it.

        The memories are then what they would be had they never been told it, and so is every version of
        the run on the disk after :meth:`save`. Training takes several documents of one name; all of them
        are forgotten then, and the sizes returned are their sums.

        Raises
        ------
        DataError
            When there is no such document, or several of different names.
        """
        gone = self.forget_all([name])
        sizes = {key: sum(getattr(each, key) for each in gone) for key in ("bytes", "tokens", "held")}
        return attrs.evolve(gone[0], **sizes)

    def forget_all(self, names: Sequence[str]) -> list[Document]:
        """Forget several documents at once, in the time that one takes; all of them or none.

        Raises
        ------
        DataError
            As :meth:`forget`.
        """
        indices = sorted({index for name in names for index in editing.find(self._loaded, name)})
        documents = self.documents()
        self._change(lambda: editing.forget(self._loaded, indices), len(indices))
        self._forgotten = self._forgotten or bool(indices)
        return [documents[index] for index in indices]

    def _change(self, work: Callable[[], Loaded], changes: int) -> None:
        """Do ``work``, which changes the model; one that is broken off may leave it between two states."""
        try:
            self._loaded = work()
        except DataError:  # before anything was changed
            raise
        except BaseException:
            self._whole = False
            raise
        self.changes += changes

    def save(self) -> None:
        """Write the changes as the run's next version; the former stays until this one is complete.

        Raises
        ------
        RunError
            When the run was never written, another process has it or has changed it, or it cannot be written;
            when a change was broken off; and when what was forgotten cannot be removed from earlier versions.
        """
        if self.path is None or self._version is None:
            raise RunError("the run has no directory: train with out=..., or keep it in memory")
        if not self._whole:
            raise RunError(f"{self.path}: a change was broken off; nothing was written; open the run anew")
        with closing(RunDir.at(self.path, self._version, self._loaded)) as directory:
            try:
                directory.save_edited(self._loaded, forgotten=self._forgotten)
            except OSError as error:
                raise RunError(
                    f"{self.path}: cannot be written: {error.strerror or error}; it is as it was"
                ) from error
            finally:
                if directory.checkpoint != self._version:
                    self._written(directory.checkpoint)

    def _written(self, version: Path | None) -> None:
        """``version`` is what is in memory."""
        assert version is not None
        self._version = version
        self._loaded = attrs.evolve(self._loaded, manifest=read_manifest(version))
        self.changes, self._forgotten = 0, False


@checked_keywords()
def load(run: str | Path, *, device: str = "cpu") -> Run:
    """Open the run directory ``run`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    DeviceError
        When CUDA is asked for and absent.
    RunError
        When it is no run, unfinished or damaged.
    """
    loaded, version = open_version(Path(run), device=pick_device(device))
    return Run(loaded, Path(run), version)


def _sources(text: str | Path | Sequence[str] | Mapping[str, str | bytes], field: str) -> list[Source]:
    if isinstance(text, Mapping):
        return [Source(name, as_bytes(value)) for name, value in text.items()]
    paths = [str(text)] if isinstance(text, str | Path) else [str(path) for path in text]
    if not paths:
        raise UsageError("nothing to learn was given; name files or folders")
    return corpus.read(paths, field=field)
