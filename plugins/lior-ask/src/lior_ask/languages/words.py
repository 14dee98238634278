"""Words of a text: tokens, languages, stems.

Text in Chinese, Japanese or Korean has no spaces between words; pairs of adjacent characters are its words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from itertools import chain
from typing import Any

from lior_ask.languages import lists
from lior_ask.languages.lists import languages, others

ENGLISH = "english"
LONGEST = 32
"""Number of characters of a word that count; a longer run of letters is not a word of a language."""
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[a-z0-9]{2,}")
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])+")
IDENTIFIER = "i:"
"""Prefix of the word of an identifier; no other word has it."""
_IDENTIFIER = re.compile(
    r"(?<![\w.-])--?[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?!\w)"
    r"|(?<!\w)[a-z][a-z0-9]*(?:(?:_+|\.|::)[a-z][a-z0-9]*)+(?!\w)",
    re.ASCII | re.IGNORECASE,
)
_MIXED = rf"[{_CJK}]+|(?:(?![{_CJK}])[^\W_])(?:(?![{_CJK}])[^\W_]|[\u0300-\u036f])+"
"""Pattern of a word in text with Chinese, Japanese or Korean; compiled on demand, since that takes 5 ms."""
_IS_CJK = rf"[{_CJK}]"
_ENDINGS = re.compile("[\u3040-\u309f]+")
"""Pattern of Hiragana: particles and endings between other characters, the stop words of Japanese."""
SAMPLE = 2000
"""Number of words used to detect the language of a text."""
_EVIDENCE = 0.05
"""Minimum share of stop words to detect a language."""

_ALL = sorted(
    [(each.number, each.name) for each in languages()]
    + [(int(each["number"]), name) for name, each in others().items()]
)
LANGUAGES = tuple(name for _, name in _ALL)
"""Languages by the names of their Snowball stemmers, in the order of their numbers in a stored index."""


def asking_words(language: str) -> frozenset[str]:
    """Return the words of a question in ``language`` that do not name its subject."""
    return stop_words(language) | lists.words("words.asking", language)


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return the words of ``language`` that are not counted."""
    own = next((each for each in languages() if each.name == language), None)
    return frozenset(own.lists["words.stop"] if own else others()[language]["stop"].split())


