"""The whole method on one page: NumPy learns a small text and prints its bits per byte.

python examples/whole_method.py [TEXT]

One memory stores contexts as points, which vote under a learned metric. Another counts what follows the last
bytes. A mixture weighs both. What is learned moves by the difference of two averages, without autograd. Each
part names its file in the product, which gives the same number (tests/project/test_whole_method.py).
"""

import sys
from pathlib import Path

import numpy as np

# The settings are options and constants of the product. The values suit a text of some kB.
VOCAB, HOLDOUT, CALIBRATION = 256, 0.1, 0.1  # bytes; a tenth is scored, a tenth of the rest fits the mixture
LAGS, N, RANK = 8, 16, 2  # bytes of a context, dimensions of its point, directions of the metric
SCALE, DECAY, SMOOTHING = 0.35, 0.8, 0.02  # at first a byte weighs 0.8 of the next; 2 % of all bytes are new
UPDATES, RATE, WARM_UP, BATCH, KEYS, EXCLUDE = 60, 0.02, 20, 128, 512, 64  # queries, items, gap
NEIGHBOUR, SOFTENING, EPSILON, ORDERS = 16, 0.05, 1e-2, 4  # counts follow the last 0 to 3 bytes
DISCOUNTS, NOVEL_DISCOUNTS = np.array([0, 0.7, 0.95, 1.1]), np.array([0, 0.7, 1.0, 1.2])
WEIGHT_RATE, BIAS_RATE, PASSES, MIXER_RATE = 5e-3, 2e-3, 2, 4e-3


def softmax(s):
    """Return Boltzmann's weights of scores along the last axis."""
    w = np.exp(s - s.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True)


def contexts(tokens):
    """Return the last bytes before each position, the nearest first, (T, LAGS); before the text is VOCAB."""
    at = np.arange(len(tokens))[:, None] - 1 - np.arange(LAGS)
    return np.where(at >= 0, tokens[np.maximum(at, 0)], VOCAB)


def encode(p, c):
    """Return the points of contexts, z = Σ_l M_l[x_{t−l}]: a row for each lag and byte (encoders/lags.py)."""
    return p["table"][np.arange(LAGS), c].sum(1)


def root(p):
    """Return A = [Ω Λ^½ ; D^½ Uᵀ], so AᵀA is the metric g = Ω² diag(λ) + U diag(D) Uᵀ (frames/lowrank.py)."""
    scales = np.exp(p["log_omega"] + p["log_lam"] / 2)
    return np.concatenate([np.diag(scales), np.sqrt(np.logaddexp(0, p["raw_d"]))[:, None] * p["u"].T])


def neighbour(a, z, reference, rank):
    """Return the distance d_k of the k-th neighbour, its derivative by A z, and the offsets it is made of."""
    rank = min(max(rank, 1.0), len(reference))
    low = min(int(rank), len(reference) - 1)  # the rank in a sample of all items is seldom whole
    y, keys = z @ a.T, reference @ a.T
    order = np.argsort((keys**2).sum(1) - 2 * y @ keys.T, 1)[:, low - 1 : low + 1]
    offsets = z[:, None] - reference[order]
    mapped, share = offsets @ a.T, np.array([1 - (rank - low), rank - low])
    d = np.sqrt((mapped**2).sum(2))
    return d @ share, (share / np.where(d > 0, d, np.inf))[..., None] * mapped, offsets


# An item costs R √(|A z_q − A z_k|² + ε) and scores S = −β cost (products/tensor.py, geometry/retrieval.py).
# Its resilience R = ρ^p / ℓ, ρ = ℓ / (d_k + ε ℓ), is high where items are dense (rsources/constitutive.py).
def scores(p, medium, zq, zk):
    """Return S (B, K) of items for queries, and what its derivatives need."""
    a, (reference, rank, length) = root(p), medium
    d, slope, offsets = neighbour(a, zk, reference, rank)
    rho = length / (d + SOFTENING * length)
    scale = -np.exp(p["log_beta"]) * rho ** p["power"] / length
    yq, yk = zq @ a.T, zk @ a.T
    square = (yq**2).sum(1)[:, None] + (yk**2).sum(1) - 2 * yq @ yk.T
    distance = np.sqrt(np.maximum(square, 0) + EPSILON)
    return scale * distance, (a, yq, yk, distance, scale, rho, slope, offsets)


