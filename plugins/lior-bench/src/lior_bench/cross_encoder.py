"""Learn the cross-encoder of ``lior ask``: low-rank changes of multilingual-e5-small, by backpropagation.

A question is read with a passage that answers it and passages that look as if they did; the chance of each is
the softmax of the scores, beside a score of 0 for "nothing answers". Most are the questions of the folders of
the part ``read`` of ``plugins/lior-bench/data``, which the judge is not learned from, so that it learns what
the scores are worth on folders that the cross-encoder has not seen. Some are about encyclopaedias.
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
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

import lior_ask
from lior.interfaces import Candidates
from lior.tensors import pick_device
from lior_ask.embedders import e5, four_bits
from lior_ask.embedders.minilm import MiniLm
from lior_ask.index.embedding import reading
from lior_ask.judging.cross_encoder import above, join
from lior_ask.judging.features import read_rows
from lior_bench.judging import holds, unpack, worlds
from lior_bench.sets import Question, folder

WEIGHTS = "lior-ask/src/lior_ask/judging/cross_encoder.safetensors"
_LIKELY, _OTHERS = 12, 4
"""Wrong passages of a folder that look most as if they answered, and others, which are kept of a question."""
_OVERLAP, _NEAREST = 0.6, 2.0
"""Worth of the question's words beside the cosine, and of being called the nearest that does not answer."""
_SCALE = 30.0
"""Of the score: vectors have length 1, and those of any two texts are near to each other."""
_WORD = re.compile(r"[^\W_]{3,}")


@attrs.frozen(kw_only=True)
class Plan:
    """How the cross-encoder is learned."""

    rank: int = 16
    general: int = 1_500
    """Questions about encyclopaedias."""
    rate: float = 1e-3
    batch: int = 16
    """Questions of a step; each is read once."""
    wrong: int = 3
    """Passages that do not answer, of a question."""
    likely: int = 2
    """Those of them that are among the six likeliest."""
    absent: float = 0.25
    """Share of the questions about encyclopaedias that are read without their answer."""
    null: float = 0.3
    """Weight of "nothing answers" among the wrong passages of a question that has an answer."""
    seed: int = 0


class Group(NamedTuple):
    """A question with passages, each with what stands above it."""

    asked: str
    right: list[tuple[str, str]]
    wrong: list[tuple[str, str]]
    """The likeliest first."""
    own: bool = True
    """Of a folder."""


# --- what is read ---


