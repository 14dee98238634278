r"""A finished run as an object: ask, complete, score, learn, forget, and find the sources of words.

>>> import lior
>>> notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\n" * 9 for i in range(9)}
>>> run = lior.train(documents=notes, memory="sdm,match", fit={"passes": 0}, geometry={"updates": 8})
>>> document = run.learn({"plan": "The launch of the great balloon is on the fourth of May."})
>>> run.ask("When is the launch of the balloon?").answer.text
'The launch of the great balloon is on the fourth of May.'
>>> run.complete("The launch of the great balloon", 25, temperature=0)
' is on the fourth of May.'
>>> word = run.sources("The launch of the great balloon is on the", " fourth")[1]
>>> word.sources[0].document, word.sources[0].line, word.sources[0].column
('plan', 1, 43)
>>> run.forget("plan").name
'plan'
>>> "May" in run.complete("The launch of the great balloon", 25, temperature=0)
False
>>> run
<Run in memory: 9 documents, 2,754 bytes, 2 changes not saved>
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar, overload

import attrs
import torch
from torch import Tensor

from lior.config.options import check_keywords
from lior.config.sampling import ChatSampling, Sampling
from lior.data import corpus
from lior.errors import RunError, UsageError, quantity
from lior.interfaces import Passage
from lior.model.detokenizer import Detokenizer
from lior.model.evaluation import evaluate
from lior.model.generation import Request, generate, generate_all
from lior.model.language_model import Model
from lior.model.provenance import Explained, explain
from lior.plugins.listening import tell
from lior.reading.documents import RawDocument
from lior.reading.finding import as_path, as_paths
from lior.runs import documents as texts
from lior.runs.checkpoint import Checkpoint, Document, total
from lior.runs.directory import RunDirectory, is_changed, read_summary
from lior.runs.documents import as_text
from lior.runs.edits import Edit, Edited
from lior.runs.indexes import indexes
from lior.runs.measuring import Measured
from lior.runs.syncing import Synced
from lior.tensors import all_threads

T = TypeVar("T")


@attrs.define(repr=False)
class Run(Measured):
    """A model with its documents, as :func:`load`, ``lior.train`` and ``lior.resume`` return it.

    It wraps a :class:`~lior.runs.checkpoint.Checkpoint` in memory, either just trained or read from a
    directory. Changes are in memory until :meth:`save`.
    """

    edited: Edited
    """The model and its documents in memory, with the changes of this object."""
    _summary: dict[str, Any] | None = None

    def __repr__(self) -> str:
        text = self.checkpoint.corpus
        changes = f", {quantity(self.changes, 'change')} not saved" if self.changes else ""
        where = self.path or "in memory"
        return (
            f"<Run {where}: {quantity(text.documents, 'document')}, {quantity(text.bytes, 'byte')}{changes}>"
        )

    def _repr_html_(self) -> str:
        from lior.runs.notebook import as_html

        summary = None
        with suppress(RunError):
            summary = self.summary
        return as_html(repr(self), summary, self.path / "metrics.jsonl" if self.path else None)

    @property
    def summary(self) -> dict[str, Any] | None:
        """The object that ``lior train --json`` prints; ``None`` when the directory has no ``summary.json``.

        Raises ``RunError`` when that file is damaged.
        """
        if self._summary is None and self.path is not None:
            self._summary = read_summary(self.path)
        return self._summary

    @property
    def checkpoint(self) -> Checkpoint:
        """The model and its documents, as :meth:`save` would write them now."""
        return self.edited.checkpoint

    @property
    def model(self) -> Model:
        """The language model."""
        return self.checkpoint.model

    @property
    def path(self) -> Path | None:
        """The run's directory; ``None`` for a run that was never written."""
        return self.edited.path

    @property
    def changes(self) -> int:
        """Number of documents learned and forgotten since the run was opened or saved."""
        return self.edited.changes

    def documents(self) -> list[Document]:
        """Return all documents in the order in which they were learned."""
        return self.checkpoint.documents()

    def text(self, name: str) -> list[bytes]:
        """Return the documents of exactly this name, each whole; training accepts several of one name.

        Raises
        ------
        DataError
            When there is none.
        """
        return [document.data for document in self.edited.raw(name)]

    # --- questions ---

    @property
    def index(self) -> Any:
        """The index of the documents, a :class:`lior_ask.Index`, built on first use.

        Learning and forgetting change it.

        Raises ``MissingPackage`` when lior-ask is not installed.
        """
        return self.edited.questions.index(self.checkpoint, self.edited.stored)

    @check_keywords()
    def ask(self, question: str, top: int = 3, *, filters: Any = None) -> Any:
        """Find the passages of the documents that answer a question, and decide whether any does.

        Lines and columns refer to the documents as the run stores them. Later changes count at once.
        ``filters`` are :class:`lior_ask.Filters`; the reply is a :class:`lior_ask.Answer`.

        Raises
        ------
        MissingPackage
            When lior-ask is not installed.
        UsageError
            When the question has no word to look for, or is too long.
        """
        return self.index.ask(question, top, filters)

    def confirm(self, question: str, passage: Passage) -> bool:
        """Confirm as :meth:`lior_ask.Index.confirm`, stored with the run until the document is forgotten.

        Raises ``RunError`` when another process changes the run; nothing is confirmed then.
        """
        edited = self.edited
        return edited.questions.confirm(question, passage, edited.checkpoint, edited.stored)

    @check_keywords(ChatSampling)
    def chat(self, tokens: int = 300, *, stop: str = "\n\n", seed: int = 0, **sampling: Any) -> Any:
        """Begin a conversation, as ``lior chat`` does: ``chat.say("...")`` replies.

        It is a :class:`lior_ask.conversation.run_chat.Chat`.

        Parameters
        ----------
        tokens
            Maximum number of tokens of a text that the model writes.
        stop
            Text at which such a text ends; empty for none.
        sampling
            Fields of :class:`~lior.config.sampling.ChatSampling`, such as ``temperature=0``.

        Raises
        ------
        MissingPackage
            When lior-ask is not installed.
        UsageError
            When an argument has the wrong value, or an unknown name.
        """
        how, ends = ChatSampling(**sampling), as_text("stop", stop).decode("utf-8", "replace")
        return indexes("lior.Run.chat").chat(self, sampling=how, tokens=tokens, stop=ends, seed=seed)

    # --- the language model ---

    @overload
    def complete(self, prompt: str | bytes, tokens: int = 200, *, seed: int = 0, **sampling: Any) -> str: ...
    @overload
    def complete(
        self, prompt: Sequence[str | bytes], tokens: int = 200, *, seed: int = 0, **sampling: Any
    ) -> list[str]: ...
    @check_keywords(Sampling)
    def complete(
        self,
        prompt: str | bytes | Sequence[str | bytes],
        tokens: int = 200,
        *,
        seed: int = 0,
        **sampling: Any,
    ) -> str | list[str]:
        """Continue ``prompt`` by ``tokens`` tokens; each text of a list is continued as if it were alone.

        Parameters
        ----------
        sampling
            Fields of :class:`~lior.config.sampling.Sampling`, such as ``temperature=0``.

        Raises
        ------
        UsageError
            When an argument has the wrong type or value, or an unknown name.
        """
        if isinstance(prompt, str | bytes) or not isinstance(prompt, Sequence):
            return "".join(self.stream(prompt, tokens, seed=seed, **sampling))
        prompts = [as_text(f"prompt {number}", each) for number, each in enumerate(prompt, 1)]
        encode, how = self.model.tokenizer.encode, Sampling(**sampling)
        _check_counts(tokens=tokens, seed=seed)
        requests = [
            Request(encode(each).tolist(), tokens, how, torch.Generator().manual_seed(seed))
            for each in prompts
        ]
        found = generate_all(self.model, requests, threads=all_threads())
        return ["".join(Detokenizer(self.model.tokenizer).pieces(each)) for each in found]

    @check_keywords(Sampling)
    def stream(
        self, prompt: str | bytes, tokens: int = 200, *, seed: int = 0, **sampling: Any
    ) -> Iterator[str]:
        """Yield the result of :meth:`complete` in pieces of whole characters, as tokens are drawn."""
        _check_counts(tokens=tokens, seed=seed)
        model, how = self.model, Sampling(**sampling)
        generator = torch.Generator().manual_seed(seed)
        context = model.tokenizer.encode(as_text("prompt", prompt)).tolist()
        drawn = generate(model, context, tokens, how, generator=generator)
        return filter(None, Detokenizer(model.tokenizer).pieces(drawn))

    @overload  # a str is a sequence of str as well; the first match counts
    def score(self, text: str | bytes) -> float: ...  # type: ignore[overload-overlap]
    @overload
    def score(self, text: Sequence[str | bytes]) -> list[float]: ...
    @check_keywords()
    def score(self, text: str | bytes | Sequence[str | bytes]) -> float | list[float]:
        """Return the cross-entropy of ``text``, or of each text in a list, under the model in bits per
        byte.

        An empty text has 0.

        Raises
        ------
        UsageError
            When ``text`` is neither a text nor a list of texts.
        """
        one = isinstance(text, str | bytes) or not isinstance(text, Sequence)
        texts = (
            [as_text("text", text)] if one else [as_text(f"text {i}", each) for i, each in enumerate(text, 1)]
        )
        sources = [RawDocument(str(number), data) for number, data in enumerate(texts) if data]
        other = corpus.build_corpus(sources, self.model.tokenizer).to(self.model.device)
        costs: list[Tensor] = [torch.zeros(0, dtype=torch.float64)]
        evaluate(self.model, other, 0, len(other), each=lambda cost: costs.append(cost.cpu()))
        cost, found = torch.cat(costs), [0.0] * len(texts)
        for number, (name, data, _) in enumerate(sources):
            begin, end = other.bounds(number)
            found[int(name)] = float(cost[begin:end].sum()) / len(data) / math.log(2)
        return found[0] if one else found

    @check_keywords()
    def sources(
        self, prompt: str | bytes, text: str | bytes, *, most: int = 5, words: bool = True
    ) -> list[Explained]:
        """Return the stored places that predict the words of ``text``, or its tokens, after ``prompt``.

        Parameters
        ----------
        most
            Maximum number of places listed for each, those with the largest weight first.

        Returns
        -------
        list of Explained
            For each word, or token: its probability, the experts' weights, and the stored places behind it
            with document, line and excerpt. The weights sum to the probability.

        Raises
        ------
        UsageError
            When ``prompt`` or ``text`` is not a text.
        """
        _check_counts(most=most)
        encode = self.model.tokenizer.encode
        before, tokens = encode(as_text("prompt", prompt)).tolist(), encode(as_text("text", text)).tolist()
        return explain(self.model, self.checkpoint.corpus, before, tokens, most=most, words=words)

    why = sources
    """The name of the command."""

    @check_keywords()
    def learn(
        self,
        text: str | Path | Sequence[str] | Mapping[str, str | bytes],
        *,
        name: str | None = None,
        field: str = "text",
    ) -> list[Document]:
        """Learn further documents.

        Parameters
        ----------
        text
            Paths as for ``lior train``, or a mapping of names to texts.
        name
            Name of a single document, instead of its path.
        field
            Key of the text in a line of JSON Lines.

        Raises
        ------
        DataError
            When a text cannot be read or is empty, or a document of its name exists already.
        UsageError
            When ``name`` is given for several documents.
        """
        sources = texts.given(text, field)
        if name is not None:
            if len(sources) != 1:
                raise UsageError(f"name {name!r} is for one document, not for {len(sources)}; leave it out")
            sources = [sources[0]._replace(name=name)]
        return self.edited.learn(sources)

    @check_keywords()
    def forget(self, name: str) -> Document:
        """Forget the document of that name, or the only one whose path ends with it.

        The memories then hold what they would hold if they had never seen it, and so does every checkpoint
        of the run on the disk after :meth:`save`. Training accepts several documents of one name; all of
        them are forgotten then, and the sizes returned are their sums.

        Raises
        ------
        DataError
            When there is no such document, or several of different names.
        """
        return total(self.edited.forget([name]))

    def forget_all(self, names: Sequence[str]) -> list[Document]:
        """Forget several documents in the time of one; all of them or none.

        Raises
        ------
        DataError
            As :meth:`forget`.
        """
        if isinstance(names, str | bytes) or not isinstance(names, Iterable):
            names = [names]  # which is refused unless it is a name
        return self.edited.forget(names)

    @check_keywords()
    def sync(
        self, paths: str | Path | Sequence[str | Path] | None = None, *, dry_run: bool = False
    ) -> Synced:
        """Learn what is new or changed in the files of the run, and forget what is gone.

        All of it is saved as one checkpoint, with earlier changes. Documents added by :meth:`learn` stay;
        documents that were forgotten by hand come back when their file changes.

        Parameters
        ----------
        paths
            Folders and files, instead of the run's own; they are remembered.
        dry_run
            Only report what would be done.

        Raises
        ------
        DataError
            When a path does not exist, or there is no file any more.
        UsageError
            When the run was not made from files and none are given, or none of its documents is in them.
        RunError
            As :meth:`save`.
        """
        self._directory()
        names = as_paths("paths", paths or [])
        return self.edited.compare(names) if dry_run else self._save(lambda edited: edited.follow(names))

    def save(self, *, warm_up: bool = True) -> Path:
        """Write the changes as the run's next checkpoint, and return the run's directory.

        The former checkpoint stays until this one is complete.

        It waits for another process that writes to the run, ten seconds at most. Changes by others since the
        run was opened are preserved: this run's changes are then repeated on the state on the disk. With
        ``warm_up`` an index that is open is cached with what the first questions need.

        Raises
        ------
        DataError
            When they cannot be repeated, for instance learning a document whose name another process has
            used meanwhile. After any error, the run in memory is unchanged.
        RunError
            When the run was never written, was trained anew, is locked by another process for longer, or
            cannot be written; when a change was interrupted; and when forgotten text cannot be removed from
            earlier checkpoints.
        """
        self._save(lambda edited: (None, nullcontext()), warm_up=warm_up)
        return self._directory()

    def _save(self, last: Edit[tuple[T, AbstractContextManager[None] | None]], *, warm_up: bool = True) -> T:
        """Do a ``last`` change to this run or a newer state of it, and write it; returns its result.

        The context manager from ``last`` surrounds the writing of the checkpoint by this process alone;
        without one nothing is written.
        """
        edited = self.edited
        self._directory()
        assert edited.path is not None
        assert edited.base is not None
        if edited.interrupted:
            raise RunError(f"{edited.path}: a change was interrupted; nothing was written; open the run anew")
        journal = tuple(edited.journal)
        outcome, around = last(edited)
        if around is None:
            return outcome
        with RunDirectory.edit(edited.path, edited.base) as directory:
            if is_changed(edited.path, edited.base, edited.checkpoint):  # no process changes it from here on
                edited, (outcome, around) = edited.repeated(journal, last)
                self.edited = edited
                if around is None:
                    return outcome
                directory.folder.newest = edited.base
            try:
                with around:
                    directory.save_edited(edited.checkpoint, forgotten=edited.forgotten)
            except OSError as error:
                raise RunError(
                    f"{edited.path}: cannot be written: {error.strerror or error}; it is unchanged"
                ) from error
            finally:
                if (newest := directory.folder.newest) and newest != edited.base:
                    edited.written(newest)
        edited.questions.cache(edited.stored, warm_up=warm_up)
        tell("lior_documents_changed", run=edited.path, **edited.take_moved())
        return outcome


@check_keywords()
def load(run: str | Path, *, device: str = "cpu") -> Run:
    """Open the run directory ``run`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    DeviceError
        When CUDA is requested and absent.
    RunError
        When it is no run, unfinished or damaged.
    """
    path = as_path("run", run)
    return Run(Edited.open(path, device))


def _check_counts(**given: Any) -> None:
    """Raise ``UsageError`` for a keyword that is no count."""
    for name, value in given.items():
        if not isinstance(value, int) or not 0 <= value < 1 << 63:
            raise UsageError(f"{name} = {value!r}: give a whole number, 0 or more, below 2**63")
