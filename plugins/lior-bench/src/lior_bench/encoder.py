"""Learn the encoder of ``lior ask`` further, by backpropagation: to find what answers, and to read it.

multilingual-e5-small learns two tasks at once from questions with their passages. As an encoder it places a
question nearer to its answer than to other passages of its folder and of the step's other questions
(contrastive learning: L. Wang et al., *Text Embeddings by Weakly-Supervised Contrastive Pre-training*, 2022).
As a cross-encoder it scores an answer higher than similar passages that do not answer, and higher than 0,
which stands for "nothing answers".

Its weights stay in four bits: each step rounds them, and the gradient ignores the rounding (Y. Bengio et al.,
*Estimating or Propagating Gradients Through Stochastic Neurons*, 2013). Initial noise that rounding removes
makes a small change move as many weights as it should, instead of none.

The questions are those of the folders of the part ``read`` of ``plugins/lior-bench/data``, which the judge is
not learned from, so that it learns what scores are worth on folders that the encoder has not seen; and some
about encyclopaedias.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import (
    cross_entropy,
    dropout,
    gelu,
    layer_norm,
    linear,
    normalize,
    scaled_dot_product_attention,
)

import lior_ask
from lior.interfaces import Candidates
from lior.plugins import pick_device
from lior_ask.embedders import e5
from lior_ask.embedders.four_bits import EPSILON, HEADS, LAYERS, PARTS, Model, unpack
from lior_ask.embedders.pieces import BEGIN, END
from lior_ask.index.embedding import reading
from lior_ask.judging.cross_encoder import above
from lior_ask.judging.features import read_rows
from lior_bench.pieces import OF_PIECES, original, save
from lior_bench.sets import Question
from lior_bench.worlds import holds, worlds
from lior_bench.worlds import unpack as unpack_world

_LIKELY = 20
"""The number of wrong passages of a question that look most like answers."""
_OVERLAP, _NEAREST = 1.5, 4.0
"""The weight of the question's words beside the cosine, and of the mark as the nearest wrong passage."""
_LONGEST = 126
"""The maximum number of pieces of a passage."""
_SCALE = 30.0
"""The scale of the score: vectors have length 1."""
_SQUARE = ("q", "k", "v", "ao")
_NORMS = ("aln", "oln")
_BLOCK = 32
_WITHIN = 0.96
"""The width of the initial noise, as a share of the interval that rounds to the same number."""
_WORD = re.compile(r"[^\W_]{3,}")


@attrs.frozen(kw_only=True)
class Plan:
    """The settings of learning."""

    general: int = 5_000
    """The number of questions about encyclopaedias; the last epoch is without them."""
    epochs: int = 3
    rate: float = 2e-4
    batch: int = 48
    """The number of questions of a step."""
    wrong: int = 4
    """The number of likely wrong passages of a question, beside one other."""
    near: int = 3
    """The number of likely wrong passages that the encoder compares with the question."""
    temperature: float = 0.03
    """The temperature of cosines."""
    finding: float = 0.5
    """The weight of the loss of finding relative to that of reading."""
    deleted: float = 0.1
    """The share of answerable questions that are read without their answer."""
    null: float = 0.3
    """The weight of "nothing answers" among the wrong passages of a question that has an answer."""
    seed: int = 0


@attrs.frozen(eq=False)
class Read:
    """The passages of a folder in word pieces."""

    heads: list[list[int]]
    """The pieces of the headings above each passage."""
    texts: list[list[int]]
    whole: list[list[int]]
    """The pieces that the encoder reads for each passage."""
    blocks: np.ndarray
    words: list[set[str]]


class Group(NamedTuple):
    """A question of a folder, with the numbers of its passages."""

    read: Read
    question: list[int]
    right: list[int]
    wrong: list[int]
    """The wrong passages, the likeliest first."""
    own: bool = True
    """Whether it is about a folder, not an encyclopaedia."""


# --- input ---