def tokens(text: str) -> list[str]:
    """Return runs of two or more letters and digits in lower case, and pairs of CJK characters.

    >>> tokens("Müller's 2nd X-ray: 東京都")
    ['müller', '2nd', 'ray', '東京', '京都']
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    plain = unicodedata.normalize("NFKC", text).lower()
    if max(plain) < _CJK[0]:
        return _WORD.findall(plain)
    found = re.findall(_MIXED, plain)
    if not re.search(_IS_CJK, text):
        return found
    return list(chain.from_iterable(_pairs(word) if re.match(_IS_CJK, word) else (word,) for word in found))


def asked_words(text: str) -> list[str]:
    """Return the words of a question, and the marks that only Spanish has, to detect its language.

    >>> asked_words("¿Dónde está?")
    ['dónde', 'está', '¿']
    """
    return [*tokens(text), *re.findall("[¿¡]", text)]


def identifiers(text: str) -> list[list[str]]:
    """Return the words of each name of a program's part in a text: the whole name, then its last parts.

    Such a name has a dot, an underscore or two colons between letters, or hyphens before them. An
    abbreviation of single letters is none. Only options of one letter depend on its case.

    >>> identifiers("os.cpu_count() and --Soft or -S, e.g. at 5 p.m.")
    [['i:os.cpu_count', 'i:cpu_count'], ['i:--soft'], ['i:-S']]
    """
    found = list[list[str]]()
    for name in _IDENTIFIER.findall(text):
        parts = (name if len(name) == 2 else name.lower()).split(".")
        if name[0] == "-" or max(map(len, parts)) > 1:
            ends = [".".join(parts[at:]) for at in range(len(parts))]
            found.append([IDENTIFIER + end for end in ends if not end.isalnum()])
    return found


def _pairs(run: str) -> list[str]:
    pairs = [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return [pair for pair in pairs if not _ENDINGS.fullmatch(pair)] or pairs


def language_of(
    words: Iterable[str],
    known: Collection[str] = LANGUAGES,
    default: str = ENGLISH,
    least: int = 3,
    *,
    asks: bool = False,
) -> str:
    """Return the language of ``known`` with the most stop words among ``words``.

    If a text ``asks``, the words that ask count too, also without accents.

    It is ``default`` if there is too little evidence: fewer than ``least`` stop words, or fewer than one in
    20 words. Cyrillic letters are evidence of Russian, the only language here that has them.
    """
    sample = list(words)
    if "russian" in known and 2 * sum("\u0400" <= word[0] <= "\u04ff" for word in sample) > len(sample):
        return "russian"
    languages = _languages_of(asks)
    evidence = Counter(word for word in sample if word in languages)
    found = dict.fromkeys(known, 0)
    for word, count in evidence.items():
        for language in languages[word]:
            if language in found:
                found[language] += count
    best = max(found, key=lambda language: (found[language], language == default), default=default)
    return best if found.get(best, 0) >= max(least, _EVIDENCE * len(sample)) else default


@cache
def _languages_of(asks: bool) -> dict[str, list[str]]:
    """Return the languages of each stop word; of questions, also of each word that asks."""
    found: dict[str, list[str]] = {}
    keys = ("words.asking", "words.interrogative") if asks else ()
    asking = {own.name: {word for key in keys for word in own.lists[key]} for own in languages()}
    for language in LANGUAGES:
        own = asking.get(language, set())
        for word in stop_words(language) | own | {*map(bare, own)}:
            found.setdefault(word, []).append(language)
    return found


_NO_ENDING = frozenset("abfhjkopquvwxz0123456789")
"""Last letters of English words that equal their stems."""


_LETTERS = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ı": "i", "ħ": "h"}
    | {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th"}
)
"""Letters that Unicode does not divide into a plain letter and an accent."""
_IN_TWO = {"å": "aa", "ä": "ae", "æ": "ae", "ö": "oe", "ø": "oe", "œ": "oe", "ü": "ue", "ß": "ss"}
"""Letters that are also written as two."""
_LETTERS_OF = {two: [letter for letter, each in _IN_TWO.items() if each == two] for two in _IN_TWO.values()}
_TWO = re.compile(rf"({'|'.join(_LETTERS_OF)})")
_SPELLINGS = 16
"""Maximum number of spellings of a word; few words have more than two such letters."""


@lru_cache(1 << 14)  # for texts learned in succession
def stem(word: str, language: str) -> str:
    """Return the stem without accents, which is the term: ``running`` and ``runs`` have the same."""
    if word.isascii():
        own = word.isdigit() or word[1:2] == ":" or (language == ENGLISH and word[-1:] in _NO_ENDING)
        return word if own else str(_stemmer(language).stemWord(word))
    cjk = word[0] >= _CJK[0] and re.match(_IS_CJK, word)
    found = word if cjk else str(_stemmer(language).stemWord(word))
    return bare(found) or word


def bare(text: str) -> str:
    """Return a text without accents.

    >>> bare("Łódź, Tromsø, Straße, Malmö")
    'Lodz, Tromso, Strasse, Malmo'
    """
    letters = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(c for c in letters if not unicodedata.combining(c)))


@lru_cache(1 << 10)
def spellings(word: str) -> tuple[str, ...]:
    """Return other spellings of a word in lower case: a letter for two, or two for a letter.

    >>> spellings("malmö"), spellings("aarhus")
    (('malmoe',), ('århus',))
    """
    if not word.isascii():
        found = word
        for letter, two in _IN_TWO.items():
            found = found.replace(letter, two)
        return (found,) if found != word else ()
    every = [""]
    for part in _TWO.split(word):
        every = [done + each for done in every for each in (part, *_LETTERS_OF.get(part, ()))][:_SPELLINGS]
    return tuple(every[1:])


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer  # costs start-up time

    return snowballstemmer.stemmer(language)
