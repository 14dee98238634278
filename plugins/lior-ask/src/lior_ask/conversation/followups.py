"""What a message says by itself: whether it is a follow-up, and what it asks; English, German and French."""

from __future__ import annotations

import re

import attrs

from lior_ask.answer.selection import LIGHT, named, subjects
from lior_ask.question.answer_type import expected

_BEGINS = re.compile(
    r"\W*(and|adn|nad|annd|andd|or|but|then|also|(so )?(what|waht|how) about|und|udn|"
    r"unnd|oder|aber|auch|was ist mit|wie (ist|steht) es mit|et|ou|mais|aussi|et pour|"
    r"qu['’ ]en est[- ]il (de|du|des)|"
    r"(?=(the|der|die|das|le|la|les) (other|first|second|third|last|next|andere\w*|erste\w*|zweite\w*|"
    r"dritte\w*|letzte\w*|nächste\w*|autres?|premi\w+|deuxième|seconde?|troisième|derni\w+)))\b[\s,:]*",
    re.I,
)
_PRONOUN = re.compile(
    r"\b((?<!\bis )it|its|it(?=['’]s)|they|them|their|theirs|he|him|his|she|her|hers"
    r"|(?<!no )(?<!any )ones?(?! of)|(?<!is )(?<!are )(?<!was )(?<!were )there(?=\W*$)"
    r"|th(is|at|ese|ose)(?=\W*$| (is|was|are|were|ones?|do|does|did|cost\w*|mean\w*|happen\w*)\b)"
    r"|is it(?! (true|possible|worth|known|raining|snowing|allowed))"
    r"|er|ihn|ihm|ihr(e[nmrs]?)?|seine[nmrs]?|sein(?! *\W*$)|sie|es(?!\W* (gibt|geht))|dessen|deren"
    r"|davon|damit|dafür|darin|darauf|dazu|daran|dabei|dort"
    r"|ils?(?! (y a|faut|fait))|elles?|lui|leurs?|celui|celles?|ceux|(son|sa|ses)(?= \w)"
    r"|y(?= a| est))\b",
    re.I,
)
_NOT_ONE = re.compile(
    r"\b(gibt es|geht es|handelt es|il y a|y a[- ]t[- ]il|faut[- ]il|est[- ]ce qu['’]il y|Sie|Ihr\w*|Ihnen)\b"
)
"""Words that look like pronouns and stand for nothing that was said."""
_VAGUE = frozenset(
    """one ones other others another first second third last next else more again andere anderen anderer
    anderes erste ersten zweite zweiten dritte dritten letzte letzten nächste nächsten mehr weitere noch autre
    autres premier première deuxième second seconde troisième dernier dernière encore
    plus""".split()  # noqa: SIM905
)
"""Words that name nothing by themselves."""
_ORDINALS = (
    r"\b(first|erste[nrsm]?|premi(er|ère))\b", r"\b(second|zweite[nrsm]?|deuxième|seconde)\b",
    r"\b(third|dritte[nrsm]?|troisième)\b",
)  # fmt: skip


def _any(words: str) -> str:
    return rf"\b({'|'.join(words.split())})\b"


_NUMBERS = "one two three four five six seven eight nine ten zwei drei vier fünf deux trois quatre cinq"
_MONTHS = """january february march april may june july august september october november december januar
    februar märz mai juni juli oktober dezember janvier février mars avril juin juillet août septembre octobre
    novembre décembre"""
_TIMES = r"""\w+days? morning evening noon \w+tags? morgens abends lundi mardi mercredi jeudi vendredi samedi
    dimanche matin soir"""
