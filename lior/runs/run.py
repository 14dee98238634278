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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, overload

import attrs
import torch
from torch import Tensor

from lior.config.options import check_keywords
from lior.config.sampling import ChatSampling, Sampling
from lior.data import corpus
from lior.errors import DataError, RunError, UsageError, did_you_mean, quantity, sentences
from lior.interfaces import Passage
from lior.model.detokenizer import Detokenizer
from lior.model.evaluation import evaluate
from lior.model.generation import Request, generate, generate_all
from lior.model.language_model import Model
from lior.model.provenance import Explained, explain
from lior.plugins.listening import tell
from lior.reading.documents import RawDocument
from lior.runs import documents as texts
from lior.runs import editing, syncing
from lior.runs.checkpoint import Checkpoint, Document, total
from lior.runs.directory import RunDirectory, is_changed, open_checkpoint, read_summary
from lior.runs.documents import as_text
from lior.runs.format import read_manifest
from lior.runs.indexes import indexes, installed
from lior.runs.syncing import Synced
from lior.tensors import all_threads, pick_device

T = TypeVar("T")
Work = Callable[[], Checkpoint]


@attrs.define(repr=False)
class Run:
    """A model with its documents, as :func:`load`, ``lior.train`` and ``lior.resume`` return it.

    It wraps a :class:`~lior.runs.checkpoint.Checkpoint` in memory, either just trained or read from a
    directory. Changes are in memory until :meth:`save`.
    """

    checkpoint: Checkpoint
    """The model and its documents, as :meth:`save` would write them now."""
    path: Path | None = None
    """The run's directory; ``None`` for a run that was never written."""
    summary: dict[str, Any] | None = None
    """The object that ``lior train --json`` prints; ``None`` when the directory has no ``summary.json``."""
    _base: Path | None = None
    """Path of the checkpoint that is unchanged or changed in memory."""
    _forgotten: bool = attrs.field(default=False, init=False)
    _whole: bool = attrs.field(default=True, init=False)
    """False after an interrupted change, which leaves the memories between two states."""
    _index: Any = attrs.field(default=None, init=False)
    _moved: tuple[list[str], list[str]] = attrs.field(factory=lambda: ([], []), init=False)
    """Names of documents learned and dropped since the run was opened or saved."""
    _edits: list[Callable[[Run], object]] = attrs.field(factory=list, init=False)
    """Changes since the run was opened or saved, to be repeated on another state of it."""
    changes: int = attrs.field(default=0, init=False)
    """Number of documents learned and forgotten since the run was opened or saved."""

    def __repr__(self) -> str:
        text = self.checkpoint.corpus
        changes = f", {quantity(self.changes, 'change')} not saved" if self.changes else ""
        where = self.path or "in memory"
        return (
            f"<Run {where}: {quantity(text.documents, 'document')}, {quantity(text.bytes, 'byte')}{changes}>"
        )

    @property
    def model(self) -> Model:
        """The language model."""
        return self.checkpoint.model

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
        return [document.data for document in self.raw(name)]

    def raw(self, name: str) -> list[RawDocument]:
        """Return the documents of :meth:`text`, with the structure that their readers found."""
        found = texts.of_checkpoint(self.checkpoint, only=name).get(name)
        if found is None:
            fault = f"{editing.format_name(name)}: no document of this name in the run."
            raise DataError(sentences(fault, did_you_mean(name, self.checkpoint.corpus.names)))
        return found

    # --- questions ---

    @property
    def index(self) -> Any:
        """The index of the documents, a :class:`lior_ask.Index`, built on first use.

        Learning and forgetting change it.

        Raises ``MissingPackage`` when lior-ask is not installed.
        """
        if self._index is None:
            saved, made = self._saved, indexes("lior.Run.index")
            index = made.cached(saved, self.checkpoint.digest) if saved else None
            if index is None:
                documents = texts.of_checkpoint(self.checkpoint).items()
                index = made.build((name, *texts.parse(each)) for name, each in documents)
                if saved and self.path:
                    made.cache(index, self.path, saved, self.checkpoint.digest)
            self._index = index
        return self._index

    def cache_index(self, *, warm_up: bool = False) -> None:
        """Cache the index, if it is open, with the checkpoint on the disk."""
        if self._index is not None and self.path and self._saved:
            made, digest = indexes("lior.Run"), self.checkpoint.digest
            made.cache(self._index, self.path, self._saved, digest, warm_up=warm_up)

    @property
    def _saved(self) -> Path | None:
        """The checkpoint on the disk that equals the one in memory."""
        return self._base if not self.changes and self._whole else None

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
        counts = self.index.confirm(question, passage)
        if self.path and self._saved:
            try:
                indexes("lior.Run.confirm").save(self.index, self.path, self._saved, self.checkpoint.digest)
            except BaseException:
                self.index.confirm(question, passage)
                raise
        return counts

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
        _check_count(tokens)
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
        _check_count(tokens)
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
        other = corpus.build(sources, self.model.tokenizer).to(self.model.device)
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
        encode = self.model.tokenizer.encode
        before, tokens = (
            encode(as_text("prompt", prompt)).tolist(),
            encode(as_text("text", text)).tolist(),
        )
        return explain(self.model, self.checkpoint.corpus, before, tokens, most=most, words=words)

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
        return self.learn_all(sources)

    def learn_all(self, documents: Sequence[RawDocument], *, replace: bool = False) -> list[Document]:
        """Learn documents as they were read, all of them or none; raises as :meth:`learn`.

        With ``replace``, documents of the same names are forgotten first.
        """
        if replace:
            editing.check(documents, ())
            held = set(self.checkpoint.corpus.names)
            if gone := [each.name for each in documents if each.name in held]:
                self._forget(gone, relearned=gone)
        before = self.checkpoint.corpus.documents
        self._change(lambda: editing.learn(self.checkpoint, documents), len(documents), put=documents)
        self._note(lambda run: run.learn_all(documents, replace=replace))
        return self.documents()[before:]

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
        return total(self.forget_all([name]))

    def forget_all(self, names: Sequence[str]) -> list[Document]:
        """Forget several documents in the time of one; all of them or none.

        Raises
        ------
        DataError
            As :meth:`forget`.
        """
        gone = self._forget(names)
        exact = [*dict.fromkeys(each.name for each in gone)]
        self._note(lambda run: run.forget_all(exact))
        return gone

    def _forget(self, names: Sequence[str], relearned: Collection[str] = ()) -> list[Document]:
        """Forget documents; the index holds documents to be ``relearned`` until then."""
        indices = {index for name in names for index in editing.find(self.checkpoint, name)}
        every = self.checkpoint.corpus.names
        those = {every[index] for index in indices}
        gone = [document for document in self.documents() if document.name in those]
        self._change(
            lambda: editing.forget(self.checkpoint, indices), len(gone), drop=those.difference(relearned)
        )
        self._forgotten = self._forgotten or bool(indices)
        return gone

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
        if self.path is None:
            raise RunError("the run has no directory: train with out=..., or keep it in memory")
        given = [paths] if isinstance(paths, str | Path) else paths or []
        if dry_run:
            found = syncing.scan(self.path, [*map(str, given)], base=self._base)
            return found.outcome() if found.up_to_date else syncing.compare(self.checkpoint, found).done
        return self._save(lambda run: run._follow([*map(str, given)]))

    def _follow(self, paths: Sequence[str]) -> tuple[Synced, AbstractContextManager[None] | None]:
        """Do the changes of :meth:`sync`; returns the report, and a context manager for saving.

        It is ``None`` if there is nothing to save.
        """
        assert self.path is not None
        found = syncing.scan(self.path, paths, base=self._base)
        if found.up_to_date:
            return syncing.finish(found), None
        changes = syncing.compare(self.checkpoint, found)
        if not changes:
            changes.save_manifest()
            return changes.done, None
        if changes.out:
            self._forget(changes.out, relearned=changes.done.changed)
        if changes.new:
            self.learn_all(changes.new)
        if moved := changes.moved:
            self._change(lambda: editing.restructure(self.checkpoint, moved), len(moved), put=moved)
            self._forgotten = True  # their old titles, for instance
        return changes.done, changes.saving()

    def _change(
        self, work: Work, changes: int, *, drop: Collection[str] = (), put: Sequence[RawDocument] = ()
    ) -> None:
        """Do ``work``, which changes the model; an interruption may leave it between two states.

        The index follows if it was opened, or has confirmed questions: it drops names and adds documents.
        """
        saved = self._saved
        digest = self.checkpoint.digest
        if self._index is None and saved and installed() and indexes("lior.Run").has_questions(saved, digest):
            self.index  # noqa: B018 (read)
        asked, self._index = self._index, None  # it is built anew should this be interrupted
        try:
            self.checkpoint = work()
        except DataError:  # before anything was changed
            self._index = asked
            raise
        except BaseException:
            self._whole = False
            raise
        self.changes += changes
        learned, gone = ([name for name in names if name not in drop] for names in self._moved)
        self._moved = [*learned, *(document.name for document in put)], [*gone, *drop]
        if asked is not None:
            for name in drop:
                asked.forget(name)
            for document in put:
                indexes("lior.Run").put(asked, document.name, *texts.parse([document]))
        self._index = asked

    def _note(self, edit: Callable[[Run], object]) -> None:
        if self.path is not None:  # only then are there other processes
            self._edits.append(edit)

    def save(self, *, warm_up: bool = True) -> None:
        """Write the changes as the run's next checkpoint; the former stays until this one is complete.

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
        self._save(lambda run: (None, nullcontext()), warm_up=warm_up)

    def _save(
        self, last: Callable[[Run], tuple[T, AbstractContextManager[None] | None]], *, warm_up: bool = True
    ) -> T:
        """Do a ``last`` change to a run, this one or a newer state of it, and write it; what that gave.

        The context manager from ``last`` surrounds the writing of the checkpoint by this process alone;
        without one nothing is written.
        """
        if self.path is None or self._base is None:
            raise RunError("the run has no directory: train with out=..., or keep it in memory")
        if not self._whole:
            raise RunError(f"{self.path}: a change was interrupted; nothing was written; open the run anew")
        edits = tuple(self._edits)
        outcome, around = last(self)
        if around is None:
            return outcome
        with RunDirectory.edit(self.path, self._base) as directory:
            if is_changed(self.path, self._base, self.checkpoint):  # no process changes it from here on
                outcome, around = self._repeat(edits, last)
                if around is None:
                    return outcome
                directory.folder.newest = self._base
            try:
                with around:
                    directory.save_edited(self.checkpoint, forgotten=self._forgotten)
            except OSError as error:
                raise RunError(
                    f"{self.path}: cannot be written: {error.strerror or error}; it is unchanged"
                ) from error
            finally:
                if directory.folder.newest != self._base:
                    self._written(directory.folder.newest)
        self.cache_index(warm_up=warm_up)
        learned, forgotten = self._moved
        self._moved = [], []
        forgotten = [name for name in forgotten if name not in learned]
        tell("lior_documents_changed", run=self.path, learned=learned, forgotten=forgotten)
        return outcome

    def _repeat(self, edits: Sequence[Callable[[Run], object]], last: Callable[[Run], T]) -> T:
        """Become the run on the disk, with ``edits`` and a ``last`` change; returns the last one's result."""
        assert self.path is not None
        newer = load(self.path, device=str(self.model.device))
        if not newer.checkpoint.is_of_training(self.checkpoint):
            raise RunError(f"{self.path}: another process trained the run anew; open it anew and repeat")
        for edit in edits:
            edit(newer)
        outcome = last(newer)
        for field in attrs.fields(Run):
            setattr(self, field.name, getattr(newer, field.name))
        return outcome

    def _written(self, path: Path | None) -> None:
        """Note that the checkpoint at ``path`` equals the one in memory."""
        assert path is not None
        self._base = path
        self.checkpoint = attrs.evolve(
            self.checkpoint, manifest=read_manifest(path), score=None, pending_erasure=self._forgotten
        )
        self.changes, self._forgotten, self._edits = 0, False, []


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
    path = Path(run)
    checkpoint, base = open_checkpoint(path, device=pick_device(device))
    return Run(checkpoint, path, read_summary(path), base)


def _check_count(tokens: Any) -> None:
    if not isinstance(tokens, int) or tokens < 0:
        raise UsageError(f"tokens = {tokens!r}: give the number of tokens to add, 0 or more")
