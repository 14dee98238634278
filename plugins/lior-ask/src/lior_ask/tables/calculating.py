"""Calculating: the answer to a question that asks for a calculation, or the reason for its refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache, partial
from typing import Any

import attrs

from lior.interfaces import Passage
from lior_ask.answer.figures import shown
from lior_ask.answer.selection import Answer
from lior_ask.languages.lists import of_question
from lior_ask.languages.words import asked_words
from lior_ask.question.filters import Filters, Known
from lior_ask.question.query import languages_of
from lior_ask.question.question import LONGEST_MESSAGE, Question
from lior_ask.tables import grammar
from lior_ask.tables.choosing import Chosen, choose
from lior_ask.tables.execution import execute, execute_share
from lior_ask.tables.grammar import Request, parse
from lior_ask.tables.groups import execute_groups
from lior_ask.tables.lexicon import ASKS
from lior_ask.tables.linking import named_months
from lior_ask.tables.plan import TableSource, Unclear, names_it
from lior_ask.tables.planning import make_plan
from lior_ask.tables.reported import answer_from_sender
from lior_ask.tables.sentences import Told
from lior_ask.tables.words import has_word

LEAST = 0.76
"""Minimum probability of a ranked query: the least one of which .90 are right in folders left out."""
_IN_SPITE, _UNDECIDED = 0.85, 0.78
"""Minimum probabilities of a ranked query that the grammar refuses: because words name nothing, the least one
of which .95 are right in folders left out; because several columns or tables fit."""
_SENTENCE = 0.8
"""Minimum probability of a sentence that is quoted in place of a calculation."""
SURE = 0.9
"""Probability of a query from which on passages are not read for a better answer."""
DOUBTFUL = 0.5
"""Minimum confidence of a passage as the answer to a question for a sum, a mean or a list, and minimum
probability of a calculation from which on an event answers no better than a row."""
_SENTENCES = ("who", "which", "paid", "next", "newest", "oldest", "to do", *grammar.VIEWED)
"""Operations whose words usually ask for a sentence."""
_LIKELY = 0.35
"""Minimum probability of a row that is quoted, chosen on the folders of which its weights were learned."""
METHOD = "calculated from rows"


@attrs.frozen(eq=False)
class Planned:
    """The grammar's reading of a question."""

    request: Request | None
    """The calculation that its words ask for; ``None`` if there is none."""
    told: Told | None = None
    """Its result."""
    unclear: Unclear | None = None
    """The reason for which there is no result, if a table fits the question."""


def calculate(
    question: Question, known: Known, today: date, top: int, quote: Callable[[Question], Answer]
) -> Answer:
    """Return the calculation that a question asks for, or the answer that ``quote`` returns.

    Two parts calculate. A grammar of known words reads few questions, and these well. If it does not read a
    question, the most likely query is the answer, unless it is improbable or a passage is probable, too. A
    likely query also answers if several columns or tables fit the grammar's reading, or if it compares with
    another row, which the grammar does not know. If both calculate, their agreement determines the
    confidence. A refusal names the likeliest calculation.

    Parameters
    ----------
    today
        The reference day of "last week".
    quote
        Answers a question with a passage. If a calculation is refused because words name nothing, a likely
        passage that is no row of a table, or one that has all words of the question, is returned instead.
    """
    filters, spoken = question.filters, languages_of(known.inverted)
    if len(question.text) > LONGEST_MESSAGE:
        return _note(quote(question), filters)
    planned = plan_calculation(question, known, today)
    quoted = cache(partial(answer_from_sender, question, known, today, quote))
    ranked = choose(question, known, today, shows=planned.told is None)
    if planned.request is not None and planned.request.operation == "net":
        ranked = attrs.evolve(ranked, told=None)  # no query subtracts expenses from income
    if ranked.is_beside and ranked.told is not None and ranked.probability >= LEAST:
        ranked = ranked if planned.told is None else choose(question, known, today)
        planned = Planned(None)
    if planned.unclear is not None:
        lost, choice = planned.unclear.words, planned.unclear.choice
        sure, least = (ranked.in_spite(), _IN_SPITE) if lost else (ranked.probability * choice, _UNDECIDED)
        if ranked.told is not None and sure >= least:
            return calculated(question, ranked.told, sure, top, spoken)
        return _refused(planned, quoted(), known, filters)
    if planned.told is not None:
        return calculated(question, planned.told, ranked.agreement(planned.told.result), top, spoken)
    drops = ranked.drops and ranked.in_spite() < _IN_SPITE
    if ranked.told is not None and ranked.probability >= LEAST and not drops:
        # A sure query of messages comes before what their sender wrote, not before another likely sentence.
        passage = ranked.often_quoted and (quoted() if ranked.probability < SURE else quote(question))
        if not (passage and _is_sentence(passage, known, filters)):
            return calculated(question, ranked.told, ranked.probability, top, spoken)
    answer = _refused(planned, quoted(), known, filters)
    events = ranked.calculation >= DOUBTFUL
    if answer.answer and is_row(answer.answer, known, filters, events=events):
        said = "that takes a calculation, and none is likely enough" if ranked.calculation >= SURE else ""
        note = said or "its words are in rows of a table, and none is likely to answer it"
        refused = attrs.evolve(_not_found(answer), said=said, note=note)
        sure = ranked.row(answer.answer, answer.confidence)
        answer = refused if sure < _LIKELY else attrs.evolve(answer, confidence=round(sure, 3))
    return _with_likeliest(answer, ranked, top, spoken)


