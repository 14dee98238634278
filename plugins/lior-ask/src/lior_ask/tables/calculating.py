"""Calculating: the answer to a question that asks for a calculation, or the reason for its refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import attrs

from lior.interfaces import Passage
from lior_ask.answer.selection import Answer
from lior_ask.question.filters import Filters, Known
from lior_ask.question.question import LONGEST_MESSAGE, Question
from lior_ask.tables import grammar
from lior_ask.tables.execution import execute, execute_share
from lior_ask.tables.grammar import Request, parse
from lior_ask.tables.groups import execute_groups
from lior_ask.tables.lexicon import ASKS
from lior_ask.tables.linking import named_months
from lior_ask.tables.plan import TableSource, Unclear, names_it
from lior_ask.tables.planning import make_plan
from lior_ask.tables.reported import answer_from_sender
from lior_ask.tables.words import has_word

CONFIDENCE = 0.95
"""Confidence of a calculation. Set by hand: of forty questions that the authors had not seen before, one
calculation was wrong."""
DOUBTFUL = 0.5
"""Minimum confidence of a passage as the answer to a question for a sum, a mean or a list."""
_SENTENCES = ("who", "which", "paid", "next", "newest", "oldest", *grammar.VIEWED)
"""Operations whose words usually ask for a sentence."""
METHOD = "calculated from rows"


def calculate(
    question: Question, known: Known, today: date, top: int, quote: Callable[[Question], Answer]
) -> Answer:
    """Return the calculation that a question asks for, or the answer that ``quote`` returns.

    Parameters
    ----------
    today
        The reference day of "last week".
    quote
        Answers a question with a passage. If a calculation is refused because words name nothing, a passage
        that has all words of the question is returned instead.
    """
    filters = question.filters
    if len(question.text) > LONGEST_MESSAGE:
        return _note(quote(question), filters)
    request = parse(question, today, named_months(question, known))
    quoted = partial(answer_from_sender, question, known, today, quote)
    if request is None:
        return _note(quoted(), filters)
    try:
        plan = make_plan(request, known, question)
        if plan is None:
            return _unless_doubtful(request, _of_table(request, _note(quoted(), filters), known, filters))
        run = execute_groups if plan.group else execute_share if plan.part else execute
        result, said = run(plan, request)
    except Unclear as unclear:
        answer = quoted()
        words = [word.text for word in request.words]
        speaks = unclear.words and answer.found and answer.answer and _speaks(answer.answer, words)
        if speaks or request.operation in grammar.DOUBTFUL:
            return _of_table(request, answer, known, filters)
        note = "it is not clear what is to be calculated"
        refused = attrs.evolve(answer, found=False, confidence=0.0, answer=None, block=None, method=METHOD)
        return attrs.evolve(refused, note=note, said=unclear.said, result=None)
    single = result.rows[0] if len(result.rows) == 1 and result.operation != "count" else None
    return Answer(
        question=question.text,
        found=True,
        confidence=CONFIDENCE,
        answer=single,
        passages=tuple((row, CONFIDENCE) for row in result.rows[:top]),
        evidence=({},) * min(len(result.rows), top),
        method=METHOD,
        said=said,
        result=result,
    )


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
    return attrs.evolve(answer, found=False, confidence=0.0, answer=None, block=None, said=said, note=said)


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
    row = any(answer.answer.document == head.document for head in heads)
    return attrs.evolve(answer, confidence=DOUBTFUL) if named or row else answer


def _note(answer: Answer, filters: Filters) -> Answer:
    """Return the answer, with a note if nothing fits the filters."""
    if answer.found or answer.passages or not filters:
        return answer
    return attrs.evolve(answer, note=f"nothing is there {filters} that has a word of it")


def _speaks(passage: Passage, words: Sequence[str]) -> bool:
    """Return whether a passage has all words."""
    return all(has_word(f"{passage.text} {passage.context}", word) for word in words)