def of_folder(name: str, asked: Sequence[Question], model: Encoder) -> Iterator[Group]:
    """Yield the questions of a folder with all its passages."""
    with tempfile.TemporaryDirectory() as place:
        unpack_world(name, Path(place))
        view = lior_ask.Index(place, retriever="settle", cache=False).inverted
        rows = np.arange(len(view))
        passages = read_rows(view, rows)
    blocks, none = view.layout.block_of[rows], np.zeros((len(rows), 0))
    found = Candidates(
        rows=rows, blocks=blocks, passages=(*passages,), features=none, folder=none[0], level=""
    )
    pairs = [(above(found, at), each.text) for at, each in enumerate(passages)]
    read = take_in(model.file, pairs, [reading(each) for each in passages], blocks)
    marked = [np.array([holds(question, each) for each in passages], bool) for question in asked]
    yield from order_passages(model, read, asked, marked)


def of_encyclopaedias(place: Path, plan: Plan, model: Encoder) -> Iterator[Group]:
    """Yield some questions of SelQA, QED, XQuAD and PIAF, with the sentences of their paragraphs."""
    every = [*_paragraphs(place)]
    some = np.random.default_rng(plan.seed).permutation(len(every))[: plan.general]
    for asked, head, marked in (every[at] for at in some):
        right = np.array([answers for _, answers in marked])
        texts = [text for text, _ in marked]
        read = take_in(
            model.file, [(head, text) for text in texts], [f"{head} {text}".strip() for text in texts]
        )
        question = model.file.pieces.of(f"query: {asked}")
        yield Group(read, question, [*np.flatnonzero(right)], [*np.flatnonzero(~right)], own=False)


Paragraph = tuple[str, str, list[tuple[str, bool]]]
"""A question, a heading, and sentences with whether they answer."""


def _paragraphs(place: Path) -> Iterator[Paragraph]:
    """Return questions, headings, and sentences with whether they answer; some do, and some do not."""

    def read(name: str) -> str:
        return gzip.decompress((place / f"{name}.gz").read_bytes()).decode()

    found = [each for name in ("selqa.dev", "selqa.test") for each in _selqa(read(f"{name}.json"))]
    found += map(_qed, read("qed.dev.jsonl").splitlines())
    for name in ("xquad.en", "xquad.de", "piaf.fr"):
        found += _squad(read(f"{name}.json"))
    return (each for each in found if 0 < sum(answers for _, answers in each[2]) < len(each[2]))


def _selqa(text: str) -> Iterator[Paragraph]:
    for each in json.loads(text):
        right = {*each["answers"]}
        marked = [(text, at in right) for at, text in enumerate(each["candidates"])]
        yield each["question"], f"{each['article']}, {each['section']}", marked


def _qed(line: str) -> Paragraph:
    each = json.loads(line)
    text, starts = each["paragraph_text"], each["sentence_starts"]
    spans = [span["string"] for answer in each["original_nq_answers"] for span in answer]
    sentences = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    marked = [(part, any(span in part for span in spans)) for part in sentences]
    return each["question_text"], each["title_text"], marked


def _squad(text: str) -> Iterator[Paragraph]:
    for article in json.loads(text)["data"]:
        for paragraph in article["paragraphs"]:
            sentences = re.split(r"(?<=[.!?]) +", paragraph["context"])
            for each in paragraph["qas"]:
                span = each["answers"][0]["text"]
                yield (
                    each["question"],
                    article.get("title") or "",
                    [(part, span in part) for part in sentences],
                )


def take_in(
    file: Model,
    pairs: Sequence[tuple[str, str]],
    whole: Sequence[str],
    blocks: np.ndarray | None = None,
) -> Read:
    """Return passages ``(heading, text)`` and the texts that the encoder reads for them, in pieces."""
    return Read(
        [file.pieces.of(head) if head else [] for head, _ in pairs],
        [file.pieces.of(text) for _, text in pairs],
        [file.pieces.of(f"passage: {text}") for text in whole],
        np.arange(len(pairs)) if blocks is None else blocks,
        [{*_WORD.findall(text.lower())} for _, text in pairs],
    )