# The free phase is w = softmax(S). In the clamped phase items with the observed byte remain. With E = −S,
# ⟨∂E⟩_clamped − ⟨∂E⟩_free is the gradient of −log p(y), p(y) = Σ_i w_i 1[y_i = y] (geometry/phases.py).
def phases(p, medium, c, tokens, queries, keys):
    """Return the gradient of the loss at queries that retrieve from items at keys, and the loss in nats."""
    zq, zk = encode(p, c[queries]), encode(p, c[keys])
    s, (a, yq, yk, distance, scale, rho, slope, offsets) = scores(p, medium, zq, zk)
    excluded = np.abs(queries[:, None] - keys) < EXCLUDE  # a position must not find itself
    free = softmax(np.where(excluded, -np.inf, s))
    clamped = (1 - SMOOTHING) * free * (tokens[queries][:, None] == tokens[keys])
    hits = clamped.sum(1, keepdims=True)
    likelihood = hits + SMOOTHING / VOCAB
    ds = (free * hits - clamped) / likelihood / len(queries)
    # The rest says by hand how S depends on each number: through β and R, through A, and through both points.
    flow = np.where(excluded, 0, s * ds)
    pull = scale * ds / distance  # ∂ distance / ∂ y_q = (y_q − y_k) / distance
    dyq, dyk = pull.sum(1)[:, None] * yq - pull @ yk, pull.sum(0)[:, None] * yk - pull.T @ yq
    dd = (-p["power"] * flow.sum(0) * rho / medium[2])[:, None, None] * slope
    da = dyq.T @ zq + dyk.T @ zk + np.einsum("bkm,bkn->mn", dd, offsets)
    dscales, low, weight = np.diag(da) * np.diag(a), da[N:], np.sqrt(np.logaddexp(0, p["raw_d"]))
    gradient = {"log_lam": dscales / 2, "log_omega": dscales.sum(), "u": low.T * weight}
    gradient["raw_d"] = (low * p["u"].T).sum(1) / (2 * weight) / (1 + np.exp(-p["raw_d"]))
    gradient |= {"power": (flow.sum(0) * np.log(rho)).sum(), "log_beta": flow.sum()}
    gradient["table"] = np.zeros_like(p["table"])
    for at, dz in ((queries, dyq @ a), (keys, (dyk + dd.sum(1)) @ a)):
        np.add.at(gradient["table"], (np.arange(LAGS), c[at]), dz[:, None])
    return gradient, -np.log(likelihood).mean()


def adam(state, gradient, decay, eps):
    """Return a direction of size about 1 for each number; state keeps running means (geometry/adam.py)."""
    t = state["t"] = state.get("t", 0) + 1
    for k, g in gradient.items():
        m, v = state.get(k, (0, 0))
        state[k] = 0.9 * m + 0.1 * g, decay * v + (1 - decay) * g**2
    return {k: state[k][0] / (1 - 0.9**t) / (np.sqrt(state[k][1] / (1 - decay**t)) + eps) for k in gradient}


def learn_metric(c, tokens, memory, train, rng):
    """Return the parameters and medium of the lowest loss on the calibration split (training/stages.py)."""
    p = {"log_lam": np.zeros(N), "log_omega": 0.0, "power": 1.0, "log_beta": 0.0}
    p |= {"u": rng.standard_normal((N, RANK)), "raw_d": np.full(RANK, np.log(np.expm1(0.1)))}
    p["table"] = SCALE * rng.standard_normal((LAGS, VOCAB + 1, N)) * DECAY ** np.arange(LAGS)[:, None, None]
    p["u"] /= np.linalg.norm(p["u"], axis=0)
    state, best, every, keys = {}, (np.inf,), UPDATES // 12, min(KEYS, memory)
    held = rng.integers(memory, train, BATCH), rng.integers(0, memory, keys)
    for update in range(UPDATES):
        if update % every == 0:  # R is measured in a sample of points, by the rank k there and the median ℓ
            z, rank = encode(p, c[rng.integers(0, memory, keys)]), NEIGHBOUR * keys / memory
            d = neighbour(root(p), z, z, rank + 1)[0]  # each of these points is its own nearest
            medium = z, rank, np.quantile(d[d > 0], 0.5, method="lower")
        batch = rng.integers(0, memory, BATCH), rng.integers(0, memory, keys)
        gradient, _ = phases(p, medium, c, tokens, *batch)
        rate = RATE * max(1 - update / UPDATES, 0.02) * min((update + 1) / WARM_UP, 1)
        p = {name: p[name] - rate * step for name, step in adam(state, gradient, 0.99, 1e-8).items()}
        p |= {"u": p["u"] / np.linalg.norm(p["u"], axis=0), "power": np.clip(p["power"], 0, 4)}  # into bounds
        if (update + 1) % every == 0:
            loss = phases(p, medium, c, tokens, *held)[1]
            best = min(best, (loss, p, medium), key=lambda found: found[0])
            print(f"update {update + 1:2}: retrieval costs {loss:.3f} nats, β is {np.exp(p['log_beta']):.2f}")
    return best[1:]


