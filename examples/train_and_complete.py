"""Train a model on a folder, score a text, and continue a prompt.

python examples/train_and_complete.py [FOLDER]
"""

import sys

import lior

run = lior.train(sys.argv[1] if len(sys.argv) > 1 else "docs", recipe="fast")
print(f"{run.summary['val_bits_per_byte']:.3f} bits per byte of held-out text")
print(
    f"{run.score('The index is kept in the cache of the user.'):.2f} bits per byte of a sentence of this kind"
)
print(f"{run.score('xqz zzkv wqpf jjy'):.2f} bits per byte of noise")
print(run.complete("The metric", 100, temperature=0.5, seed=1))