def order_passages(
    model: Encoder, read: Read, asked: Sequence[Question], marked: Sequence[np.ndarray]
) -> Iterator[Group]:
    """Yield the questions with their right and wrong passages, the likeliest first.

    ``marked`` are bool ``(N,)``: the passages that answer, or the nearest ones for a question without an
    answer.
    """
    questions = [model.file.pieces.of(f"query: {each.text}") for each in asked]
    passages = model.vectors([frame(each) for each in read.whole])
    cosines = model.vectors([frame(each) for each in questions]) @ passages.T
    counts = Counter(word for each in read.words for word in each)
    for question, pieces, near, row in zip(asked, questions, marked, cosines, strict=True):
        answered = question.kind != "unanswerable"
        right = near & answered
        if answered and not right.any():
            continue
        mine = {*_WORD.findall(question.text.lower())}
        shared = [
            sum(math.log1p(len(read.words) / counts[word]) for word in mine & each) for each in read.words
        ]
        likely = (row - row.mean()) / (row.std() + 1e-6) + _OVERLAP * np.array(shared) / max(*shared, 1e-9)
        order = np.argsort(-(likely + _NEAREST * (near & ~right)), kind="stable").tolist()
        beside = np.isin(read.blocks, read.blocks[right])
        wrong = [at for at in order if not beside[at]]
        yield Group(read, pieces, [at for at in order if right[at]], wrong)


def frame(pieces: list[int]) -> list[int]:
    """Return the pieces of a text between its begin and end marks."""
    return [BEGIN, *pieces[:_LONGEST], END]


# --- the model ---


def rounded(weights: Tensor) -> Tensor:
    """Return weights rounded to four bits, in the same shape; blocks of 32 share a scale."""
    blocks = weights.reshape(-1, _BLOCK)
    scale, numbers = quarters(blocks)
    return ((numbers - 8) * scale.float()).reshape(weights.shape)