def _with_likeliest(answer: Answer, ranked: Chosen, top: int, spoken: Sequence[str]) -> Answer:
    """Return a refusal with the likeliest calculation and its rows, or the answer unchanged."""
    told = ranked.told
    if answer.found or told is None or ranked.probability < DOUBTFUL:
        return answer
    language = of_question(asked_words(answer.question), spoken)
    about = shown(told.result, language).about
    said = f"the likeliest calculation ({ranked.probability:.0%}) is {told.said(language)}: {about}"
    own = {(row.document, row.line) for row in told.result.rows}
    nearest = zip(answer.passages, answer.evidence, strict=True)
    others = [each for each in nearest if (each[0][0].document, each[0][0].line) not in own]
    half = max(top // 2, top - len(others))
    rows: list[Any] = [((row, 0.0), {}) for row in told.result.rows[:half]]
    both = [*rows, *others][:top]
    passages, evidence = tuple(each for each, _ in both), tuple(each for _, each in both)
    return attrs.evolve(answer, said=said, note=said, passages=passages, evidence=evidence)


def plan_calculation(question: Question, known: Known, today: date) -> Planned:
    """Return the calculation that the words of a question ask for, or the reason for which there is none."""
    has = any(head.kind == "tasks" for about in known.abouts.values() for head in about.heads)
    request, names = None, named_months(question, known)
    for tasks in (True, False) if has else (False,):  # "what is left in the freezer?" may be about no task
        request = parse(question, today, names, tasks=tasks)
        if request is None:
            continue
        try:
            plan = make_plan(request, known, question)
            if plan is not None:
                run = execute_groups if plan.group else execute_share if plan.part else execute
                return Planned(request, run(plan, request))
        except Unclear as unclear:
            return Planned(request, unclear=unclear)
        if request.operation != "to do":
            break
    return Planned(request)


def calculated(
    question: Question, told: Told, confidence: float, top: int, spoken: Sequence[str] = ()
) -> Answer:
    """Return the answer with a result, in the language of the question; ``spoken`` are those of documents."""
    confidence, result = round(confidence, 3), told.result
    language = of_question(asked_words(question.text), spoken)
    alone = told.count and len(result.rows) == 1 and result.operation != "count"
    single = result.rows[0] if alone else None
    return Answer(
        question=question.text,
        found=True,
        confidence=confidence,
        answer=single,
        passages=tuple((row, confidence) for row in result.rows[:top]),
        evidence=({},) * min(len(result.rows), top),
        method=METHOD,
        language=language,
        said=told.said(language),
        result=result,
    )


def _refused(planned: Planned, answer: Answer, known: Known, filters: Filters) -> Answer:
    """Return the passage, or a refusal if a calculation is asked for and the passage is no answer to it."""
    request = planned.request
    if request is None:
        return _note(answer, filters)
    if planned.unclear is None:
        return _unless_doubtful(request, _of_table(request, _note(answer, filters), known, filters))
    words = [word.text for word in request.words]
    said = answer.answer if planned.unclear.words and answer.found else None
    sure = answer.confidence >= _SENTENCE
    told = said and (_speaks(said, words) or (sure and not is_row(said, known, filters)))
    if told or request.operation in grammar.DOUBTFUL:
        return _of_table(request, answer, known, filters)
    note = "it is not clear what is to be calculated"
    return attrs.evolve(_not_found(answer), method=METHOD, note=note, said=planned.unclear.said, result=None)


def _not_found(answer: Answer) -> Answer:
    """Return the passages of an answer without quoting one as the answer."""
    return attrs.evolve(answer, found=False, confidence=0.0, answer=None, block=None)


def _unless_doubtful(request: Request, answer: Answer) -> Answer:
    """Return the answer, or a refusal if a passage is doubtful as the answer to a calculation.

    "How many", "next" and "most" also occur in questions for a sentence, which are not refused.
    """
    words = [word.text for word in request.words]
    sure = answer.answer and (answer.confidence >= DOUBTFUL or _speaks(answer.answer, words))
    if sure or request.operation not in ("sum", "mean", "list") or ASKS.match(answer.question):
        return answer
    about = " and ".join(map(repr, words)) or "that"
    said = f"that takes a calculation over {about}, and no table here has it"
    return attrs.evolve(_not_found(answer), said=said, note=said)


def _of_table(request: Request, answer: Answer, known: Known, filters: Filters) -> Answer:
    """Return the answer, with lower confidence if it quotes a passage instead of a calculation.

    It is doubtful if the question names a table or the passage is one of a table's rows, and the passage
    lacks a word of the question. Most such passages are not answers."""
    words = [word.text for word in request.words]
    compares = request.negations or request.compared or request.than[0]
    sentence = request.operation in _SENTENCES and not compares
    if sentence or answer.confidence <= DOUBTFUL or not answer.answer or _speaks(answer.answer, words):
        return answer
    heads = TableSource(known, filters).kind("rows")
    named = any(names_it(word.text, head) for word in request.words for head in heads)
    doubtful = named or is_row(answer.answer, known, filters)
    return attrs.evolve(answer, confidence=DOUBTFUL) if doubtful else answer


def _is_sentence(answer: Answer, known: Known, filters: Filters) -> bool:
    """Return whether an answer quotes a likely passage that is no row of a table."""
    if answer.answer is None or not answer.found or answer.confidence < _SENTENCE:
        return False
    return not is_row(answer.answer, known, filters)


def is_row(passage: Passage, known: Known, filters: Filters, *, events: bool = True) -> bool:
    """Return whether a passage is a row of a table or, with ``events``, an event; not a sentence.

    In a document that has only tables, the names of columns and the totals are rows, too.
    """
    source = TableSource(known, filters)
    heads = [each for each in source.kind("rows") if each.document == passage.document]
    if any(map(source.of_rows, heads)):
        return True
    heads += [each for each in source.kind("events") if events and each.document == passage.document]
    rows = (row for head in heads for row in source.every(head))
    return any(passage.line in (row.begin, row.line) and passage.text in row.text for row in rows)


def _note(answer: Answer, filters: Filters) -> Answer:
    """Return the answer, with a note if nothing fits the filters."""
    if answer.found or answer.passages or not filters:
        return answer
    return attrs.evolve(answer, note=f"nothing is there {filters} that has a word of it")


def _speaks(passage: Passage, words: Sequence[str]) -> bool:
    """Return whether a passage has all words."""
    return all(has_word(f"{passage.text} {passage.context}", word) for word in words)
