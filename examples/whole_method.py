"""The whole method on one page: NumPy learns a small text and prints its bits per byte, as `lior train` would.

python examples/whole_method.py [TEXT]

Two memories read the text. One stores every context as a point, and lets near points vote under a metric that is
learned. The other counts what follows the last 0, 1, 2 and 3 bytes. A mixture weighs both. Nothing is learned by
backpropagation through layers: every number moves by the difference of two averages. The product computes the same
number in float32 with more memory patterns and features, on a GPU, with forgetting; tests/project/test_whole_method.py
runs both on one text and compares. Each part names its formula (docs/physics.md) and its place in the product.
"""

import sys
from pathlib import Path

import numpy as np

# Settings. Each is an option of the product; the values suit a text of some kB.
HOLDOUT, CALIBRATION = 0.1, 0.1  # the last tenth is scored; the last tenth before it fits the mixture
VOCAB, LAGS, DIMENSION, DIRECTIONS = 256, 8, 16, 2  # bytes; length of a context; its point in R^16; columns of U
DECAY, SCALE, SMOOTHING = 0.8, 0.35, 0.02  # first vectors: a byte weighs 0.8 of the one after it
UPDATES, BATCH, KEYS, EXCLUDE = 60, 128, 512, 64  # an update compares 128 contexts with 512 others, 64 bytes apart
RATE, WARM_UP = 0.02, 20  # step size of the metric, and the updates until it is reached
NEIGHBOUR, SOFTENING, EPSILON = 16, 0.05, 1e-2  # R looks at the 16th neighbour; costs are at least sqrt(0.01)
POWERS = (1.0, 2.0)  # retrieval votes at β and at 2β
ORDERS = 4  # counts follow 0, 1, 2 and 3 bytes
DISCOUNTS, NOVEL_DISCOUNTS = np.array([0, 0.7, 0.95, 1.1]), np.array([0, 0.7, 1.0, 1.2])
WEIGHT_RATE, BIAS_RATE = 5e-3, 2e-3  # step sizes inside the mixture of the counts
PASSES, MIXER_BATCH, MIXER_RATE = 2, 64, 0.004


def contexts(tokens, positions):
    """Return the last LAGS tokens before each position, most recent first; before the text stands VOCAB."""
    at = positions[:, None] - 1 - np.arange(LAGS)
    return np.where(at >= 0, tokens[np.maximum(at, 0)], VOCAB)


# ---- A context is a point: z = Σ_l M_l[x_{t-l}], one learned vector for each token and lag (encoders/lags.py).


def encode(p, c):
    """Return the coordinates (B, DIMENSION) of contexts (B, LAGS)."""
    return p["table"][np.arange(LAGS), c].sum(1)


# ---- The metric g = Ω² diag(λ) + U diag(D) Uᵀ says which directions count. Its root A has AᵀA = g, so a distance
# ---- under g is the plain distance of A z (frames/lowrank.py, geometry/metric.py).


def root(p):
    """Return A = [Ω Λ^½ ; D^½ Uᵀ], (DIMENSION + DIRECTIONS, DIMENSION)."""
    scales = np.exp(p["log_omega"] + p["log_lam"] / 2)
    return np.concatenate([np.diag(scales), np.sqrt(np.logaddexp(0, p["raw_d"]))[:, None] * p["u"].T])


# ---- Resilience R = ρ^p / ℓ with ρ = ℓ / (d_k + ε ℓ): a step costs more where stored points are dense
# ---- (rsources/constitutive.py). d_k is the distance of the k-th neighbour, ℓ its median over the memory.


def neighbours(a, z, reference, rank):
    """Return offsets, mapped offsets and weights of the two references around the rank, and the distance d_k."""
    rank = min(max(rank, 1.0), len(reference))
    low = min(int(rank), len(reference) - 1)
    share = np.array([1 - (rank - low), rank - low])  # the rank is rarely whole: interpolate
    y, keys = z @ a.T, reference @ a.T
    order = np.argsort((keys**2).sum(1) - 2 * y @ keys.T, 1, kind="stable")[:, low - 1 : low + 1]
    offsets = z[:, None] - reference[order]
    mapped = offsets @ a.T
    distances = np.sqrt((mapped**2).sum(2))
    return offsets, mapped, distances, share, distances @ share