def of_folder(name: str, asked: Sequence[Question]) -> Iterator[Group]:
    """The questions of a folder with all its passages that answer and the likeliest that do not."""
    with tempfile.TemporaryDirectory() as place:
        unpack(name, Path(place))
        view = lior_ask.Index(place, retriever="settle", cache=False).inverted
        rows = np.arange(len(view))
        passages = read_rows(view, rows)
    blocks, none = view.layout.block_of[rows], np.zeros((len(rows), 0))
    found = Candidates(
        rows=rows, blocks=blocks, passages=(*passages,), features=none, folder=none[0], level=""
    )
    heads = [above(found, at) for at in rows.tolist()]
    encoder = MiniLm()
    vectors = encoder.embed([reading(each) for each in passages])
    words = [{*_WORD.findall(each.text.lower())} for each in passages]
    counts = Counter(word for each in words for word in each)
    for question, vector in zip(asked, encoder.embed([each.text for each in asked]), strict=True):
        marked = np.array([holds(question, each) for each in passages], bool)
        right = marked & (question.kind != "unanswerable")
        if not right.any() and question.kind != "unanswerable":
            continue
        mine = {*_WORD.findall(question.text.lower())}
        shared = [sum(math.log1p(len(words) / counts[word]) for word in mine & each) for each in words]
        cosines = vectors @ vector
        likely = cosines / max(cosines.max(), 1e-9) + _OVERLAP * np.array(shared) / max(*shared, 1e-9)
        likely += _NEAREST * (marked & ~right)
        order = np.argsort(-likely, kind="stable").tolist()
        wrong = [at for at in order if not right[at]]
        some = [*wrong[:_LIKELY], *wrong[_LIKELY :: max(len(wrong) // _OTHERS, 1)]]
        pairs = [(heads[at], each.text) for at, each in enumerate(passages)]
        yield Group(question.text, [pairs[at] for at in order if right[at]], [pairs[at] for at in some])


def of_encyclopaedias(place: Path) -> Iterator[Group]:
    """Questions of SelQA, QED, XQuAD and PIAF, with the sentences of their paragraphs."""

    def read(name: str) -> str:
        return gzip.decompress((place / f"{name}.gz").read_bytes()).decode()

    for name in ("selqa.dev", "selqa.test"):
        for each in json.loads(read(f"{name}.json")):
            right = {*each["answers"]}
            marked = [(text, at in right) for at, text in enumerate(each["candidates"])]
            yield from _mark(each["question"], f"{each['article']}, {each['section']}", marked)
    for line in read("qed.dev.jsonl").splitlines():
        each = json.loads(line)
        text, starts = each["paragraph_text"], each["sentence_starts"]
        spans = [span["string"] for answer in each["original_nq_answers"] for span in answer]
        sentences = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
        marked = [(part, any(span in part for span in spans)) for part in sentences]
        yield from _mark(each["question_text"], each["title_text"], marked)
    for name in ("xquad.en", "xquad.de", "piaf.fr"):
        for article in json.loads(read(f"{name}.json"))["data"]:
            for paragraph in article["paragraphs"]:
                sentences = re.split(r"(?<=[.!?]) +", paragraph["context"])
                for each in paragraph["qas"]:
                    span = each["answers"][0]["text"]
                    marked = [(part, span in part) for part in sentences]
                    yield from _mark(each["question"], article.get("title") or "", marked)


def _mark(asked: str, head: str, marked: Sequence[tuple[str, bool]]) -> Iterator[Group]:
    right = [(head, text) for text, answers in marked if answers]
    wrong = [(head, text) for text, answers in marked if not answers]
    if right and wrong:
        yield Group(asked, right, wrong, own=False)


# --- the model ---


class _Product(nn.Module):
    """A product of the model with a change of low rank."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: np.ndarray, bias: np.ndarray, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))
        self.register_buffer("bias", torch.tensor(bias))
        first = torch.randn(rank, weight.shape[1], generator=generator) / weight.shape[1] ** 0.5
        self.a, self.b = nn.Parameter(first), nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias) + linear(linear(x, self.a), self.b)


class CrossEncoder(nn.Module):
    """multilingual-e5-small with changed products and a score; what is learned are the parameters."""

    def __init__(self, file: four_bits.Model, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.file, self.products = file, nn.ModuleList()
        self._norm_of("emb.ln", 0)
        for layer in range(file.layers):
            for part in four_bits.PARTS:
                bias = file.numbers(f"l{layer}.{part}.b").copy()
                weight = four_bits.unpack(file.blocks(f"l{layer}.{part}.w")).reshape(len(bias), -1)
                self.products.append(_Product(weight, bias, rank, generator))
            self._norm_of(f"l{layer}.aln", 2 * layer + 1)
            self._norm_of(f"l{layer}.oln", 2 * layer + 2)
        self.head, self.constant = nn.Parameter(torch.zeros(file.width)), nn.Parameter(torch.zeros(1))

    def _norm_of(self, name: str, number: int) -> None:
        numbers = np.stack([self.file.numbers(f"{name}.{side}") for side in "wb"])
        self.register_buffer(f"norm{number}", torch.tensor(numbers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Scores ``(N,)`` of pairs ``(N, L, width)`` as :meth:`four_bits.Model.embedded` has them."""
        x = self._norm(0, x)
        for layer in range(self.file.layers):
            query, key, value, out, wide, narrow = self.products[6 * layer : 6 * layer + 6]
            q, k, v = (self._split(each(x)) for each in (query, key, value))
            seen = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
            x = self._norm(2 * layer + 1, x + out(seen.transpose(1, 2).flatten(2)))
            x = self._norm(2 * layer + 2, x + narrow(gelu(wide(x))))
        mean = (x.float() * mask[..., None]).sum(1)
        return _SCALE * (nn.functional.normalize(mean, dim=1) @ self.head) + self.constant

    def _norm(self, number: int, x: Tensor) -> Tensor:
        weight, bias = getattr(self, f"norm{number}")
        return layer_norm(x, (self.file.width,), weight, bias, eps=self.file.eps)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.file.heads, -1)).transpose(1, 2)

    def weights(self) -> dict[str, np.ndarray]:
        """What :mod:`lior_ask.judging.cross_encoder` reads, float16."""
        found: dict[str, Any] = {"head": _SCALE * self.head, "constant": self.constant}
        for number, each in enumerate(self.products):
            name = f"l{number // 6}.{four_bits.PARTS[number % 6]}"
            found |= {f"{name}.a": each.a.T, f"{name}.b": each.b.T}
        return {
            name: np.ascontiguousarray(value.detach().cpu().numpy().astype(np.float16))
            for name, value in found.items()
        }


def feed(file: four_bits.Model, pairs: Sequence[list[int]], device: str) -> tuple[Tensor, Tensor]:
    """The vectors ``(N, L, width)`` and the mask ``(N, L)`` of pairs in word pieces."""
    length = max(map(len, pairs))
    x, mask = np.zeros((len(pairs), length, file.width), np.float32), np.zeros((len(pairs), length), bool)
    for row, pieces in enumerate(pairs):
        x[row, : len(pieces)], mask[row, : len(pieces)] = file.embedded(pieces)[0], True
    return torch.from_numpy(x).to(device), torch.from_numpy(mask).to(device)


# --- learning ---


def train(model: CrossEncoder, groups: Sequence[Group], plan: Plan, device: str) -> float:
    """Read each of ``groups`` once; the mean loss of the last tenth of the steps."""
    random = np.random.default_rng(plan.seed)
    steps = -(-len(groups) // plan.batch)
    params = [*model.parameters()]
    optimizer = torch.optim.AdamW(params, lr=plan.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.rate, total_steps=steps + 1, pct_start=0.1)
    order, losses = random.permutation(len(groups)), list[float]()
    for step in range(steps):
        some = [groups[at] for at in order[step * plan.batch : (step + 1) * plan.batch]]
        drawn = [draw(each, plan, random) for each in some]
        pairs = [
            join(model.file, group.asked, *pair)
            for group, (right, wrong) in zip(some, drawn, strict=True)
            for pair in (*right, *wrong)
        ]
        with torch.autocast(device, torch.bfloat16):
            scores = model(*feed(model.file, pairs, device))
        parts = scores.float().split([len(right) + len(wrong) for right, wrong in drawn])
        each = [loss_of(part, len(right), plan.null) for part, (right, _) in zip(parts, drawn, strict=True)]
        loss = torch.stack(each).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def draw(
    group: Group, plan: Plan, random: np.random.Generator
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """A passage that answers, if there is one, and some that do not: likely ones, and others."""
    wrong = [group.wrong[at] for at in random.permutation(len(group.wrong))]
    if not group.own:
        right = [] if random.random() < plan.absent else group.right
        return [right[at] for at in random.permutation(len(right))[:1]], wrong[: plan.wrong]
    likely = [group.wrong[at] for at in random.permutation(min(6, len(group.wrong)))[: plan.likely]]
    others = [each for each in wrong if each not in likely]
    return group.right[:1], [*likely, *others[: plan.wrong - plan.likely]]


def loss_of(scores: Tensor, right: int, null: float) -> Tensor:
    """Conditional logit beside a score of 0 for "nothing answers", which the wrong passages lose to, too."""
    zero = scores.new_zeros(1)
    absent = torch.cat([zero, scores[right:]]).logsumexp(0)
    if not right:
        return absent
    return torch.cat([zero, scores]).logsumexp(0) - scores[:right].logsumexp(0) + null * absent


@click.command("cross-encoder")
@click.option(
    "--reading",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder with SelQA, QED, XQuAD and PIAF.",
)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
def learn(reading: Path, device: str) -> None:
    """Learn the cross-encoder of `lior ask`; `lior bench judge --write` has to follow."""
    plan = Plan()
    groups = [each for item in worlds("read", near=True).items() for each in of_folder(*item)]
    general = [*of_encyclopaedias(reading)]
    some = np.random.default_rng(plan.seed).permutation(len(general))[: plan.general]
    groups += [general[at] for at in some]
    kind = pick_device(device).type
    model = CrossEncoder(e5.open_file(), plan.rank, torch.Generator().manual_seed(plan.seed)).to(kind)
    since = time.perf_counter()
    loss = train(model, groups, plan, kind)
    click.echo(f"{len(groups):,} questions, loss {loss:.3f}, {time.perf_counter() - since:.0f} s")
    save_file(model.weights(), folder("plugins") / WEIGHTS)
