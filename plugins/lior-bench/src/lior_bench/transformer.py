"""A small transformer trained with autograd, a baseline of `lior bench`.

nanoGPT's recipe for a CPU (A. Karpathy, https://github.com/karpathy/nanoGPT,
"I only have a macbook"): 4 layers, 4 heads, 128 wide, context 64, batch 12, AdamW
with warm-up and cosine decay, no dropout, tied embeddings; here on bytes, and
the schedule runs over seconds instead of steps. The last bytes of the training
text are kept back, and the weights that are best on them are scored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCAB = 256
LAYERS = 4
HEADS = 4
WIDTH = 128
CONTEXT = 64
BATCH = 12

RATE = 1e-3
LAST_RATE = 1e-4
WARMUP_STEPS = 100
WARMUP_SHARE = 0.05
"""The maximum share of the time for the warm-up."""
DECAY = 0.1
CLIP = 1.0

STRIDE = 8
"""The number of bytes scored by one window; each has at least ``CONTEXT - STRIDE + 1`` bytes of context."""

KEPT_BACK = 0.02
"""The share of the training text for choosing the weights, at most :data:`MOST_KEPT_BACK` bytes."""
MOST_KEPT_BACK = 20_000
CHECKS = 20
"""The number of checks of the weights on that text, in the second half of the training time."""

_WINDOWS = 512


class Transformer(nn.Module):
    """A decoder over bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCAB, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        shape: dict[str, Any] = {
            "dim_feedforward": 4 * WIDTH,
            "dropout": 0.0,
            "activation": F.gelu,
            "bias": False,
        }
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, **shape, batch_first=True, norm_first=True)
        norm = nn.LayerNorm(WIDTH, bias=False)
        self.blocks = nn.TransformerEncoder(layer, LAYERS, norm, enable_nested_tensor=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                residual = name.endswith(("out_proj.weight", "linear2.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)

    def forward(self, tokens: Tensor, last: int = CONTEXT) -> Tensor:
        """Return logits ``(B, last, 256)`` of the byte after each of the ``last`` positions of ``tokens (B,
        T)``.
        """
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return F.linear(self.blocks(x, mask, is_causal=True)[:, -last:], self.token.weight)


def optimiser(model: Transformer) -> torch.optim.AdamW:
    """Return an AdamW optimiser that decays only matrices."""
    weights = list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": DECAY},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))


def rate(step: int, spent: float) -> float:
    """Return the learning rate at ``step`` when the share ``spent`` of the time is gone."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(spent, 1.0)))
    warmth = max((step + 1) / WARMUP_STEPS, spent / WARMUP_SHARE)
    return min(warmth, 1.0) * (LAST_RATE + cosine * (RATE - LAST_RATE))


def train(data: Tensor, seconds: float, *, generator: torch.Generator) -> tuple[Transformer, int]:
    """Learn ``data (N,)``, at least ``2 * CONTEXT`` bytes, for ``seconds``; return the model
    and its steps.
    """
    begin = time.perf_counter()
    held = min(int(len(data) * KEPT_BACK), MOST_KEPT_BACK)
    learned = len(data) - held
    model = Transformer()
    adam = optimiser(model)
    best, kept, checks, step = math.inf, None, CHECKS // 2, 0
    reach = torch.arange(CONTEXT + 1)
    while (spent := (time.perf_counter() - begin) / seconds) < 1:
        for group in adam.param_groups:
            group["lr"] = rate(step, spent)
        starts = torch.randint(learned - CONTEXT, (BATCH, 1), generator=generator)
        window = data[starts + reach]
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adam.step()
        step += 1
        if held and spent * CHECKS >= checks:
            checks += 1
            cost = score(model, data, learned, stride=CONTEXT)
            if cost < best:
                best, kept = cost, {name: w.clone() for name, w in model.state_dict().items()}
    if kept and score(model, data, learned, stride=CONTEXT) > best:
        model.load_state_dict(kept)
    return model, step


def windows(begin: int, end: int, stride: int) -> Iterator[tuple[Tensor, int]]:
    """Yield batches of window ends, with the number of bytes that each scores; they cover ``begin .. end -
    1``.
    """
    whole, rest = divmod(end - begin, stride)
    if whole:
        for batch in (begin + stride * torch.arange(1, whole + 1)).split(_WINDOWS):
            yield batch, stride
    if rest:
        yield torch.tensor([end]), rest


@torch.no_grad()
def score(model: Transformer, data: Tensor, begin: int, *, stride: int = STRIDE) -> float:
    """Return the cost of ``data[begin:]`` in nats, ``begin >= CONTEXT``; every window is full."""
    reach = torch.arange(-CONTEXT - 1, 0)
    nats = 0.0
    for ends, scored in windows(begin, len(data), stride):
        window = data[ends[:, None] + reach]
        logits = model(window[:, :-1], last=scored)
        target = window[:, -scored:].flatten()
        nats += float(F.cross_entropy(logits.flatten(0, 1), target, reduction="sum"))
    return nats


def measure(file: str, split: int, seconds: float, seed: int) -> dict[str, float]:
    """Return ``nats``, ``train_seconds`` and ``score_seconds`` after ``seconds`` of training on the first
    ``split`` bytes of a file, at least ``2 * CONTEXT``.
    """
    torch.manual_seed(seed)
    data = torch.frombuffer(bytearray(Path(file).read_bytes()), dtype=torch.uint8).long()
    begin = time.perf_counter()
    model, _ = train(data[:split], seconds, generator=torch.Generator().manual_seed(seed))
    middle = time.perf_counter()
    nats = score(model, data, split)
    return {"nats": nats, "train_seconds": middle - begin, "score_seconds": time.perf_counter() - middle}
