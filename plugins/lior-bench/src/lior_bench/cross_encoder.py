"""Learn the cross-encoder of ``lior ask``: low-rank changes of MiniLM, by backpropagation.

A question is read with passages that answer it and passages that look as if they did; the chance of each is
the softmax of the scores, beside a score of 0 for "nothing answers". First come questions about
encyclopaedias with their sentences, then those of the folders in ``plugins/lior-bench/data``. The judge has
to learn what the scores are worth on folders that they were not learned from: each fifth of the folders gets
a cross-encoder that is learned from the other four.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attrs
import click
import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from lior.tensors import pick_device
from lior_ask.embedders import eight_bits, minilm
from lior_ask.embedders.minilm import pieces
from lior_ask.judging.cross_encoder import join, products
from lior_ask.judging.features import NAMES
from lior_bench.judging import Case, gather_cases, learned_sets
from lior_bench.reading import FOLDS, OTHERS, WEIGHTS, Texts, texts_of
from lior_bench.sets import folder

_LOOK = ("near words", "vectors of words", "text")
_LIKELY = 14
"""Passages of a folder that look most as if they answered, from which wrong ones are drawn."""


@attrs.frozen(kw_only=True)
class Plan:
    """How a cross-encoder is learned."""

    rank: int = 16
    general: int = 2
    """Times that questions about encyclopaedias are read."""
    own: int = 3
    """Times that questions of folders are read."""
    rate: float = 1e-3
    batch: int = 16
    """Questions of a step."""
    wrong: int = 5
    """Passages that do not answer, of a question."""
    absent: float = 0.25
    """Share of the questions about encyclopaedias that are read without their answer."""
    null: float = 0.3
    """Weight of "nothing answers" among the wrong passages of a question that has an answer."""
    seed: int = 0


class Group(NamedTuple):
    """A question with passages."""

    source: int
    """Number of its folder; -1 for encyclopaedias."""
    right: np.ndarray
    """Numbers of pairs that answer it."""
    wrong: np.ndarray
    """Numbers of pairs that do not, the likeliest first."""


@attrs.frozen(eq=False)
class Pairs:
    """Questions and passages in word pieces, and the groups that they make."""

    ids: list[list[int]]
    own: list[int]
    """Pieces of each that are the question's."""
    groups: list[Group]
    folders: list[str]

    def save(self, path: Path) -> None:
        """Write all to one file."""
        ends = np.cumsum([len(each) for each in self.ids])
        flat = np.concatenate([np.array(each, np.int32) for each in self.ids]).astype(np.uint16)
        sizes = np.array([(each.source, len(each.right), len(each.wrong)) for each in self.groups])
        numbers = np.concatenate([part for each in self.groups for part in (each.right, each.wrong)])
        np.savez_compressed(
            path,
            flat=flat,
            ends=ends,
            own=np.array(self.own, np.uint8),
            sizes=sizes,
            numbers=numbers.astype(np.int32),
            folders=np.array(self.folders),
        )

    @classmethod
    def load(cls, path: Path) -> Pairs:
        """Read what :meth:`save` wrote."""
        with np.load(path) as stored:
            ids = [each.tolist() for each in np.split(stored["flat"].astype(np.int64), stored["ends"][:-1])]
            cuts = np.cumsum(stored["sizes"][:, 1:].reshape(-1))[:-1]
            parts = np.split(stored["numbers"].astype(np.int64), cuts)
            groups = [
                Group(int(source), parts[2 * at], parts[2 * at + 1])
                for at, source in enumerate(stored["sizes"][:, 0])
            ]
            return cls(ids, stored["own"].tolist(), groups, stored["folders"].tolist())


Marked = tuple[int, list[Texts], list[Texts]]
"""A source, pairs that answer, and pairs that do not."""


def make_pairs(found: Iterable[Marked], folders: Sequence[str]) -> Pairs:
    """Word pieces of all; the same pair is stored once."""
    number, groups = dict[Texts, int](), list[Group]()

    def numbers(part: Sequence[Texts]) -> np.ndarray:
        return np.array([number.setdefault(each, len(number)) for each in part], np.int64)

    for source, right, wrong in found:
        groups.append(Group(source, numbers(right), numbers(wrong)))
    texts = sorted({text for each in number for text in each})
    read = dict(zip(texts, pieces(texts), strict=True))
    joined = [join(*(read[text] for text in each)) for each in number]
    return Pairs([ids for ids, _ in joined], [own for _, own in joined], groups, [*folders])


# --- what is read ---


def of_cases(found: Iterable[Case], folders: Sequence[str]) -> Iterator[Marked]:
    """The judge's cases of whole folders and single files."""
    at = [NAMES.index(name) for name in (*_LOOK, "silent")]
    for case in found:
        of = case.kind.partition(", ")[2]
        if of not in ("", "alone") or case.kind == "foreign" or (of == "alone" and not case.right.any()):
            continue
        order = np.argsort(-case.candidates.features[:, at] @ (1, 1, 0.5, -2), kind="stable").tolist()
        if case.answerable and not case.right.any():
            continue

        right = [each for each in order if case.right[each]]
        wrong = [each for each in order[:_LIKELY] if not case.right[each]]
        yield folders.index(case.world), texts_of(case, right), texts_of(case, wrong)


