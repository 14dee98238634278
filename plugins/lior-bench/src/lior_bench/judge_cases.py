"""Cases from which the judge of ``lior ask`` learns: questions, candidates, and which of them answer.

Each folder is asked its questions. Then its answering sentences are removed, and questions with an answer are
asked again: controls on the same subject, in the same words, without an answer.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial, partialmethod
from pathlib import Path

import attrs
import numpy as np

import lior_ask
from lior import registry
from lior.errors import MissingPackage
from lior.interfaces import Candidates, Embedder
from lior_ask.embedders import e5
from lior_ask.index.embedding import ENCODER
from lior_ask.judging.cross_encoder import above, likeliest, widen
from lior_ask.judging.features import FOUND, gather
from lior_ask.judging.linear import Model
from lior_ask.question.question import understood
from lior_bench.manuals import fetch, manuals
from lior_bench.sets import Question, squeeze
from lior_bench.worlds import holds, remove, unpack, worlds

_Questions = Sequence[Question]
RETRIEVERS = {"words": "settle", "encoder": "meaning", "read": "meaning"}
"""The retriever for each level of evidence; ``read`` also uses a cross-encoder."""
LARGE = {"estimate": False, "estimate+read": True}
"""The levels of large folders, and whether they use a cross-encoder."""
_CROWDS, _OF_CROWD = 4, 12
"""The number of large folders that are made of the folders to learn from, and the step between
their questions."""
_SCRAP, _SCRAPS = 8, 4
"""The number of lines of a scrap, and the maximum number of scraps of a file."""
_ELSEWHERE = 4
"""The maximum number of questions from other files, and from other folders, that a file is asked."""
_FOREIGN, _FOREIGN_FOLDERS = 3, 5
"""The number of questions from each other folder that a folder is asked, and the number of other folders."""
_CROWD, _CROWDED = 9, 3
"""The number of folders of other kinds put beside a folder, and the step between its questions
asked of all.
"""


@attrs.frozen(eq=False)
class Case:
    """A question asked of a folder, with the features of its candidates and their correctness."""

    world: str
    kind: str
    text: str
    answerable: bool
    candidates: Candidates
    right: np.ndarray
    """Whether each candidate is right, bool ``(C,)``."""
    first: int
    """The candidate that the retriever ranks first."""

    def right_block(self, number: int) -> bool:
        """Return whether a candidate or another candidate of its block is right."""
        return bool(self.right[self.candidates.blocks == self.candidates.blocks[number]].any())

    def answers(self, number: int) -> bool:
        """Return whether a candidate answers: itself in a large folder, else any of its block."""
        return bool(self.right[number]) if self.candidates.level in LARGE else self.right_block(number)


def gather_cases(asked: dict[str, list[Question]], level: str, *, whole: bool = False) -> list[Case]:
    """Return the :func:`cases` of folders, in two processes."""
    names, ask = [*asked], partial(cases, retriever=RETRIEVERS[level], whole=whole)
    others = [foreign(asked, at) for at in range(len(names))]
    crowds = [crowd(names, at) for at in range(len(names))]
    with ProcessPoolExecutor(2, initializer=_read_once) as pool:
        parts = pool.map(ask, names, asked.values(), others, crowds)
        return [case for part in parts for case in part]


def foreign(asked: dict[str, list[Question]], number: int) -> list[Question]:
    """Return :data:`_FOREIGN` questions of each of the next folders."""
    names = [*asked]
    found = list[Question]()
    for step in range(1, min(_FOREIGN_FOLDERS, len(names) - 1) + 1):
        some = [each for each in asked[names[(number + step) % len(names)]] if each.words]
        found += some[number % 7 :: max(len(some) // _FOREIGN, 1)][:_FOREIGN]
    return found


def crowd(names: Sequence[str], number: int) -> list[str]:
    """Return :data:`_CROWD` other folders of other kinds, such as firms beside a household."""
    kind = names[number].split("-")[0]
    others = [name for name in (*names[number:], *names[:number]) if name.split("-")[0] != kind]
    return others[:: max(len(others) // _CROWD, 1)][:_CROWD]


def cases(
    name: str,
    asked: _Questions,
    foreign: _Questions = (),
    crowd: Sequence[str] = (),
    *,
    retriever: str,
    whole: bool = False,
) -> list[Case]:
    """Ask questions of their folder and, unless ``whole``, of less, of more, and without the answers.

    Less means a file alone, which is also asked about other files, and scraps of some lines, most of which
    lack the answer. More means the folder among those of ``crowd``. Questions in ``foreign`` are about other
    folders; this one has no answer.
    """
    found = list[Case]()
    answerable = [question for question in asked if question.words]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "whole"
        unpack(name, place)
        index = lior_ask.Index(place, retriever=retriever, cache=False)
        found += _ask(index, name, asked)
        if whole:
            return found
        found += _ask(index, name, [attrs.evolve(each, kind="foreign", words=()) for each in foreign])
        for half in (0, 1):
            less, mine = Path(temporary) / f"less{half}", answerable[half::2]
            shutil.copytree(place, less)
            remove(less, [sentence for question in mine for sentence in question.words])
            deleted = [attrs.evolve(each, kind=f"{each.kind}, deleted", words=()) for each in mine]
            found += _ask(lior_ask.Index(less, retriever=retriever, cache=False), name, deleted)
        for number, file in enumerate(sorted({question.document for question in asked} - {""})):
            found += _alone(place, file, number, name, asked, foreign, retriever)
        if crowd:
            for each in (name, *crowd):
                unpack(each, Path(temporary) / "crowd" / each)
            index = lior_ask.Index(Path(temporary) / "crowd", retriever=retriever, cache=False)
            some = asked[::_CROWDED]
            found += _ask(index, name, [attrs.evolve(each, kind=f"{each.kind}, crowd") for each in some])
    return found


def _alone(
    place: Path, file: str, number: int, name: str, asked: _Questions, foreign: _Questions, retriever: str
) -> list[Case]:
    """Ask a file alone, and its scraps, about itself and about other files."""
    index = lior_ask.Index(place / file, retriever=retriever, cache=False)
    mine = [attrs.evolve(each, document=Path(file).name) for each in asked if each.document == file]
    others = _elsewhere(place / file, number, asked, foreign)
    found = _ask(index, name, [*(attrs.evolve(each, kind=f"{each.kind}, alone") for each in mine), *others])
    return [*found, *_of_scraps(place / file, name, mine, others, retriever)]


def _elsewhere(path: Path, number: int, asked: _Questions, foreign: _Questions) -> list[Question]:
    """Return questions of other files and of other folders, which a file alone does not answer."""
    text = path.read_bytes().decode("utf-8", "replace")
    others = [each for each in asked if not _within(each, text)]
    some = [*others[number % 5 :: 5][:_ELSEWHERE], *foreign[number % 3 :: 3][:_ELSEWHERE]]
    return [attrs.evolve(each, kind="elsewhere, alone", words=()) for each in some]


def _of_scraps(path: Path, name: str, asked: _Questions, others: _Questions, retriever: str) -> list[Case]:
    """Ask questions of a few lines of a file, with or without the answer, and questions of other files."""
    if path.suffix not in (".md", ".txt"):  # a part of a file in another format is malformed
        return []
    found, lines = list[Case](), path.read_bytes().decode("utf-8", "replace").splitlines(keepends=True)
    parts = ["".join(lines[at : at + _SCRAP]) for at in range(0, len(lines), _SCRAP)]
    for number, part in enumerate(parts[:_SCRAPS]):
        index = lior_ask.Index(retriever=retriever)
        index.learn(path.name, part)
        mine = [each for each in asked if _within(each, part)][:2]
        other = [each for each in asked if not _within(each, part)][number % 3 :: 4][:2]
        other += others[number % _SCRAPS :: _SCRAPS]
        if len(index):
            present = [attrs.evolve(each, kind=f"{each.kind}, scrap") for each in mine]
            absent = [attrs.evolve(each, kind="unanswerable, scrap", words=()) for each in other]
            found += _ask(index, name, [*present, *absent])
    return found


def _within(question: Question, text: str) -> bool:
    return any(squeeze(words) in squeeze(text) for words in question.words)


def _ask(index: lior_ask.Index, name: str, asked: Iterable[Question]) -> list[Case]:
    found, found_by = list[Case](), registry.get("retriever", index.retriever)()
    for question in asked:
        message = understood(question.text)
        ranking = found_by.rank(index.inverted, message, FOUND)
        if not len(ranking.passages):
            continue
        candidates = gather(message, ranking, index.inverted)
        right = np.array([holds(question, each) for each in candidates.passages], bool)
        first = int(np.flatnonzero(candidates.rows == ranking.passages[0])[0])
        found.append(Case(name, question.kind, question.text, bool(question.words), candidates, right, first))
    return found


def large_cases(part: str) -> list[Case]:
    """Ask the manuals of a part their questions, and again without what answers.

    The part ``learn`` also has all its manuals together, and :data:`_CROWDS` folders that are made of all
    small ones to learn from.
    """
    found = manuals(part)
    items: list[tuple[tuple[str, ...], list[Question]]] = [((name,), asked) for name, asked in found.items()]
    if part == "learn":
        every, small = [each for asked in found.values() for each in asked], worlds("learn") | worlds("more")
        items += [((*found,), every[half::2]) for half in (0, 1)]
        for n in range(_CROWDS):
            names = [*small][n::_CROWDS]
            items.append(((*names,), [each for name in names for each in small[name]][::_OF_CROWD]))
    with ProcessPoolExecutor(2, initializer=_read_once) as pool:
        return [case for cases in pool.map(_of_large, items) for case in cases]


def _of_large(item: tuple[tuple[str, ...], list[Question]]) -> list[Case]:
    """Return the cases of folders put together; those of a manual belong to it, all others together."""
    names, asked = item
    known = {*manuals("learn"), *manuals("choose"), *manuals("last")}
    found, without = list[Case](), list[Case]()
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            (fetch if name in known else unpack)(name, Path(place) / name)
        index = lior_ask.Index(place, retriever="meaning", cache=False)
        index.asker.learn()
        for question in asked:
            world = question.of if question.of in known else f"crowd of {names[0]}"
            for case in _ask(index, world, [question]):
                found.append(case)
                if case.right.any():
                    index.inverted.allowed = np.ones(len(index), bool)
                    index.inverted.allowed[case.candidates.rows[case.right]] = False
                    less = attrs.evolve(question, kind=f"{question.kind}, deleted")
                    again = [each for each in _ask(index, world, [less]) if not each.right.any()]
                    without += [attrs.evolve(each, answerable=False) for each in again]
                    index.inverted.allowed = None
    return found + without


def _read_once() -> None:
    """Let the encoder of this process cache its vectors: folders share most of their passages."""
    with contextlib.suppress(MissingPackage):
        encoder = type(registry.get("embedder", ENCODER)())
        encoder.embed = partialmethod(_embed, encoder.embed, {})  # type: ignore[method-assign,assignment]


def _embed(
    self: Embedder,
    embed: Callable[..., np.ndarray],
    kept: dict[tuple[str, bool], np.ndarray],
    texts: Sequence[str],
    *,
    question: bool = False,
) -> np.ndarray:
    if new := [text for text in dict.fromkeys(texts) if (text, question) not in kept]:
        kept |= {
            (text, question): row for text, row in zip(new, embed(self, new, question=question), strict=True)
        }
    return np.stack([kept[text, question] for text in texts]) if texts else embed(self, texts)


def read_cases(found: Sequence[Case], first: Model) -> list[Case]:
    """Return the cases with the scores of the cross-encoder.

    ``first`` is the judge without a cross-encoder, which chooses the passages to read.
    """
    numbers = [likeliest(first.score(case.candidates)) for case in found]
    pairs = [_texts_of(case, some) for case, some in zip(found, numbers, strict=True)]
    with ProcessPoolExecutor(2) as pool:
        scores = pool.map(e5.scores, pairs, chunksize=200)
        return [
            attrs.evolve(case, candidates=widen(case.candidates, some, values))
            for case, some, values in zip(found, numbers, scores, strict=True)
        ]


def _texts_of(case: Case, numbers: np.ndarray) -> list[tuple[str, str, str]]:
    """Return the question, the headings above a passage, and the passage, for each of these passages."""
    some = case.candidates
    return [(case.text, above(some, each), some.passages[each].text) for each in numbers.tolist()]