_CLOCK = r"\b(19|20)\d\d\b|\b\d\d?([:.]\d\d\b|\.|st\b|nd\b|rd\b|th\b| ?[ap]m\b| h\b| uhr\b)"
_DAY = r"\W* (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_KINDS = tuple(
    (re.compile(asked, re.I), re.compile(wanted, re.I))
    for asked, wanted in (
        (
            _any("prices? costs? paid pay fee rent preis kosten kostet gebühr prix coûte? coute tarif loyer"),
            _any("euros? pounds? dollars? francs? cents? pence")
            + r"|[€$£]|\d[.,]\d\d(?![\d:])"
            + rf"|(?<![\d:./-])(?<!\bh )\d{{2,6}}(?![\d:./-]|{_DAY})",
        ),
        (
            r"\b(how (much|many|old|tall|long|big|heavy|far)|number"
            r"|wie ?(viel\w*|alt|gross|groß|lang|schwer|weit|hoch)"
            r"|nummer|combien|numéro|quel âge)\b",
            rf"\d|{_any(_NUMBERS)}",
        ),
        (
            r"\b(when|what (time|date|day)|date|time|wann|uhrzeit|datum|quand|quelle (heure|date)|heure)\b",
            f"{_CLOCK}|{_any(_MONTHS + ' ' + _TIMES)}",
        ),
    )
)
"""What a message asks for, and what a sentence that answers it has; further than in English alone."""
_PLACE = (
    re.compile(_any("wo où"), re.I),
    re.compile(_any("im am auf bei unter neben hinter in dans sur sous chez derrière près"), re.I),
)
_ASKS = re.compile(_any("why how warum wieso wie woher wohin wer wem wen pourquoi comment qui"), re.I)
_SAY_LITTLE = frozenset(
    """liegt lag liegen steht stand stehen kommt kam macht machte hatte findet finde trouve trouver vient fais
    met mis""".split()  # noqa: SIM905
)
"""German and French words as those of :data:`lior_ask.answer.selection.LIGHT`."""
_TIMED = re.compile(
    rf"\b((in|on|at|by|since|until|till|from|between) )?({_any(_MONTHS + ' ' + _TIMES)}|\d+)", re.I
)
"""When, which is neither where nor who."""
_KIND_WORDS = frozenset(
    """price prices cost costs paid pay fee number date time preis kosten kostet kostete gebühr nummer uhrzeit
    datum prix coûte coute tarif numéro heure old tall long heavy far big many much""".split()  # noqa: SIM905
)
"""Words that only say the kind; a sentence of that kind need not have them."""


@attrs.frozen
class Message:
    """A message of a conversation, read without what was said before."""

    text: str
    """Without a word such as "and" at its beginning."""
    own: tuple[str, ...]
    """Words that name something."""
    marked: bool
    """Whether it says that it goes on with what was said."""
    pronoun: bool
    """Whether a word stands for what was said."""
    ordinal: int
    """Of the thing that it points to, from 1: "the second one"; 0 where it does not."""

    @property
    def light(self) -> list[str]:
        """Words that name nothing but are in few sentences, such as "come"."""
        return [word for word in subjects(self.text) if word in LIGHT]

    @property
    def named(self) -> tuple[str, ...]:
        """Words that a passage must have: those that say more than the kind, if there are any."""
        return tuple(word for word in self.own if word not in _KIND_WORDS)

    def suits(self, text: str) -> bool | None:
        """Whether a text has the kind that is asked for; ``None`` where the message does not tell."""
        for asked, wanted in _KINDS:
            if asked.search(self.text):
                return bool(wanted.search(text))
        untimed = _TIMED.sub(" ", text)
        if _PLACE[0].search(self.text):
            return bool(_PLACE[1].search(untimed))
        usual = expected(self.text)
        return bool(usual.search(untimed)) if usual else None

    @property
    def asks_more(self) -> bool:
        """Whether it asks for a kind that is not told in a text, such as a reason in French."""
        return self.suits("") is None and bool(_ASKS.search(self.text))

    @property
    def measured(self) -> bool:
        """Whether a number, a price or a time is asked for, which a text has or has not."""
        return any(asked.search(self.text) for asked, _ in _KINDS)


def read(message: str) -> Message:
    """A message with the marks of a follow-up.

    >>> read("and her insurance?")
    Message(text='her insurance?', own=('insurance',), marked=True, pronoun=True, ordinal=0)
    """
    begins = _BEGINS.match(message)
    text = message[begins.end() :] if begins and message[begins.end() :].strip(" ?!.") else message
    own = [w for w in dict.fromkeys(subjects(text)) if w not in _VAGUE | _SAY_LITTLE | LIGHT]
    own = [w for w in own if not _PRONOUN.fullmatch(w)]
    found = _PRONOUN.search(_NOT_ONE.sub("", text))
    before = text[: found.start()] if found else ""
    pronoun = bool(found) and not named(before + " .")
    ordinal = next((n for n, each in enumerate(_ORDINALS, 1) if re.search(each, text, re.I)), 0)
    return Message(text, tuple(own), bool(begins) or pronoun, pronoun, ordinal * (not own))
