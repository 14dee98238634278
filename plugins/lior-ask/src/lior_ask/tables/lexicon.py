"""Words of calculations, as regular expressions of all languages; the words are in ``languages``."""

from __future__ import annotations

import re

from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.languages.words import tokens
from lior_ask.tables.query import Sign


def _words(*keys: str) -> re.Pattern[str]:
    return re.compile(rf"\b{either(*(f'calculations.{key}' for key in keys))}\b")


def _things(key: str) -> re.Pattern[str]:
    return re.compile(either(f"things.{key}"))


_NAMED = """mean lowest-money highest-money highest-length lowest-length highest-weight lowest-weight
    highest-temperature lowest-temperature next newest oldest oldest-age highest lowest"""


def _name(key: str) -> tuple[str, str, re.Pattern[str]]:
    operation, _, measure = key.partition("-")
    return operation, measure, _words(key.replace("-", "_"))


def _with(key: str, behind: str) -> re.Pattern[str]:
    """Return a pattern of words before others: "how much" before "in total"."""
    return re.compile(rf"{_words(key).pattern}(?=.*{_words(behind).pattern})")


def _first(key: str) -> re.Pattern[str]:
    return re.compile(rf"^\W*(?:{any_of(sorted(words('words.prepositions')))}\s+)?{_words(key).pattern}")