class Counts:
    """A location for each known context, with a counter for each byte, and a mixture (memories/sdm.py)."""

    def __init__(self, alphabet):
        self.alphabet, self.locations, self.bias = alphabet, {}, np.zeros(len(alphabet))
        self.weight, self.square = np.full((ORDERS, 30), 0.48 / ORDERS), np.ones((ORDERS, 30))
        self.correction, self.curvature = np.zeros((2, 2, 128, 128, 6))

    def write(self, context, token):
        """Count a token. A context gets a location once the one a byte shorter has one."""
        known, novel = [tuple(context[:m]) in self.locations for m in range(ORDERS)], True
        for m in reversed(range(ORDERS)):  # Kneser and Ney: novel is what the longer context did not know
            there = m == 0 or known[m] or known[m - 1]
            location = self.locations.setdefault(tuple(context[:m]), {}) if there else {}
            count, fresh = location.pop(token, (0, 0))  # the last token stands last
            location[token], novel = (count + 1, fresh + novel), count == 0

    def discounted(self, location, kind, discounts, base):
        """Return counts as a distribution: max(c − D, 0) / n, and the base gets what D takes away."""
        count = np.array([counter[kind] for counter in location.values()])
        taken = discounts[np.minimum(count, 3)]
        p = min(taken.sum() / count.sum(), 0.999) * base
        p[np.searchsorted(self.alphabet, list(location))] += (count - taken) / count.sum()
        return p

    def read(self, context, token=None):
        """Return the distribution (A,) after a context. From the token, if it is given, learn to mix."""
        base, log_p, places = np.full(len(self.alphabet), 1 / len(self.alphabet)), [], []
        for m in range(ORDERS):
            if location := self.locations.get(tuple(context[:m])):
                log_p.append(np.log(self.discounted(location, 0, DISCOUNTS, base) + 1e-9))
                if any(fresh for _, fresh in location.values()):
                    base = self.discounted(location, 1, NOVEL_DISCOUNTS, base)
                n = sum(count for count, _ in location.values())  # often seen, few followers: confident
                often = np.searchsorted([2, 3, 5, 9, 21, 81], n, "right")
                places.append((m, 1 + 4 * often + np.searchsorted([1, 2, 5], len(location))))
                last = next(reversed(location))
                expected = max(location, key=lambda y: (location[y][0], y == last, -y))
        # The mixture is p(y) ∝ Π_m p_m(y)^W_m (counting/mixture.py). Then it is corrected by what a p of this
        # size was worth before, for the expected token and for the last one (counting/estimation.py).
        log_p, places = np.array(log_p), tuple(np.transpose(places))
        z = self.bias + self.weight[places] @ log_p
        first = softmax(z)
        height = np.clip(-np.log(first + 1e-9) / 2, 0, 4.99)[:, None]
        low, before = height.astype(int), np.array([[[expected + 1]], [[(context[0] + 1) % (VOCAB + 1)]]])
        cells = np.array([[[0]], [[1]]]), before & 127, self.alphabet[:, None] & 127, low + np.array([0, 1])
        share = np.abs([1, 0] - (height - low))  # of the two nearest sizes
        final = softmax(z + (self.correction[cells] * share).sum((0, 2)))
        if token is not None:  # clamped minus free, as everywhere
            error = (self.alphabet == token) - np.array([first, final])
            np.add.at(self.curvature, cells, (final * (1 - final))[:, None] * share)
            newton = share / np.minimum(self.curvature[cells] + 10, 500)
            np.add.at(self.correction, cells, error[1][:, None] * newton)
            self.bias += BIAS_RATE * error[0]
            gradient = log_p @ error[0]
            self.square[places] += 0.005 * (gradient**2 - self.square[places])
            self.weight[places] += WEIGHT_RATE * gradient / (np.sqrt(self.square[places]) + 0.02)
        least = min(2e-6, 5e-4 / len(final))
        return final * (1 - len(final) * least) + least


