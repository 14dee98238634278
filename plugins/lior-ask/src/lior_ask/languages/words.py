"""Words of a text: tokens, languages, stems.

Text in Chinese, Japanese or Korean has no spaces between words; its words are pairs of adjacent characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any

ENGLISH = "english"
LONGEST = 32
"""Characters of a word that count; a longer run of letters is no word of a language."""
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[a-z0-9]{2,}")
_WORD = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[^\W_])(?:(?![{_CJK}])[^\W_]|[\u0300-\u036f])+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_ENDINGS = re.compile("[\u3040-\u309f]+")
"""Hiragana: between other characters these are particles and endings, the stop words of Japanese."""
SAMPLE = 2000
"""Words of a text that its language is detected from."""
_EVIDENCE = 0.05
"""Share of stop words from which a text counts as of their language."""

STOP_WORDS = {
    ENGLISH: """a about above after again against all also am an and any are as at be because been before
        being below between both but by can could did do does doing down during each few for from
        further had has have having he her here hers him his how however i if in into is it its
        itself just may me might more most must my no nor not now of off on once only or other our
        out over own same shall she should so some such than that the their them then there these
        they this those through thus to too under until up upon us very was we were what when
        where whether which while who whom why will with within without would you your""",
    "german": """aber alle als also am an auch auf aus bei bin bis bist da damit das dass dein dem den der
        des die dies diese dieser dieses doch dort du durch ein eine einem einen einer eines er es
        für hat habe haben hatte hier ich ihm ihn ihr ihre im in ist ja kann kein keine können man
        mein mich mir mit nach nicht noch nur ob oder sehr sein seine sich sie sind so über um und
        uns unser unter vom von vor war waren warum was welche welcher wenn wer werden wie wir
        wird wo wurde wurden zu zum zur""",
    "french": """ai au aux avec ce ces cette comme dans de des donc du elle elles en es est et
        était être eu fait il ils je la le les leur leurs lui ma mais me même mes moi mon ne nos
        notre nous on ont ou où par pas plus pour pourquoi qu quand que quel quelle qui sa sans se
        ses si son sont sur ta te tes toi ton tu un une vos votre vous""",
    "spanish": """al algo como con cuál cuando cuándo de del desde donde dónde el él ella ellos en entre era
        es esta está estaba este esto fue ha hay la las le les lo los más me mi mis muy nada ni no
        nos o para pero por porque qué que quien quién se ser si sí sin sobre son soy su sus
        también te tiene tu un una uno unos y ya yo""",
    "italian": """ai al alla alle anche avere che ci come con cosa cui da dal dalla dei del della delle
        di dove e è era essere gli ha hanno ho i il in io la le lei lo loro lui ma mi mia mio ne
        nei nel nella non o per perché più quale quando quella quello questa questo se si sia sono
        su sua suo sul sulla ti tu un una uno vi""",
    "portuguese": """ao aos as com como da das de do dos e é ela ele eles em entre era essa esse esta está
        este eu foi há isso isto já lhe mais mas me mesmo meu minha muito na não nas nem no nos nós o
        onde os ou para pela pelo por porque qual quando que quem se sem ser seu seus só sua suas
        também tem um uma você""",
    "dutch": """aan al als bij dan dat de der deze die dit doch doen door dus een en er geen had heb heeft
        het hij hoe hun ik in is je kan maar me meer met mij mijn na naar niet nog nu of om omdat
        onder ons ook op over te tot u uit uw van veel voor waar waarom wanneer waren was wat we
        wel welke werd wie wij worden zal ze zich zij zijn zo zou""",
    "swedish": """alla att av blev de dem den denna det detta dig din du där då efter ej eller en er ett
        från för ha hade han har hon honom hur här i icke inte jag kan man med men mig min mot
        mycket nu när och om oss på samma sedan sig sin ska som så till under upp ut var vad vem
        vi vid vilken är över""",
    "danish": """af alle at blev blive da de dem den denne der deres det dette dig din du efter eller en er
        et for fra ham han har havde hun hvad hvem hvis hvor hvornår i ikke jeg jo kan man med
        meget men mig min nej nu når og også om op os over på sig skal som til ud under var ved vi
        vil være""",
    "russian": """без более бы был была были было быть в вам вас во вот все всего вы где да для до его ее
        если есть еще же за здесь и из или им их к как какой когда кто ли мне может мы на над не
        него нет ни но о об он она они от по под при с со так там то того только ты у уже чем что
        чтобы эта эти это этот я какая какие какое""",
}
"""Language, by the name of its Snowball stemmer -> words that carry no subject, separated by spaces."""
LANGUAGES = tuple(STOP_WORDS)
CODES = dict(zip(("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "ru"), LANGUAGES, strict=True))
"""ISO 639-1 code -> language."""


_ASKING = frozenset(
    """bitte dann davon denn eigentlich etwa geht gibt gibts heisst heißt jetzt kannst könnte könntest muss
    müssen nenne sage sagt soll sollte viel viele wann welchem welchen welches wem wen wessen wieviel wofür
    woher wohin womit worin zeige combien comment coûte coute cela ça dois doit faut laquelle lequel
    lesquelles lesquels ont peut peux quels quelles quoi sont veut veux
    vont""".split()  # noqa: SIM905
)
"""German and French words that a question has and its answer need not; a text counts them."""


def asking_words(language: str) -> frozenset[str]:
    """Words of a question in ``language`` that do not say what it is about."""
    return stop_words(language) | _ASKING


@cache
def stop_words(language: str) -> frozenset[str]:
    """Words of ``language`` that are not counted."""
    return frozenset(STOP_WORDS[language].split())


def tokens(text: str) -> list[str]:
    """Runs of two or more letters and digits in lower case, and pairs of CJK characters.

    >>> tokens("Müller's 2nd X-ray: 東京都")
    ['müller', '2nd', 'ray', '東京', '京都']
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    if not _IS_CJK.search(text):
        return found
    return list(chain.from_iterable(_pairs(word) if _IS_CJK.match(word) else (word,) for word in found))


