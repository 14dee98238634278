"""The steps: each compares what the device computes with the CPU, or tells a fact; it returns rows."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Generator, Tensor
from torch.nn.attention.flex_attention import flex_attention

from lior import registry
from lior.geometry import adam
from lior.geometry.retrieval import Batch, Geometry, Part, Retrieval
from lior.interfaces import Items, Query, Text
from lior.training.batches import BatchProbe
from lior_plugins.encoders.lags import Lags
from lior_plugins.memories.exact import Exact
from tools.gpu.fused import distributions
from tools.gpu.measuring import Place, Row, compared, difference, moved, timed

ROUNDING = 1e-4
"""Allowed where float32 numbers are summed in another order; float64 below."""
EXACT = 1e-9
VOCAB = 96
TEXT = "Baa, baa, black sheep, have you any wool? Yes, sir, yes, sir, three bags full.\n"


def facts(place: Place) -> list[Row]:
    """Versions, driver and device."""
    said = {"torch": torch.__version__, "CUDA of torch": str(torch.version.cuda)}
    if place.device == "cuda":
        found = torch.cuda.get_device_properties(0)
        said["device"] = f"{found.name}, compute capability {found.major}.{found.minor}"
        said["memory"] = f"{found.total_memory / 2**30:.0f} GiB"
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        said["driver"] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return [Row(what, "told", note) for what, note in said.items()]


# --- the geometry ---


def geometry_of(frame: str = "lowrank", rsource: str = "constitutive", product: str = "tensor") -> Geometry:
    """A geometry of small contexts."""
    made = {"frame": frame, "rsource": rsource, "product": product}
    parts = {kind: registry.get(kind, name)() for kind, name in made.items()}
    return Geometry(**cast(Any, parts), encoder=Lags(n=16, lags=8), vocab=VOCAB, resilience_at="both")


def learning(geometry: Geometry, queries: int, items: int) -> tuple[dict[str, Tensor], Batch]:
    """A state and a batch to learn from, on the CPU, so that both devices get the same."""
    random = Generator().manual_seed(1)
    reach = geometry.encoder.reach

    def ids(*shape: int) -> Tensor:
        return torch.randint(VOCAB, shape, generator=random)

    state = geometry.init(generator=random)
    state = geometry.observe(state, ids(items, reach), total=items)
    none = torch.zeros(0, dtype=torch.int64)
    part = Part(slice(0, queries), slice(0, items), (none, none))
    return state, Batch(ids(queries, reach), ids(queries), ids(items, reach), ids(items), (part,))


def placed(batch: Batch, device: str) -> Batch:
    """A batch on a device."""
    (part,) = batch.parts
    here = part._replace(excluded=tuple(each.to(device) for each in part.excluded))
    return Batch(*(each.to(device) for each in batch[:4]), (here,))


def metric(place: Place) -> list[Row]:
    """The derivatives that contrastive updates follow, the loss that spsa measures, and such updates."""
    names = [("lowrank", "constitutive", "tensor"), ("rotor", "curvature", "spinor"),
             ("derived", "constitutive", "wedge")]  # fmt: skip
    rows = []
    for name in names:
        geometry = geometry_of(*name)
        state, batch = learning(geometry, place.size(256, 8), place.size(8192, 40))

        def gradient(device: str, given: Any = (geometry, state, batch)) -> object:
            return given[0].phases(moved(given[1], device), placed(given[2], device), float("inf"))

        def loss(device: str, given: Any = (geometry, state, batch)) -> object:
            return given[0].loss(moved(given[1], device), placed(given[2], device))

        what = ", ".join(name)
        rows.append(compared(f"contrastive: derivatives of {what}", place, ROUNDING, gradient))
        rows.append(compared(f"spsa: loss of {what}", place, ROUNDING, loss))
    return [*rows, compared("contrastive: loss after five updates", place, 1e-3, lambda d: updated(place, d))]


def updated(place: Place, device: str) -> float:
    """The loss after five contrastive updates on one batch."""
    geometry = geometry_of()
    state, batch = learning(geometry, place.size(256, 8), place.size(8192, 40))
    state, batch = moved(state, device), placed(batch, device)
    updater = registry.get("updater", "contrastive")()
    probe, random = BatchProbe(geometry, state, batch), Generator(device).manual_seed(0)
    params = geometry.learned(state)
    inner = updater.init(params)
    for _ in range(5):
        params, inner, _ = updater.step(params, inner, probe, scale=1.0, generator=random)
    return probe.loss(params)


def outer_products(place: Place) -> list[Row]:
    """The metric from gradient outer products."""
    from lior_tables.agop import Agop

    count, n = place.size(200_000, 50), 32
    gradients = torch.randn(count, 1, n, generator=Generator().manual_seed(2), dtype=torch.float64)
    gradients *= torch.logspace(0, -2, n)  # axes that are far apart are the same up to rounding

    def learned(device: str) -> Tensor:
        frame, state = Agop(), moved(Agop().init(n, generator=Generator().manual_seed(0)), device)
        form = frame.form(frame.observe_gradients(state, gradients.to(device)))
        q = cast(Tensor, form.q).double()
        return cast(Tensor, q @ torch.diag(form.lam.double()) @ q.mT)

    return [compared("metric from gradient outer products", place, ROUNDING, learned)]


# --- retrieval ---


def memory_of(place: Place, device: str) -> tuple[Exact, Query, Tensor, Retrieval, Items]:
    """A memory with items, a query, the alphabet and the scorer."""
    geometry, random = geometry_of(), Generator().manual_seed(3)
    state, _ = learning(geometry, 1, 64)
    scorer = geometry.scorer(moved(state, device))
    count, asked = place.size(1 << 17, 100), place.size(512, 7)
    tokens = torch.randint(VOCAB, (count,), generator=random).to(device)
    z = torch.randn(count, 16, generator=random).to(device)
    depth = torch.arange(count, device=device)
    items = Items(Text(tokens, depth, torch.zeros_like(depth)), 0, z)
    memory = Exact(capacity=0)
    memory.attach(scorer)
    memory.write(items)
    memory.commit()
    query = Query(items.text, depth[:asked], torch.randn(asked, 16, generator=random).to(device))
    return memory, query, tokens.unique(), scorer, items


def retrieval(place: Place) -> list[Row]:
    """The whole memory, read in blocks."""
    made = {device: memory_of(place, device) for device in ("cpu", place.device)}

    def read(device: str) -> Tensor:
        memory, query, alphabet, *_ = made[device]
        return memory.read(query, alphabet).log_p.exp()

    return [compared("exact: whole-memory retrieval", place, 1e-3, read)]


def fused(place: Place) -> list[Row]:
    """The same as one kernel, compiled for the device, beside the blocks on the same device."""
    memory, query, alphabet, scorer, items = memory_of(place, place.device)
    kernel = torch.compile(flex_attention) if place.device == "cuda" else flex_attention
    assert query.z is not None
    assert items.z is not None
    sides = scorer.features(query.z, query=True), scorer.features(items.z, query=False)

    def in_blocks(_: str) -> Tensor:
        return memory.read(query, alphabet).log_p.exp()

    def at_once(_: str) -> Tensor:
        p = distributions(
            scorer, *sides, items.text.tokens, alphabet, memory.inverse_temperatures, kernel=kernel
        )
        return (1 - memory.smoothing) * p + memory.smoothing / len(alphabet)

    (blocks, slow), (one, fast) = timed(in_blocks, place), timed(at_once, place)
    apart = difference(blocks, one)
    note = f"both on {place.device}: the first time is that of the blocks, the second of the kernel"
    verdict = "equal" if apart <= 1e-3 else "DIFFERENT"
    return [Row("whole memory as one fused kernel", verdict, note, apart, 1e-3, slow, fast)]


# --- the distributions ---


def tables(place: Place) -> list[Row]:
    """A fit; draws of the two devices differ, so predictions agree as far as fits of two seeds do."""
    from lior_tables.model import Model
    from lior_tables.plan import Options

    random, rows = Generator().manual_seed(4), place.size(1500, 120)
    z = torch.randn(2 * rows, 5, generator=random, dtype=torch.float64)
    y = (z[:, :1] * z[:, 1:2]).sin() + 0.3 * z[:, 2:3]

    def fitted(device: str) -> Tensor:
        options = Options(members=place.size(6, 1), rounds=place.size(5, 1))
        generator = Generator(device).manual_seed(0)
        model = Model.fit(
            z[:rows].to(device), y[:rows].to(device), classes=False, options=options, generator=generator
        )
        error = model.predict(z[rows:].to(device)).cpu() - y[rows:]
        return error.square().mean().sqrt() / y[rows:].std()

    return [compared("lior-tables: error of a fit", place, 0.2, fitted)]


def ritz(place: Place) -> list[Row]:
    """Steps of the network; the referee computes on the CPU alone."""
    from lior_ritz import config as configuration
    from lior_ritz.training.trainer import Trainer

    def trained(device: str) -> Tensor:
        sets = ["solver.network=true", f"training.device={device}", f"domain.nq={place.size(48, 12)}"]
        sets += [f"model.hidden_features={place.size(64, 4)}", "solver.K=2", "solver.M=3"]
        config = configuration.load(overrides=sets, env={}).config
        trainer = Trainer(config, configuration.problem(config))
        for _ in range(place.size(20, 2)):
            trainer.step()
        return torch.as_tensor(trainer.check()["eval_energies"])

    return [compared("lior-ritz: energies after steps of the network", place, 1e-5, trained)]


def lens(place: Place) -> list[Row]:
    """Steps of training, and pictures that the network corrects."""
    from lior_lens import config as configuration
    from lior_lens.training import Trainer, correct

    sets = ["data.batch_size=2", "data.photos=0", f"data.long_side={place.size(512, 64)}"]
    sets += [
        f"model.width={place.size(4, 1) / 4}",
        "train.epochs=2",
        f"train.steps_per_epoch={place.size(5, 1)}",
    ]

    def trainer_on(device: str) -> Trainer:
        made = Trainer(configuration.load([], [*sets, f"train.device={device}"], env={}).config)
        if made.device.type != device:
            raise RuntimeError(f"lior-lens computes on {made.device}, not on {device}")
        return made

    def trained(device: str) -> list[float]:
        trainer = trainer_on(device)
        return [trainer.step()["total"] for _ in range(place.size(5, 1))]

    side = place.size(512, 64)
    pictures = torch.rand(place.size(8, 1), 3, side, side, generator=Generator().manual_seed(5))

    def corrected(device: str) -> Tensor:
        network = trainer_on(device).network.eval()
        with torch.no_grad():
            seen = pictures.to(device)
            return correct(seen, network(seen))[0]

    return [
        compared("lior-lens: losses of steps of training", place, 1e-2, trained),
        compared("lior-lens: corrected pictures", place, 1e-2, corrected),
    ]


def field(place: Place) -> list[Row]:
    """Operators on a grid, and the algebra."""
    from lior_field.algebra import multiply
    from lior_field.grid import Grid
    from lior_field.hamiltonian import Hamiltonian

    random, side = Generator().manual_seed(6), place.size(384, 12)
    t = torch.randn(side, side, generator=random, dtype=torch.complex128)
    a, b = (torch.randn(place.size(1 << 20, 9), 4, generator=random).double() for _ in range(2))
    eye = torch.eye(2, dtype=torch.float64)
    bent = eye + 0.1 * torch.rand(side, side, 1, 1, generator=random).double() * eye

    def applied(device: str, inverse: Tensor) -> Tensor:
        grid = Grid(shape=(side, side), inverse=inverse.to(device))
        potential = torch.linspace(0, 1, side, dtype=torch.float64)[:, None].expand(side, side)
        return Hamiltonian(grid=grid, potential=potential.to(device)).exponential(t.to(device), -0.3j)

    return [
        compared("lior-field: product of quaternions", place, EXACT, lambda d: multiply(a.to(d), b.to(d))),
        compared("lior-field: exponential of H, flat", place, EXACT, lambda d: applied(d, eye)),
        compared("lior-field: exponential of H, bent", place, EXACT, lambda d: applied(d, bent)),
    ]


# --- how the device is used ---


def waiting(place: Place) -> list[Row]:
    """Operations that make the processor wait for the device, where none should."""
    geometry = geometry_of()
    state, batch = learning(geometry, 64, 256)
    state, batch = moved(state, place.device), placed(batch, place.device)
    params = geometry.learned(state)
    inner = adam.init(params)
    memory, query, alphabet, scorer, _ = memory_of(place, place.device)
    assert query.z is not None
    z, items = query.z, scorer.features(query.z, query=False)
    windows: dict[str, Callable[[], object]] = {
        "adam.finite (says that it does not wait)": lambda: adam.finite(params),
        "adam.update": lambda: adam.update(params, inner, b1=0.9, b2=0.99, eps=1e-8),
        "Geometry.phases": lambda: geometry.phases(state, batch, float("inf")),
        "Retrieval.scores": lambda: scorer.scores(scorer.features(z, query=True), items),
        "exact: read": lambda: memory.read(query, alphabet),
    }
    return [_without_waiting(what, place, window) for what, window in windows.items()]


def _without_waiting(what: str, place: Place, window: Callable[[], object]) -> Row:
    if place.device != "cuda":
        window()
        return Row(what, "told", "a CPU does not wait")
    window()  # what is made once may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        window()
    except RuntimeError as error:
        return Row(what, "DIFFERENT", f"waits: {str(error).splitlines()[0]}")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Row(what, "equal", "does not wait")


def graphs(place: Place) -> list[Row]:
    """Whether the product has CUDA graphs to compare."""
    root = Path(__file__).parents[2]
    files = [file for room in ("lior", "plugins") for file in sorted((root / room).rglob("*.py"))]
    holding = [str(file.relative_to(root)) for file in files if "CUDAGraph" in file.read_text("utf-8")]
    note = f"{len(files)} modules searched: " + (", ".join(holding) or "none captures a CUDA graph")
    return [Row("CUDA graphs", "DIFFERENT" if holding else "told", note)]


def generation(place: Place) -> list[Row]:
    """Text of a small model, one and sixteen at once: drawn on the CPU alone, a control."""
    import lior

    count = place.size(2000, 20)
    with tempfile.TemporaryDirectory() as folder:
        run = lior.train(
            documents={"text": TEXT * 40}, out=Path(folder) / "run", memory="sdm", device="cpu",
            fit={"passes": 0}, geometry={"updates": 2},
        )  # fmt: skip
        control = Place("cpu", place.tiny)

        def one(_: str) -> list[int]:
            return [*run.complete("Baa", count, seed=1).encode()]

        def many(_: str) -> list[int]:
            return [*"".join(run.complete(["Baa"] * 16, count, seed=1)).encode()]

        return [
            compared(f"generation of {count} bytes, one stream", control, 0, one, note="CPU twice"),
            compared(f"generation of {count} bytes, 16 streams", control, 0, many, note="CPU twice"),
        ]


STEPS: dict[str, tuple[Callable[[Place], list[Row]], int]] = {
    "facts": (facts, 60), "metric": (metric, 240), "outer_products": (outer_products, 60),
    "retrieval": (retrieval, 120), "fused": (fused, 240), "tables": (tables, 240), "ritz": (ritz, 180),
    "lens": (lens, 240), "field": (field, 180), "waiting": (waiting, 60), "graphs": (graphs, 30),
    "generation": (generation, 120),
}  # fmt: skip
"""Each with the seconds that it may take; together less than 30 minutes."""