def of_encyclopaedias(place: Path) -> Iterator[Marked]:
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


def _mark(asked: str, head: str, marked: Sequence[tuple[str, bool]]) -> Iterator[Marked]:
    right = [(asked, head, text) for text, answers in marked if answers]
    wrong = [(asked, head, text) for text, answers in marked if not answers]
    if right and wrong:
        yield -1, right, wrong


# --- the model ---


class _Product(nn.Module):
    """A product of MiniLM with a change of low rank."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: np.ndarray, bias: np.ndarray, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight.T).contiguous())
        self.register_buffer("bias", torch.tensor(bias))
        first = torch.randn(len(weight), rank, generator=generator) / len(weight) ** 0.5
        self.a, self.b = nn.Parameter(first), nn.Parameter(torch.zeros(rank, weight.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias) + (x @ self.a) @ self.b


_BERT = "inner.encoder.layer.{}."
_BIASES = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
_NORMS = ("attention.output.LayerNorm", "output.LayerNorm")
_EMBEDDED = "inner.embeddings."
_HEADS, _WIDTH = 12, 384


class CrossEncoder(nn.Module):
    """MiniLM with changed products and a score; what is learned are the parameters."""

    word_embeddings: Tensor
    position_embeddings: Tensor

    def __init__(self, file: eight_bits.Bytes, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        stored = eight_bits.tensors(file)
        self.names = products(stored)

        def kept(name: str) -> Tensor:
            if name in stored:
                return torch.tensor(stored[name])
            return torch.tensor(stored[f"{name}_q"].astype(np.float32) * stored[f"{name}_scale"])

        for key in ("word_embeddings", "position_embeddings"):
            self.register_buffer(key, kept(f"{_EMBEDDED}{key}.weight"))
        self.kinds = nn.Parameter(kept(f"{_EMBEDDED}token_type_embeddings.weight"))
        norms = [_EMBEDDED + "LayerNorm"]
        self.products = nn.ModuleList()
        for layer in range(len(self.names) // 6):
            biases = (*_BIASES, "intermediate.dense", "output.dense")
            for name, bias in zip(self.names[6 * layer :], biases, strict=False):
                weight = stored[f"{name}_q"].astype(np.float32) * stored[f"{name}_scale"]
                whole = _BERT.format(layer) + bias + ".bias"
                self.products.append(_Product(weight, stored[whole], rank, generator))
            norms += [_BERT.format(layer) + each for each in _NORMS]
        for number, name in enumerate(norms):
            self.register_buffer(f"norm{number}", torch.stack([kept(f"{name}.weight"), kept(f"{name}.bias")]))
        self.head, self.constant = nn.Parameter(torch.zeros(2 * _WIDTH)), nn.Parameter(torch.zeros(1))

    def forward(self, ids: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """Scores ``(N,)`` of pairs ``(N, L)``; ``kinds`` is 0 at the question and 1 at the passage."""
        x = self.word_embeddings[ids] + self.position_embeddings[: ids.shape[1]] + self.kinds[kinds]
        x = self._norm(0, x)
        for layer in range(len(self.products) // 6):
            query, key, value, out, wide, narrow = self.products[6 * layer : 6 * layer + 6]
            q, k, v = (self._split(each(x)) for each in (query, key, value))
            seen = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
            x = self._norm(2 * layer + 1, x + out(seen.transpose(1, 2).flatten(2)))
            x = self._norm(2 * layer + 2, x + narrow(gelu(wide(x))))
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return torch.cat([x[:, 0], mean], 1).float() @ self.head + self.constant

    def _norm(self, number: int, x: Tensor) -> Tensor:
        weight, bias = getattr(self, f"norm{number}")
        return layer_norm(x, (_WIDTH,), weight, bias, eps=1e-12)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (_HEADS, _WIDTH // _HEADS)).transpose(1, 2)

    def weights(self) -> dict[str, np.ndarray]:
        """What :mod:`lior_ask.judging.cross_encoder` reads, float16."""
        found = {name: getattr(self, name) for name in ("kinds", "head", "constant")}
        for name, each in zip(self.names, self.products, strict=True):
            found |= {f"{name}.a": each.a, f"{name}.b": each.b}
        return {name: value.detach().cpu().numpy().astype(np.float16) for name, value in found.items()}


def feed(pairs: Pairs, numbers: Sequence[int], device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Word pieces, kinds and mask ``(N, L)`` of some pairs."""
    length = max(len(pairs.ids[number]) for number in numbers)
    ids, kinds = np.zeros((2, len(numbers), length), np.int64)
    mask = np.zeros((len(numbers), length), bool)
    for row, number in enumerate(numbers):
        size = len(pairs.ids[number])
        ids[row, :size], mask[row, :size] = pairs.ids[number], True
        kinds[row, pairs.own[number] : size] = 1
    found = (torch.from_numpy(each).to(device, non_blocking=True) for each in (ids, kinds, mask))
    ids_, kinds_, mask_ = found
    return ids_, kinds_, mask_


