"""The way from a question to an answer: retrieve passages, select those that answer, or calculate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cached_property, partial

import attrs

from lior.interfaces import Judge, Ranking, Retriever
from lior_ask.answer import selection as answering
from lior_ask.answer.overview import overview, topic_of, topic_questions
from lior_ask.answer.selection import Answer
from lior_ask.content import Content
from lior_ask.judging import FOUND, chosen_judge
from lior_ask.languages.lists import of_question
from lior_ask.languages.replies import in_words_of
from lior_ask.languages.words import asked_words, tokens
from lior_ask.question.filters import Known, filtered
from lior_ask.question.query import languages_of
from lior_ask.question.question import Question, understood
from lior_ask.tables.calculating import calculate
from lior_ask.tables.days import Period
from lior_ask.tables.mentions import weekday_forms
from lior_ask.tables.periods import period_in
from lior_ask.updates import with_gaps


class Asker:
    """Answers from a content by one retriever and one judge.

    Parameters
    ----------
    content
        The content.
    retriever
        Name of the retriever.
    """

    def __init__(self, content: Content, retriever: str) -> None:
        self._content, self._name = content, retriever

    @cached_property
    def retriever(self) -> Retriever:
        """The retriever, made at the first question."""
        from lior import registry

        return registry.get("retriever", self._name)()

    @cached_property
    def judge(self) -> Judge:
        """The judge, chosen at the first question."""
        return chosen_judge()

    @property
    def known(self) -> Known:
        """The documents, with their tables."""
        content = self._content
        return Known(content.inverted, content.records, content.passages, content.path, content.files)

    def rank(self, question: str | Question, top: int) -> Ranking:
        """Return rows of the inverted index for a question, best first."""
        asked, content = understood(question).checked(), self._content
        return content.read(lambda: self.retriever.rank(content.inverted, asked, top))

    def rank_documents(self, question: str | Question, top: int) -> list[tuple[str, float]]:
        """Return whole documents and their scores, best first; for collections with judgments."""
        asked = understood(question).checked()

        def work() -> list[tuple[str, float]]:
            inverted = self._content.inverted
            ranking = self.retriever.rank(inverted.by_document(), asked, top)
            names, rows = inverted.documents, zip(ranking.passages, ranking.scores, strict=True)
            return [(names[row], float(score)) for row, score in rows]

        return self._content.read(work)

    def answer(self, asked: Question, top: int) -> Answer:
        """Find at most ``top`` passages that answer a question, and decide whether any does."""
        answer = self._content.read(lambda: self._answer(asked, top))
        self._content.vectors.hurried = False  # the next question does not pay for the same reading
        return answer

    def _answer(self, asked: Question, top: int) -> Answer:
        content, known = self._content, self.known

        def quote(wanted: Question) -> Answer:
            rank = partial(self.retriever.rank, known.inverted, wanted)
            judged = partial(answering.answer, wanted, view=known.inverted, top=top, judge=self.judge)
            return filtered(known, wanted.filters, rank, max(FOUND, top), judged)

        topic, period = _topic(asked)
        if topic:
            answer = self._overview(asked, topic, period, known, top)
        else:
            answer = calculate(asked, known, date.today(), top, quote)
        answer = with_gaps(answer, content.files.values(), content.skipped)
        language = of_question(asked_words(asked.text), languages_of(known.inverted))
        said = answer.said if answer.result else in_words_of(answer.said, language)
        return attrs.evolve(answer, language=language, note=in_words_of(answer.note, language), said=said)

    def _overview(self, asked: Question, topic: str, period: Period | None, known: Known, top: int) -> Answer:
        """Return quotations about a topic; a period restricts their dates."""
        fits = period.covers if period else None
        for wanted in topic_questions(asked, topic, known.inverted):
            rank = partial(self.retriever.rank, known.inverted, wanted)
            quoted = partial(
                overview, wanted, view=known.inverted, top=top, judge=self.judge, dates_of=known.dates_of
            )
            answer = filtered(known, asked.filters, rank, max(FOUND, top), partial(quoted, fits=fits))
            if answer.found:
                break
        return answer

    @property
    def reads_ahead(self) -> bool:
        """Whether the retriever compares vectors of passages, and there is an embedder."""
        return bool(self._content.embedder) and getattr(self.retriever, "embeds", False)

    def learn(self) -> None:
        """In a large index, learn to predict the vectors of passages from a sample, which is encoded."""
        from lior_ask.embedders import regression  # only where vectors are compared

        content = self._content
        content.read(lambda: regression.learned(content.inverted, content.vectors, read=True))
        content.safely(content.vectors.table.keep)

    def read_ahead(self, go_on: Callable[[int], bool], *, briefly: bool = False) -> None:
        """Encode the passages without a vector, until ``go_on`` returns false.

        Above 10,000 passages a sample and the beginnings of documents come first, and ``briefly`` stops after
        them.

        ``go_on`` is called before each text and at the end with the number of texts left. Other threads may
        ask questions and change the index meanwhile.
        """
        content = self._content
        if content.database.chosen():  # else another process encodes for all
            content.vectors.read_ahead(content.read, go_on, briefly=briefly)
            content.safely(lambda: content.vectors.table.keep())


def _topic(asked: Question) -> tuple[str, Period | None]:
    """Return the topic of a question for an overview with its period; no topic if only a period is named."""
    topic = topic_of(asked.text)
    period, rest = period_in(asked.text, date.today(), asked.language)
    if not topic or all(map(weekday_forms, tokens(topic))) or (period and not asked.saying(rest).content):
        return "", period  # "What do I have on Tuesday?", "on the 12th?"
    period, rest = period_in(topic, date.today(), asked.language)
    if period is None:
        return topic, None
    rest = rest.replace(" , ", " ").strip(" ,")
    return rest if asked.saying(rest).content else "", period