def observe(p, c, total):
    """Return the medium that R is measured in: a sample of the memory's points, the rank, and ℓ."""
    z = encode(p, c)
    rank = NEIGHBOUR * len(z) / total
    own = neighbours(root(p), z, z, rank + 1)[-1]  # each point is its own nearest
    positive = np.sort(own[own > 0])
    return z, rank, positive[(len(positive) - 1) // 2]


def resilience(p, medium, a, z):
    """Return R at points z, and what its derivative needs."""
    reference, rank, length = medium
    near = neighbours(a, z, reference, rank)
    rho = length / (near[-1] + SOFTENING * length)
    return rho ** p["power"] / length, (rho, length, near)


# ---- What an item costs: cost = √(|A z_q − A z_k|² + ε), S = −β R cost (products/tensor.py, geometry/retrieval.py).


def costs(yq, yk):
    """Return the costs (B, K) of mapped items for mapped queries."""
    square = (yq**2).sum(1)[:, None] + (yk**2).sum(1) - 2 * yq @ yk.T
    return np.sqrt(np.maximum(square, 0) + EPSILON)


def softmax(s):
    """Return Boltzmann's weights along the last axis."""
    w = np.exp(s - s.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True)


# ---- Two phases (geometry/phases.py). Free: w = softmax(S). Clamped to the token that came: w·1[y_i = y], normalised.
# ---- Their difference in ⟨∂E⟩ is the gradient of −log p(y); the rest of this function carries it to each number.


def phases(p, medium, tokens, queries, keys):
    """Return the gradient of the retrieval loss at queries against items at keys, and the loss in nats."""
    keys, a, beta = np.sort(keys), root(p), np.exp(p["log_beta"])
    cq, ck = contexts(tokens, queries), contexts(tokens, keys)
    zq, zk = encode(p, cq), encode(p, ck)
    yq, yk = zq @ a.T, zk @ a.T
    r, (rho, length, (offsets, mapped, distances, share, _)) = resilience(p, medium, a, zk)
    cost = costs(yq, yk)
    near = np.abs(queries[:, None] - keys) < EXCLUDE  # a position must not find itself
    s = np.where(near, -np.inf, -beta * r * cost)
    free = softmax(s)
    clamped = free * (tokens[queries][:, None] == tokens[keys])
    memory = (1 - SMOOTHING) * clamped.sum(1, keepdims=True)
    uniform = SMOOTHING / VOCAB  # with a small probability a token is not from the memory
    ds = (free * memory - (1 - SMOOTHING) * clamped) / (memory + uniform) / len(queries)
    # The chain of ∂S, by hand: first the factors of S, then the two ends of each pair, then A, z and R.
    flow = np.where(near, 0, s) * ds
    pull = -beta * r * ds / cost  # d cost / d y_q = (y_q − y_k) / cost
    dyq = pull.sum(1)[:, None] * yq - pull @ yk
    dyk = pull.sum(0)[:, None] * yk - pull.T @ yq
    dlog_r = flow.sum(0)
    dlength = -p["power"] * dlog_r * rho / length
    toward = (dlength[:, None] * share / np.where(distances > 0, distances, np.inf))[..., None] * mapped
    dzq, dzk = dyq @ a, dyk @ a + toward.sum(1) @ a
    da = dyq.T @ zq + dyk.T @ zk + np.einsum("bkm,bkn->mn", toward, offsets)
    scales, d, below = np.diag(a), np.logaddexp(0, p["raw_d"]), da[DIMENSION:]
    dscales = np.diag(da) * scales
    table = np.zeros_like(p["table"])
    for c, dz in ((cq, dzq), (ck, dzk)):
        np.add.at(table, (np.arange(LAGS), c), dz[:, None])
    gradient = {
        "table": table,
        "log_lam": dscales / 2,
        "log_omega": dscales.sum(),
        "u": (np.sqrt(d)[:, None] * below).T,
        "raw_d": (below * p["u"].T).sum(1) / (2 * np.sqrt(d)) / (1 + np.exp(-p["raw_d"])),
        "power": (dlog_r * np.log(rho)).sum(),
        "log_beta": flow.sum(),
    }
    return gradient, -np.log(memory + uniform).mean()


# ---- The update: Adam on that gradient, then every number returns to its range (updaters/contrastive.py).


class Adam:
    """Running means of gradients and of their squares (geometry/adam.py)."""

    def __init__(self, decay, eps):
        self.decay, self.eps, self.step, self.first, self.second = decay, eps, 0, {}, {}

    def directions(self, gradient):
        """Return a direction of about size 1 for each number."""
        self.step += 1
        for name, g in gradient.items():
            self.first[name] = 0.9 * self.first.get(name, 0) + 0.1 * g
            self.second[name] = self.decay * self.second.get(name, 0) + (1 - self.decay) * g**2
        slow, fast = 1 - 0.9**self.step, 1 - self.decay**self.step
        return {k: m / slow / (np.sqrt(self.second[k] / fast) + self.eps) for k, m in self.first.items()}


def learn_metric(tokens, memory, train, rng):
    """Return the parameters and the medium of the lowest loss on the calibration split (training/stages.py)."""
    p = {
        "log_lam": np.zeros(DIMENSION),
        "log_omega": 0.0,
        "u": rng.standard_normal((DIMENSION, DIRECTIONS)),
        "raw_d": np.full(DIRECTIONS, np.log(np.expm1(0.1))),  # D = softplus(raw_d) begins at 0.1
        "power": 1.0,
        "log_beta": 0.0,
        "table": SCALE * DECAY ** np.arange(LAGS)[:, None, None] * rng.standard_normal((LAGS, VOCAB + 1, DIMENSION)),
    }
    p["u"] /= np.linalg.norm(p["u"], axis=0)
    draw = lambda lo, hi, count: rng.integers(lo, hi, min(count, memory))  # noqa: E731
    held = rng.integers(memory, train, BATCH), draw(0, memory, KEYS)
    adam, best, every = Adam(0.99, 1e-8), (np.inf,), UPDATES // 12
    for update in range(UPDATES):
        if update % every == 0:
            medium = observe(p, contexts(tokens, draw(0, memory, KEYS)), memory)
        gradient, _ = phases(p, medium, tokens, rng.integers(0, memory, BATCH), draw(0, memory, KEYS))
        rate = RATE * max(1 - update / UPDATES, 0.02) * min((update + 1) / WARM_UP, 1)
        p = {name: p[name] - rate * step for name, step in adam.directions(gradient).items()}
        p |= {"u": p["u"] / np.linalg.norm(p["u"], axis=0), "power": np.clip(p["power"], 0, 4)}
        if (update + 1) % every == 0:
            _, loss = phases(p, medium, tokens, *held)
            best = min(best, (loss, p, medium), key=lambda each: each[0])
            print(f"update {update + 1:3}: loss of retrieval {loss:.3f} nats, β {np.exp(p['log_beta']):.2f}")
    return best[1:]


def retrieve(p, medium, tokens, stored, positions, alphabet):
    """Return log p of the retrieval experts (B, E, A) and their confidence bin: Σ_i w_i 1[y_i = y] (memories/exact.py)."""
    a = root(p)
    zk = encode(p, contexts(tokens, np.arange(stored)))
    s = -np.exp(p["log_beta"]) * resilience(p, medium, a, zk)[0]
    s = s * costs(encode(p, contexts(tokens, positions)) @ a.T, zk @ a.T)
    hits = (tokens[:stored, None] == alphabet).astype(float)
    votes = np.stack([softmax(power * s) @ hits for power in POWERS], 1)
    bins = np.minimum((votes[:, 0].max(1) * 8).astype(int), 7)
    return np.log((1 - SMOOTHING) * votes + SMOOTHING / len(alphabet)), bins


# ---- The other memory counts (memories/sdm.py, counting/): one location for each context that was seen, a counter for
# ---- each token at it, and a small mixture of its own.


class Counts:
    """Counters at the last 0 … ORDERS − 1 bytes, mixed by weights that confidence selects."""

    def __init__(self, alphabet):
        self.alphabet, self.locations = alphabet, {}
        self.column = {token: s for s, token in enumerate(alphabet.tolist())}
        self.weight = np.full((ORDERS, 30), 0.48 / ORDERS)
        self.square = np.ones((ORDERS, 30))
        self.bias = np.zeros(len(alphabet))
        self.correction = np.zeros((2, 128, 128, 6))  # by context, token and bin of the probability
        self.curvature = np.zeros((2, 128, 128, 6))

    def write(self, context, token):
        """Count a token; contexts grow by one byte each time they are seen (counting/locations.py)."""
        places = [tuple(context[:m]) for m in range(ORDERS)]
        known = [place in self.locations for place in places]
        novel = True  # Kneser and Ney: an occurrence counts for a shorter context if the longer did not know it
        for m in reversed(range(ORDERS)):
            if not (known[m] or m == 0 or known[m - 1]):
                novel = True
                continue
            location = self.locations.setdefault(places[m], {})
            occurred, fresh = location.pop(token, (0, 0))  # the last token stands last
            location[token] = occurred + 1, fresh + novel
            novel = occurred == 0

    def experts(self, context):
        """Return log p (M, A) of the known contexts, their weights' places, and the token expected plus 1."""
        base = np.full(len(self.alphabet), 1 / len(self.alphabet))
        rows, places, expected = [], [], 0
        for m in range(ORDERS):
            location = self.locations.get(tuple(context[:m]))
            if location is None:
                continue
            columns = [self.column[token] for token in location]
            count, novel = np.array(list(location.values())).T
            n, u = count.sum(), len(count)
            p = discounted(count, DISCOUNTS, columns, base)
            rows.append(np.log(p + 1e-9))
            base = discounted(novel, NOVEL_DISCOUNTS, columns, base) if novel.any() else base
            places.append((m, 1 + 4 * np.searchsorted([2, 3, 5, 9, 21, 81], n, "right") + np.searchsorted([1, 2, 5], u)))
            last = next(reversed(location))
            expected = max(location, key=lambda token: (location[token][0], token == last, -token)) + 1
        return np.array(rows), tuple(np.array(places).T), expected

    def read(self, context, token=None):
        """Return the distribution (A,) after a context; where a token is given, learn from it."""
        log_p, places, expected = self.experts(context)
        z = self.bias + self.weight[places] @ log_p  # p(y) ∝ Π_m p_m(y)^W_m
        first = softmax(z)
        # Secondary estimation: what was a probability of this size worth here before? (counting/estimation.py)
        height = np.clip(-np.log(first + 1e-9) / 2, 0, 4.99)
        low = height.astype(int)
        share, rows = height - low, self.alphabet & 127
        ends = [
            ((j, c & 127, rows, low + side), side * share + (1 - side) * (1 - share))
            for j, c in enumerate((expected, (context[0] + 1) % (VOCAB + 1)))
            for side in (0, 1)
        ]
        final = softmax(z + sum(self.correction[cells] * part for cells, part in ends))
        if token is not None:
            seen = self.alphabet == token
            for cells, part in ends:
                np.add.at(self.curvature, cells, final * (1 - final) * part)
            for cells, part in ends:
                step = (seen - final) * part / np.minimum(self.curvature[cells] + 10, 500)
                np.add.at(self.correction, cells, step)
            self.bias += BIAS_RATE * (seen - first)
            gradient = log_p @ (seen - first)  # clamped minus free: how much better than expected was each
            self.square[places] += 0.005 * (gradient**2 - self.square[places])
            self.weight[places] += WEIGHT_RATE * gradient / (np.sqrt(self.square[places]) + 0.02)
        least = min(2e-6, 5e-4 / len(final))
        return final * (1 - len(final) * least) + least


def discounted(count, discounts, columns, base):
    """Return absolute discounting of counts over a base distribution (A,)."""
    taken = discounts[np.minimum(count, 3)]
    p = min(taken.sum() / count.sum(), 0.999) * base
    p[columns] += np.maximum(count - taken, 0) / count.sum()
    return p


# ---- The mixture of both memories: log p(y) ∝ Σ_e W_e log p_e(y), with W chosen by how sure each is (model/mixer.py).


def mix(weights, log_p, gates):
    """Return the distribution (B, A) of the experts (B, E, A)."""
    chosen = sum(table[gate] for table, gate in zip(weights, gates, strict=True))
    return softmax(np.einsum("be,bea->ba", chosen, log_p))


def evidence(metric, counts, tokens, stored, lo, hi, alphabet, learn):
    """Return what all experts say at positions lo … hi − 1, log p (B, E, A), and the gates."""
    c = contexts(tokens, np.arange(lo, hi)).tolist()
    counted = np.array([counts.read(c[t - lo], tokens[t] if learn else None) for t in range(lo, hi)])
    sure = np.minimum((counted.max(1) * 8).astype(int), 7)
    retrieved, bins = retrieve(*metric, tokens, stored, np.arange(lo, hi), alphabet)
    return np.concatenate([np.log(counted)[:, None], retrieved], 1), (sure, bins)


def fit_mixer(log_p, gates, target, rng):
    """Return the mixture's weights after Adam's steps; they begin with the counts alone."""
    weights = [np.zeros((8, log_p.shape[1])), np.zeros((8, log_p.shape[1]))]
    weights[0][:, 0] = 1
    adam = Adam(0.999, 1e-6)
    order = [rng.permutation(len(target)) for _ in range(PASSES)]
    batches = [rows[at : at + MIXER_BATCH] for rows in order for at in range(0, len(rows), MIXER_BATCH)]
    for number, rows in enumerate(batches):
        here = [gate[rows] for gate in gates]
        error = mix(weights, log_p[rows], here) - np.eye(log_p.shape[2])[target[rows]]
        d = np.einsum("ba,bea->be", error, log_p[rows]) / len(rows)  # free minus clamped
        gradient = {k: np.zeros_like(table) for k, table in enumerate(weights)}
        for k, gate in enumerate(here):
            np.add.at(gradient[k], gate, d)
        rate = MIXER_RATE * (1 - number / len(batches))
        weights = [weights[k] - rate * step for k, step in adam.directions(gradient).items()]
    return weights


def bits_per_byte(text, rng):
    """Learn the first part of a text and return the bits per byte of its end."""
    tokens = np.frombuffer(text, np.uint8).astype(int)
    train = int(len(tokens) * (1 - HOLDOUT))
    memory = train - max(int(train * CALIBRATION), 1)
    alphabet = np.unique(tokens[:train])
    metric = learn_metric(tokens, memory, train, rng)
    counts, c = Counts(alphabet), contexts(tokens, np.arange(train)).tolist()
    for t in range(memory):
        counts.write(c[t], tokens[t])
    # The mixture is fitted on text that neither memory holds. Then they take it in.
    log_p, gates = evidence(metric, counts, tokens, memory, memory, train, alphabet, learn=True)
    weights = fit_mixer(log_p, gates, np.searchsorted(alphabet, tokens[memory:train]), rng)
    for t in range(memory, train):
        counts.write(c[t], tokens[t])
    log_p, gates = evidence(metric, counts, tokens, train, train, len(tokens), alphabet, learn=False)
    p = mix(weights, log_p, gates)
    # Good and Turing: bytes that never occurred share the probability of those that occurred once.
    seen = np.bincount(tokens[:train], minlength=VOCAB)
    unseen = ((seen == 1).sum() + 1) / (train + 2) if (seen == 0).any() else 0
    full = np.full((len(p), VOCAB), unseen / max((seen == 0).sum(), 1))
    full[:, alphabet] = p * (1 - unseen)
    return -np.log2(full[np.arange(len(p)), tokens[train:]]).mean()


if __name__ == "__main__":
    text = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/physics.md").read_bytes()[:8000]
    print(f"{bits_per_byte(text, np.random.default_rng(0)):.4f} bits per byte of the last tenth of {len(text):,} bytes")
