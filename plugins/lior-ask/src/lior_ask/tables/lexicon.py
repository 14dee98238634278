"""Words of calculations, as regular expressions of all languages; the words are in ``languages``."""

from __future__ import annotations

import re

from lior_ask.languages.lists import any_of, either, languages, words


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
    """Words before others: "how much" before "in total"."""
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
"""Operation, what it measures, pattern; the first that matches counts."""
ASKS = re.compile(rf"\W*{_words('sentence').pattern}(?! {_words('many').pattern})", re.I)
"""How a question for a sentence begins, also behind "show me"."""
TOTAL = _words("total")
"""Words that may stand beside those of a sum or a number of rows."""
MEASURES = {measure: words(f"columns.{measure}") for measure in ("money", "length", "weight", "temperature")}
"""What is measured -> words of the names of columns that have it."""
NO_MEASURE = re.compile(rf"(?i)\b{any_of(sorted(words('columns.no_measure')))}\b")
"""Columns of numbers that are not added up unless they are named."""
DATED = re.compile(rf"(?i)\b{either('things.dated')}\b")
"""Names of columns by which a row is old, and not what it is of."""
MAIL, MESSAGES, CHAT, FILES, EVENTS, CONTACTS, ROWS = map(
    _things, ("mail", "messages", "chat", "files", "events", "contacts", "rows")
)
OF_FILES = _things("of_files")
"""Words beside the name of a folder or of an ending."""
PICTURES = _things("pictures")
PICTURE_ENDINGS = ("jpg", "jpeg", "png", "gif", "webp", "heic", "tif", "tiff", "bmp")
ENDINGS = "pdf csv docx odt xlsx pptx epub html json txt md eml mbox ics vcf zip"
"""Endings of files that need not be there to be asked for."""
FORMATS = {
    "markdown": "md",
    "word": "docx",
    "excel": "xlsx",
    "powerpoint": "pptx",
    "text": "txt",
    "python": "py",
    "calendar": "ics",
}
"""Names of formats -> endings."""
NAMES = [
    [word for each in languages() for word in each.lists[f"columns.{thing}"]]
    for thing in ("expenses", "quotes", "invoices", "trips", "income")
]
"""Words for one thing in the names of tables."""
SPENT = words("columns.expenses") | words("columns.costs")
"""Words of the names of tables of what was spent."""
LEVELS = {level: _things(level) for level in ("error", "warning", "critical", "fatal", "info", "debug")}
"""Level of the entry of a log -> words for it."""
OUTGOING, INCOMING = words("columns.outgoing"), words("columns.incoming")
"""Words for what an account pays out, and for what comes in."""
DEBIT, CREDIT = words("columns.debit"), words("columns.credit")
"""Words of the names of columns of what went out, and of what came in."""
TABLES = _things("tables")
"""Words for what holds rows."""
ACCOUNT = _things("account")
"""Words for a statement of an account."""
SENT = words("words.sent")
WE = re.compile(rf"(?i)\b{any_of(sorted(words('words.we')))}\b")
ABOUT = re.compile(rf"\b{either('calculations.about')}(?:(?<=')|\b)")
UNSUPPORTED = _words("unsupported")
"""What would be a calculation of another kind: differences, comparisons of groups."""
PER = _words("per")
"""Words before what rows are put together by."""
UNITS = {
    "day": _words("daily"),
    "week": _words("weekly"),
    "month": _words("monthly"),
    "year": _words("yearly"),
}
"""Unit of time -> words that rows are put together by it."""
EXCEPT = re.compile(rf"{_words('except').pattern}([^,;()]*)")
"""What is left out, with the words before it."""
OWING = tuple(
    (re.compile(rf"\b{any_of(each.lists['calculations.owing'])}\b"), each.lists["calculations.not_paid"][0])
    for each in languages()
    if each.lists["calculations.owing"]
)
"""What says that something is not paid, and that in other words."""
SUBJECT = _things("subject")
TIMES = _words("times")
"""What asks how often something is told."""
NOW = _words("now")
"""What tells that a price of today is asked for, and no sum of what was paid."""
PAST = _words("past")
"""What says that a date of a row was before a day."""
ENDS = re.compile(rf"(?i)\b{either('things.ends')}")
"""Names of columns with the day up to which something is good."""
VALUES = _things("values")
"""Words for what rows lack that are left out of any sum or mean."""
NOT = words("words.not")
YES, NO = words("words.yes"), words("words.none")
"""What cells say that something is so, or is not."""
AUXILIARIES = words("words.auxiliary")
"""Verbs behind which a question for a share says what rows are counted."""
PAYEES = words("columns.payees")
"""Words of the names of columns of an account that say who was paid."""
MEANS = words("columns.means")
"""What says how something was paid, and not by whom."""
PERSONS = words("columns.persons")
"""Words of the names of columns that say who."""
COMPARISONS = tuple(
    (sign, either(f"calculations.{key}"))
    for sign, key in ((">=", "at_least"), ("<=", "at_most"), (">", "over"), ("<", "under"))
)
THAN = tuple(
    (sign, re.compile(rf"\b(?:{words_})\s+{_words('own').pattern}\s+([^\W\d][\w ]{{2,40}}?)\W*$"))
    for sign, words_ in COMPARISONS
)
"""Sign and what comparisons with another column look like: "below their minimum quantity"."""
DIFFERENT = _words("different")
USED = words("words.used")
"""Words for what a meter counts."""
BETWEEN, TIMES_WORDS = words("words.between"), words("words.times")
"""Words of the days between two dates, and of a quantity times its price."""
DAYS = _things("days")
PRICES, EACH, COUNTS = (words(f"columns.{key}") for key in ("prices", "each", "counts"))
"""Words of the names of columns of prices, of those of one piece, and of how many there are."""
QUANTITIES = words("columns.quantities")
"""Names of columns whose numbers are added up where they are asked for with "how many"."""
CURRENCIES = "€ $ £ ¥ EUR USD GBP CHF Fr Fr.".split()  # noqa: SIM905
VERBS = words("words.verbs") | words("words.says_little") | words("words.vague")
"""Words that may name a column or a value, and need not."""
FUNCTION = words("words.function")
"""Words that need not be explained by a column or a value."""