def latin(words: Sequence[str]) -> bool:
    """Whether most words are of Latin letters."""
    return 2 * sum(word[0] < "\u0250" for word in words) >= len(words)


def _pairs(run: str) -> list[str]:
    pairs = [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return [pair for pair in pairs if not _ENDINGS.fullmatch(pair)] or pairs


def language_of(
    words: Iterable[str], known: Collection[str] = LANGUAGES, default: str = ENGLISH, least: int = 3
) -> str:
    """The language of ``known`` with the most stop words among ``words``.

    ``default`` where there is too little evidence: fewer than ``least`` stop words, or one in 20. Cyrillic
    letters are evidence of Russian, the only language here that has them.
    """
    sample = list(words)
    if "russian" in known and 2 * sum("\u0400" <= word[0] <= "\u04ff" for word in sample) > len(sample):
        return "russian"
    languages = _languages_of()
    evidence = Counter(word for word in sample if word in languages)
    found = dict.fromkeys(known, 0)
    for word, count in evidence.items():
        for language in languages[word]:
            if language in found:
                found[language] += count
    best = max(found, key=lambda language: (found[language], language == default), default=default)
    return best if found.get(best, 0) >= max(least, _EVIDENCE * len(sample)) else default


@cache
def _languages_of() -> dict[str, list[str]]:
    """The languages of each stop word."""
    found: dict[str, list[str]] = {}
    for language in LANGUAGES:
        for word in stop_words(language):
            found.setdefault(word, []).append(language)
    return found


_NO_ENDING = frozenset("abfhjkopquvwxz0123456789")
"""Last letters of English words that are their own stems."""


@lru_cache(1 << 14)  # for texts learned one after the other
def stem(word: str, language: str) -> str:
    """The stem without accents, which counts as the word: ``running`` and ``runs`` are one term."""
    if word.isascii():
        own = word.isdigit() or (language == ENGLISH and word[-1:] in _NO_ENDING)
        return word if own else str(_stemmer(language).stemWord(word))
    found = word if _IS_CJK.match(word) else str(_stemmer(language).stemWord(word))
    kept = "".join(c for c in unicodedata.normalize("NFKD", found) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", kept) or word


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer  # costs start-up time

    return snowballstemmer.stemmer(language)
