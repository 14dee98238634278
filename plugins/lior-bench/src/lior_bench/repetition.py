"""How often a model repeats itself, compared with the text that it learned.

    python -m lior_bench.repetition RUN [BYTES]

Prints the share of distinct runs of four words in samples and in parts of the training text of the
same length. A text that loops has few distinct runs.
"""

from __future__ import annotations

import sys

import torch

import lior
from lior.config.sampling import Sampling
from lior.model.generation import generate

SAMPLES = 6


def distinct(text: bytes, words: int = 4) -> float:
    """Share of distinct runs among the runs of ``words`` words."""
    found = text.split()
    runs = [tuple(found[i : i + words]) for i in range(len(found) - words + 1)]
    return len(set(runs)) / max(len(runs), 1)


def of_text(run: lior.Run, size: int) -> float:
    """The mean over parts of the training text."""
    tokens = run.checkpoint.corpus.tokens[: run.checkpoint.n_train]
    begins = torch.linspace(0, max(len(tokens) - size, 0), 20).long().tolist()
    return sum(distinct(run.model.tokenizer.decode(tokens[b : b + size].tolist())) for b in begins) / 20


def of_samples(run: lior.Run, size: int, sampling: Sampling) -> float:
    """The mean over samples."""
    tokens = run.checkpoint.corpus.tokens[: run.checkpoint.n_train]
    total = 0.0
    for seed in range(SAMPLES):
        generator = torch.Generator().manual_seed(seed)
        begin = int(torch.randint(len(tokens) - 200, (1,), generator=generator))
        prompt = tokens[begin : begin + 100].tolist()
        said = list(generate(run.model, prompt, size, sampling, generator=generator))
        total += distinct(run.model.tokenizer.decode(said))
    return total / SAMPLES


def main() -> None:
    """Print the table."""
    run, size = lior.load(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 2000
    print(f"training text: {of_text(run, size):.3f}")
    for temperature in (1.0, 0.8, 0.6, 0.4, 0.0):
        row = [
            of_samples(run, size, Sampling(temperature=temperature, loop_penalty=p))
            for p in (0.0, 0.25, 0.5, 1.0)
        ]
        print(f"temperature {temperature}: " + "  ".join(f"{share:.3f}" for share in row), flush=True)


if __name__ == "__main__":
    main()