def quarters(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return scales, float16 ``(n, 1)``, and whole numbers ``(n, 32)`` in [0, 15] for blocks ``(n, 32)``."""
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = (largest / -8).half()
    divided = blocks / torch.where(scale == 0, 1.0, scale.float())
    return scale, torch.clamp(torch.floor(divided + 8.5), 0, 15)


def dither(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Return weights with noise that :func:`rounded` removes."""
    blocks = weights.reshape(-1, _BLOCK)
    size = blocks.abs()
    largest, at = size.max(1, keepdim=True)
    noise = (torch.rand(blocks.shape, generator=generator) - 0.5) * (_WITHIN / 8) * largest
    moved = blocks + noise.scatter(1, at, 0.0)
    return torch.where(moved.abs() < 0.999 * largest, moved, blocks).reshape(weights.shape)


def mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the unit vectors ``(N, width)`` in the direction of the mean states of texts."""
    return normalize((states * mask[..., None]).sum(1), dim=1)


class Encoder(nn.Module):
    """multilingual-e5-small, in which all weights are learned except the vectors of the word pieces.

    With ``lowest``, it has the layers from that number on, and :meth:`upper` computes them. A share
    ``dropped`` of what a layer adds is left out while it learns.
    """

    def __init__(
        self, file: Model, generator: torch.Generator, *, lowest: int = 0, dropped: float = 0.0
    ) -> None:
        super().__init__()
        self.file, self.lowest, self.dropped = file, lowest, dropped
        layers = range(lowest, LAYERS)
        self.products, self.biases, self.norms = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        for part in PARTS:
            biases = np.stack([file.numbers(f"l{layer}.{part}.b") for layer in layers])
            weights = torch.tensor(np.stack([unpack(*file.product(f"l{layer}.{part}")) for layer in layers]))
            self.products[part] = nn.Parameter(dither(weights, generator))
            self.biases[part] = nn.Parameter(torch.tensor(biases))
        for name in _NORMS:
            both = [[file.numbers(f"l{layer}.{name}.{side}") for side in "wb"] for layer in layers]
            self.norms[name] = nn.Parameter(torch.tensor(np.array(both)))
        first = [file.numbers(f"emb.ln.{side}") for side in "wb"]
        self.first = nn.Parameter(torch.tensor(np.array(first)))
        self.head, self.constant = nn.Parameter(torch.zeros(file.width)), nn.Parameter(torch.zeros(1))

    def forward(self, texts: Sequence[list[int]]) -> Tensor:
        """Return unit vectors ``(N, width)`` of texts in pieces."""
        x, mask = self._feed(texts)
        return self.upper(self._norm(self.first, x), mask)

    def upper(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return unit vectors ``(N, width)`` of states ``(N, n, width)`` below; ``mask`` has the pieces."""
        return mean(self.last(x, mask), mask)

    def last(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the last states, float32 ``(N, n, width)``, of states below; ``mask`` has the pieces."""
        kept = {
            part: each + (rounded(each) - each).detach()  # its derivative equals that of the weights
            for part, each in self.products.items()
        }
        for layer in range(LAYERS - self.lowest):
            some = {part: (kept[part][layer], self.biases[part][layer]) for part in kept}
            q, k, v = (linear(x, *some[part]).unflatten(2, (HEADS, -1)).transpose(1, 2) for part in "qkv")
            seen = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
            added = linear(seen.transpose(1, 2).flatten(2), *some["ao"])
            x = self._norm(self.norms["aln"][layer], x + dropout(added, self.dropped, self.training))
            added = linear(gelu(linear(x, *some["fi"])), *some["fo"])
            x = self._norm(self.norms["oln"][layer], x + dropout(added, self.dropped, self.training))
        return x.float()

    def score(self, vectors: Tensor) -> Tensor:
        """Return how much pairs look like question and answer, from the vectors of their pieces."""
        return _SCALE * (vectors @ self.head) + self.constant

    def vectors(self, texts: Sequence[list[int]], together: int = 256) -> np.ndarray:
        """Return unit vectors of texts, float32 ``(N, width)``, without gradients."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found = np.zeros((len(texts), self.file.width), np.float32)
        with torch.no_grad(), torch.autocast(self.head.device.type, torch.bfloat16):
            for first in range(0, len(order), together):
                some = order[first : first + together]
                found[some] = self([texts[at] for at in some]).cpu().numpy()
        return found

    def _feed(self, texts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        length = max(map(len, texts))
        x = np.zeros((len(texts), length, self.file.width), np.float32)
        mask = np.zeros((len(texts), length), bool)
        for row, pieces in enumerate(texts):
            x[row, : len(pieces)], mask[row, : len(pieces)] = self.file.embedded(pieces), True
        device = self.head.device
        return torch.from_numpy(x).to(device), torch.from_numpy(mask).to(device)

    def _norm(self, both: Tensor, x: Tensor) -> Tensor:
        return layer_norm(x, (self.file.width,), both[0], both[1], eps=EPSILON)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights in the form that :mod:`lior_ask.embedders.e5` reads."""
        found = dict[str, Any](head=_SCALE * self.head, constant=self.constant)
        found |= {f"emb.ln.{side}": self.first[at] for at, side in enumerate("wb")}
        for at in range(LAYERS - self.lowest):
            own = f"l{self.lowest + at}"
            for name in _NORMS:
                found |= {f"{own}.{name}.{side}": self.norms[name][at][n] for n, side in enumerate("wb")}
            for part in PARTS:
                found[f"{own}.{part}.b"] = self.biases[part][at]
        arrays = {name: each.detach().float().cpu().numpy() for name, each in found.items()}
        for part, each in self.products.items():
            for layer, weights in enumerate(each.detach().cpu(), self.lowest):
                scale, numbers = quarters(weights.reshape(-1, _BLOCK))
                pairs = numbers.to(torch.uint8).numpy().reshape(len(weights), -1, _BLOCK // 2, 2)
                arrays[f"l{layer}.{part}.w"] = pairs[..., 0] | pairs[..., 1] << 4
                arrays[f"l{layer}.{part}.scales"] = scale.numpy()[:, 0]
        return arrays


# --- learning ---


def train(model: Encoder, groups: Sequence[Group], plan: Plan) -> float:
    """Learn ``groups`` for some epochs, the last one with folders only. Return the mean loss of the last
    tenth of steps.
    """
    random, device = np.random.default_rng(plan.seed), model.head.device.type
    own = [at for at, each in enumerate(groups) if each.own]
    order = [at for _ in range(plan.epochs - 1) for at in random.permutation(len(groups))]
    order += random.permutation(own).tolist()
    steps, params, losses = max(len(order) // plan.batch, 1), [*model.parameters()], list[float]()
    optimizer = torch.optim.AdamW(params, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.0)
    warm = max(int(0.06 * steps), 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(
            (step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * max(step - warm, 0) / max(steps - warm, 1))
        ),
    )
    for step in range(steps):
        some = [groups[at] for at in order[step * plan.batch : (step + 1) * plan.batch]]
        drawn = [draw(each, plan, random) for each in some]
        with torch.autocast(device, torch.bfloat16):
            loss = loss_of_reading(model, some, drawn, plan, random)
            loss = loss + plan.finding * loss_of_finding(model, some, drawn, plan)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def draw(group: Group, plan: Plan, random: np.random.Generator) -> tuple[list[int], list[int]]:
    """Draw a passage that answers, if there is one, and some that do not: likely ones, and another."""
    likely, others = group.wrong[:_LIKELY], group.wrong[_LIKELY:]
    places = (random.random(min(plan.wrong, len(likely))) ** 1.5 * len(likely)).astype(int)
    wrong = [*dict.fromkeys(likely[at] for at in places)]
    wrong += [others[int(random.integers(len(others)))]] if others else []
    best = not group.right or random.random() < 0.7
    right = group.right[:1] if best else [group.right[int(random.integers(len(group.right)))]]
    return right, wrong


def loss_of_reading(
    model: Encoder,
    some: Sequence[Group],
    drawn: Sequence[tuple[list[int], list[int]]],
    plan: Plan,
    random: np.random.Generator,
) -> Tensor:
    """Return the mean loss of the scores of pairs; some questions are read without their answer."""
    hidden = [bool(right) and random.random() < plan.deleted for right, _ in drawn]
    shown = [([] if hide else right, wrong) for hide, (right, wrong) in zip(hidden, drawn, strict=True)]
    pairs = [
        e5.frame_pair(group.question, group.read.heads[at], group.read.texts[at])
        for group, (right, wrong) in zip(some, shown, strict=True)
        for at in (*right, *wrong)
    ]
    scores = model.score(model(pairs)).split([len(right) + len(wrong) for right, wrong in shown])
    each = [loss_of(part, len(right), plan.null) for part, (right, _) in zip(scores, shown, strict=True)]
    return torch.stack(each).mean()


def loss_of(scores: Tensor, right: int, null: float) -> Tensor:
    """Return the conditional logit loss with a score of 0 for "nothing answers", which wrong passages must
    not exceed.
    """
    zero = scores.new_zeros(1)
    absent = torch.cat([zero, scores[right:]]).logsumexp(0)
    if not right:
        return absent
    return torch.cat([zero, scores]).logsumexp(0) - scores[:right].logsumexp(0) + null * absent


def loss_of_finding(
    model: Encoder, some: Sequence[Group], drawn: Sequence[tuple[list[int], list[int]]], plan: Plan
) -> Tensor:
    """Return the cross entropy of each question's own passage among those of all questions, by cosines."""
    questions, passages, own = list[list[int]](), list[list[int]](), list[int]()
    for group, (right, wrong) in zip(some, drawn, strict=True):
        if right:
            questions.append(frame(group.question))
            own.append(len(passages))
            passages += [frame(group.read.whole[at]) for at in (*right, *wrong[: plan.near])]
    if not questions:
        return model.head.new_zeros(())
    vectors = model([*questions, *passages])
    cosines = vectors[: len(questions)] @ vectors[len(questions) :].T
    return cross_entropy(cosines / plan.temperature, torch.tensor(own, device=cosines.device))


def base() -> Model:
    """Return the model before it learned, with the word pieces that ship."""
    shipped = {name: each for name, each in e5.open_file().tensors.items() if name in OF_PIECES}
    return Model(original().tensors | shipped)


@click.command("encoder")
@click.option(
    "--reading",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder with SelQA, QED, XQuAD and PIAF.",
)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
def learn(reading: Path, device: str) -> None:
    """Learn the encoder of `lior ask`; `lior bench judge --write` has to follow."""
    plan = Plan()
    model = Encoder(base(), torch.Generator().manual_seed(plan.seed))
    model = model.to(pick_device(device))
    groups = [
        each for name, asked in worlds("read", near=True).items() for each in of_folder(name, asked, model)
    ]
    groups += of_encyclopaedias(reading, plan, model)
    since = time.perf_counter()
    loss = train(model, groups, plan)
    click.echo(f"{len(groups):,} questions, loss {loss:.3f}, {time.perf_counter() - since:.0f} s")
    save({name: each for name, each in model.file.tensors.items() if name in OF_PIECES} | model.weights())