# --- learning ---


def train(
    model: CrossEncoder, pairs: Pairs, groups: Sequence[Group], plan: Plan, device: str, *, times: int
) -> float:
    """Read ``groups`` some times; the mean loss of the last tenth of the steps."""
    random = np.random.default_rng(plan.seed)
    steps = -(-times * len(groups) // plan.batch)
    if not steps:
        return 0.0
    params = [*model.parameters()]
    optimizer = torch.optim.AdamW(params, lr=plan.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.rate, total_steps=steps + 1, pct_start=0.1)
    order = np.concatenate([random.permutation(len(groups)) for _ in range(times)])
    losses = list[Tensor]()
    for step in range(steps):
        some = [draw(groups[at], plan, random) for at in order[step * plan.batch : (step + 1) * plan.batch]]
        numbers = [number for right, wrong in some for number in (*right, *wrong)]
        with torch.autocast(device, torch.bfloat16):
            scores = model(*feed(pairs, numbers, device))
        parts = scores.float().split([len(right) + len(wrong) for right, wrong in some])
        each = [loss_of(part, len(right), plan.null) for part, (right, _) in zip(parts, some, strict=True)]
        loss = torch.stack(each).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return float(torch.stack(losses[-max(steps // 10, 1) :]).mean())


def draw(group: Group, plan: Plan, random: np.random.Generator) -> tuple[list[int], list[int]]:
    """A passage that answers, if there is one, and some that do not: the likeliest, and others."""
    likely = (plan.wrong + 1) // 2 if group.source >= 0 else 0
    others = group.wrong[likely:]
    more = random.permutation(others)[: plan.wrong - likely]
    right = group.right[:1] if group.source >= 0 else random.permutation(group.right)[:1]
    if group.source < 0 and random.random() < plan.absent:
        right = right[:0]
    return right.tolist(), [*group.wrong[:likely].tolist(), *more.tolist()]


def loss_of(scores: Tensor, right: int, null: float) -> Tensor:
    """Conditional logit beside a score of 0 for "nothing answers", which the wrong passages lose to, too."""
    zero = scores.new_zeros(1)
    absent = torch.cat([zero, scores[right:]]).logsumexp(0)
    if not right:
        return absent
    return torch.cat([zero, scores]).logsumexp(0) - scores[:right].logsumexp(0) + null * absent


def fit(
    file: eight_bits.Bytes, pairs: Pairs, plan: Plan, device: str
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The weights learned from all folders, "all", and from all but those of each fold."""
    model = CrossEncoder(file, plan.rank, torch.Generator().manual_seed(plan.seed)).to(device)
    general = [group for group in pairs.groups if group.source < 0]
    train(model, pairs, general, plan, device, times=plan.general)
    begun = {name: value.clone() for name, value in model.state_dict().items()}
    for fold in ("all", *map(str, range(FOLDS))):
        model.load_state_dict(begun)
        own = [each for each in pairs.groups if each.source >= 0 and str(each.source % FOLDS) != fold]
        since = time.perf_counter()
        loss = train(model, pairs, own, plan, device, times=plan.own)
        click.echo(f"{fold}: {len(own):,} questions, loss {loss:.3f}, {time.perf_counter() - since:.0f} s")
        yield fold, model.weights()


@click.command("cross-encoder")
@click.option(
    "--pairs",
    type=click.Path(path_type=Path),
    required=True,
    help="File of all questions and passages; made first where there is none.",
)
@click.option(
    "--reading",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with SelQA, QED, XQuAD and PIAF, for making that file.",
)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
def learn(pairs: Path, reading: Path | None, device: str) -> None:
    """Learn the cross-encoder of `lior ask`; `lior bench judge --write` has to follow.

    Six times: from all folders, and from all but each fifth of them. A GPU takes minutes, two cores hours.
    """
    if not pairs.exists():
        if reading is None:
            raise click.UsageError(f"{pairs} is not there: give --reading FOLDER, so that it can be made")
        asked = learned_sets()
        folders = sorted(asked)
        own = of_cases(gather_cases(asked, "encoder"), folders)
        make_pairs([*own, *of_encyclopaedias(reading)], folders).save(pairs)
    others = dict[str, np.ndarray]()
    file = minilm.read_model(minilm.MiniLm().place)
    for fold, weights in fit(file, Pairs.load(pairs), Plan(), pick_device(device).type):
        if fold == "all":
            save_file(weights, folder("plugins") / WEIGHTS)
        else:
            others |= {f"{fold}.{name}": value for name, value in weights.items()}
    save_file(others, folder("plugins") / OTHERS)