def evidence(metric, counts, c, tokens, stored, at, learn):
    """Return log p (B, E, A) of the memories at positions, and rows of weights (B, 2): how sure is each?"""
    counted = np.array([counts.read(c[t], tokens[t] if learn else None) for t in at])
    s, _ = scores(*metric, encode(metric[0], c[at]), encode(metric[0], c[:stored]))
    votes = softmax(s) @ (tokens[:stored, None] == counts.alphabet)  # memories/exact.py
    gates = np.minimum(8 * np.array([counted.max(1), votes.max(1)]).T, 7).astype(int) + np.array([0, 8])
    return np.log(np.stack([counted, (1 - SMOOTHING) * votes + SMOOTHING / len(counts.alphabet)], 1)), gates


def mix(weights, log_p, gates):
    """Return p(y) ∝ Π_e p_e(y)^W_e, (B, A), with W the sum of the rows of both gates (model/mixer.py)."""
    return softmax(np.einsum("be,bea->ba", weights[gates].sum(1), log_p))


def fit_mixer(log_p, gates, target, rng):
    """Return the mixture's weights (rows, E). It begins with the counts alone."""
    weights, state, n = np.array([[1.0, 0.0]] * 8 + [[0.0, 0.0]] * 8), {}, len(target)
    batches = [rows for _ in range(PASSES) for rows in np.split(rng.permutation(n), range(BATCH, n, BATCH))]
    for number, rows in enumerate(batches):
        error = mix(weights, log_p[rows], gates[rows]) - np.eye(log_p.shape[2])[target[rows]]
        gradient = np.zeros_like(weights)
        np.add.at(gradient, gates[rows], np.einsum("ba,bea->be", error, log_p[rows])[:, None] / len(rows))
        step = adam(state, {"weights": gradient}, 0.999, 1e-6)["weights"]
        weights = weights - MIXER_RATE * (1 - number / len(batches)) * step
    return weights


def bits_per_byte(text, rng):
    """Learn the beginning of a text and return the bits per byte of its end."""
    tokens = np.frombuffer(text, np.uint8).astype(int)
    c, train = contexts(tokens), int(len(tokens) * (1 - HOLDOUT))
    memory = train - max(int(train * CALIBRATION), 1)
    metric, counts = learn_metric(c, tokens, memory, train, rng), Counts(np.unique(tokens[:train]))
    for t in range(memory):
        counts.write(c[t], tokens[t])
    # The mixture is fitted on text that neither memory holds. Then both take it in, and the end is scored.
    log_p, gates = evidence(metric, counts, c, tokens, memory, np.arange(memory, train), learn=True)
    weights = fit_mixer(log_p, gates, np.searchsorted(counts.alphabet, tokens[memory:train]), rng)
    for t in range(memory, train):
        counts.write(c[t], tokens[t])
    p = mix(weights, *evidence(metric, counts, c, tokens, train, np.arange(train, len(c)), learn=False))
    # Bytes that never occurred share the probability of those that occurred once (Good and Turing).
    seen = np.bincount(tokens[:train], minlength=VOCAB)
    unseen = ((seen == 1).sum() + 1) / (train + 2) if (seen == 0).any() else 0
    full = np.full((len(p), VOCAB), unseen / max((seen == 0).sum(), 1))
    full[:, counts.alphabet] = p * (1 - unseen)
    return -np.log2(full[np.arange(len(p)), tokens[train:]]).mean()


if __name__ == "__main__":
    text = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/physics.md").read_bytes()[:8000]
    if len(text) < 1000:
        sys.exit(f"the text has {len(text)} bytes; give one of at least 1,000 bytes")
    print(f"{bits_per_byte(text, np.random.default_rng(0)):.4f} bits per byte of the last tenth")