_DEGREES = (("least", "", _words("least")), ("most", "", _words("most")))
OPERATIONS = (
    ("share", "", _words("share")),
    ("net", "money", _words("net")),
    *map(_name, _NAMED.split()),
    *_DEGREES,
    ("sum", "money", _with("how_much_spent", "spent")),
    ("sum", "money", _with("how_much", "in_total")),
    ("paid", "money", _with("how_much", "paid")),
    ("paid", "money", _with("how_much", "worth")),
    ("count", "", re.compile(rf"\b{either('calculations.count')}")),
    ("sum", "", _words("sum")),
    ("list", "", _first("list")),
    ("which", "", _first("which")),
    ("paid", "money", _with("how_much_spent", "paid")),
    ("paid", "money", _first("how_much")),
    ("exists", "", _first("exists")),
    ("lasts", "", _first("long")),
    ("worth", "money", _words("worth")),
    ("used", "", _words("use")),
    ("who", "", re.compile(rf"^\W*{any_of(words('words.who'))}\b")),
)
"""Operation, measure and pattern; the first match counts."""
ASKS = re.compile(rf"\W*{_words('sentence').pattern}(?! {_words('many').pattern})", re.I)
"""Pattern of the beginning of a question for a sentence, also after "show me"."""
TOTAL = _words("total")
"""Pattern of words that may accompany those of a sum or a count."""
MEASURES = {measure: words(f"columns.{measure}") for measure in ("money", "length", "weight", "temperature")}
"""Measure -> words in names of its columns."""
NO_MEASURE = re.compile(rf"(?i)\b{any_of(sorted(words('columns.no_measure')))}\b")
"""Pattern of names of number columns that are added up only if they are named."""
DATED = re.compile(rf"(?i)\b{either('things.dated')}\b")
"""Pattern of column names that mark the date of a row itself, and not of its object."""
MAIL, MESSAGES, CHAT, FILES, EVENTS, CONTACTS, ROWS = map(
    _things, ("mail", "messages", "chat", "files", "events", "contacts", "rows")
)
OF_FILES = _things("of_files")
"""Pattern of words next to the name of a folder or a file extension."""
PICTURES = _things("pictures")
PICTURE_ENDINGS = ("jpg", "jpeg", "png", "gif", "webp", "heic", "tif", "tiff", "bmp")
ENDINGS = "pdf csv docx odt xlsx pptx epub html json txt md eml mbox ics vcf zip"
"""File extensions that may be asked for even if no file has them."""
FORMATS = {
    "markdown": "md",
    "word": "docx",
    "excel": "xlsx",
    "powerpoint": "pptx",
    "text": "txt",
    "python": "py",
    "calendar": "ics",
}
"""Names of formats -> file extensions."""
NAMES = [
    [word for each in languages() for word in each.lists[f"columns.{thing}"]]
    for thing in ("expenses", "quotes", "invoices", "trips", "income")
]
"""Synonyms in names of tables."""
SPENT = words("columns.expenses") | words("columns.costs")
"""Words in names of tables of expenses."""
LEVELS = {level: _things(level) for level in ("error", "warning", "critical", "fatal", "info", "debug")}
"""Log level -> pattern of its words."""
OUTGOING, INCOMING = words("columns.outgoing"), words("columns.incoming")
"""Words for outgoing and for incoming amounts of an account."""
REFUNDED = words("columns.refunded")
"""Words for amounts that somebody has given back."""
TO_US = _words("to_us")
"""Pattern of "us" as the one who is paid."""
DEBIT, CREDIT = words("columns.debit"), words("columns.credit")
"""Words in column names for outgoing and for incoming amounts."""
TABLES = _things("tables")
"""Pattern of words for tables."""
ACCOUNT = _things("account")
"""Pattern of words for an account statement."""
SENT = words("words.sent")
WE = re.compile(rf"(?i)\b{any_of(sorted(words('words.we')))}\b")
ABOUT = re.compile(rf"\b{either('calculations.about')}(?:(?<=')|\b)")
UNSUPPORTED = _words("unsupported", "beyond")
"""Pattern of calculations that the grammar does not support: differences, comparisons of groups."""
BEYOND = _words("beyond", "needed")
"""Pattern of what no query can say: "the second highest", "oars included", what somebody needs."""
PER = _words("per")
"""Pattern of words before the criterion of groups."""
UNITS = {
    "day": _words("daily"),
    "week": _words("weekly"),
    "month": _words("monthly"),
    "year": _words("yearly"),
}
"""Unit of time -> pattern of words for groups by it."""
EXCEPT = re.compile(rf"{_words('except').pattern}([^,;()]*)")
"""Pattern of an exception, with the words before it."""
OWING = tuple(
    (re.compile(rf"\b{any_of(each.lists['calculations.owing'])}\b"), each.lists["calculations.not_paid"][0])
    for each in languages()
    if each.lists["calculations.owing"]
)
"""Patterns of unpaid amounts, with their replacements by "not paid"."""
SUBJECT = _things("subject")
TIMES = _words("times")
"""Pattern of a question how often something occurs."""
NOW = _words("now")
"""Pattern of a question for a present price, and not for a sum of payments."""
PAST = _words("past")
"""Pattern of the condition that a row's date was before a day."""
ENDS = re.compile(rf"(?i)\b{either('things.ends')}")
"""Pattern of names of columns with an expiry date."""
VALUES = _things("values")
"""Pattern of words for values that rows may lack; such rows are left out of any sum or mean."""
NOT = words("words.not")
YES, NO = words("words.yes"), words("words.none")
"""Cells that mean yes, and cells that mean no."""
AUXILIARIES = words("words.auxiliary")
"""Auxiliary verbs; in a question for a share the condition of the counted rows follows them."""
PAYEES = words("columns.payees")
"""Words in names of an account's columns of payees."""
MEANS = words("columns.means")
"""Words in cells for a means of payment, and not for a person."""
PERSONS = words("columns.persons")
"""Words in names of columns of people."""
_SIGNS: tuple[tuple[Sign, str], ...] = ((">=", "at_least"), ("<=", "at_most"), (">", "over"), ("<", "under"))
COMPARISONS = tuple((sign, either(f"calculations.{key}")) for sign, key in _SIGNS)
THAN = tuple(
    (sign, re.compile(rf"\b(?:{words_})\s+{_words('own').pattern}\s+([^\W\d][\w ]{{2,40}}?)\W*$"))
    for sign, words_ in COMPARISONS
)
"""Sign and pattern of comparisons with another column: "below their minimum quantity"."""
DIFFERENT = _words("different")
AHEAD = words("words.ahead")
"""Words for events that are still to come."""
TASKS, OVERDUE, DO = (re.compile(either(f"tasks.{key}")) for key in ("tasks", "overdue", "do"))
"""Patterns of words for tasks, for those that should be done already, and of what remains to be done."""
IDLE = frozenset().union(
    *(words(f"words.{key}") for key in ("stop", "asking", "interrogative", "light", "still"))
)
"""Words of any question, which name no task."""
MUST = re.compile(rf"\b{either('tasks.must')}\b")
"""Pattern of what has to be done."""
TO_DO = re.compile(rf"^\W*{either('tasks.asked')}(?!\w)")
"""Pattern of a question for tasks that does not name them: "what is still open?"."""
USED = words("words.used")
"""Words for consumption, which a meter counts."""
BETWEEN, TIMES_WORDS = words("words.between"), words("words.times")
"""Words for days between two dates, and for a quantity times its price."""
DAYS = _things("days")
HOURS = re.compile(either("units.h"))
"""Pattern of words for hours."""
DURATION = "hours"
"""The word that names a column of durations."""
PRICES, EACH, COUNTS = (words(f"columns.{key}") for key in ("prices", "each", "counts"))
"""Words in column names for prices, for unit prices, and for quantities."""
QUANTITIES = words("columns.quantities")
"""Words in names of columns whose numbers are added up for "how many"."""
CURRENCIES = "€ $ £ ¥ EUR USD GBP CHF Fr Fr.".split()  # noqa: SIM905
VERBS = words("words.verbs") | words("words.says_little") | words("words.vague")
"""Words that may name a column or a value, but need not."""
FUNCTION = words("words.function")
"""Words that need not name a column or a value."""


def is_money(name: str, unit: str) -> bool:
    """Return whether a column with this name and unit has amounts of money."""
    return unit in CURRENCIES or not MEASURES["money"].isdisjoint(tokens(name))
