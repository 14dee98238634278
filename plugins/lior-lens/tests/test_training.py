"""Configurations, network, losses and training."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from commands import lens as lens_command
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from lior.errors import ConfigError, DataError, RunError, Stopped, UsageError
from lior.runs import bundle, folder
from lior_lens import config as configuration
from lior_lens import losses, network, pairs, runs, training
from lior_lens.external import Batch
from lior_lens.geometry import Lens, Size

TINY = (
    "data.long_side=64 data.batch_size=2 model.width=0.25 model.param_hidden_dim=16 model.pool=2 "
    "model.residual_hidden_dim=8 train.epochs=2 train.steps_per_epoch=2 train.max_val_steps=1 data.photos=0 "
    "train.checkpoint_seconds=60"
)


def tiny(*layers, **changes):
    sets = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    return configuration.load(layers, [*TINY.split(), *sets], env={}).config


# --- configurations ---


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["train.stage=stage9"], "one of stage1_param_only"),
        (["optimiser.lr=1"], "Did you mean 'optimizer'"),
        (["loss.flow_tv_weight=0.1"], "is for a flow"),
        (["data.loader_module=mine"], "give a picture loss a weight"),
        (["data.pairs=a.csv"], "give a picture loss a weight"),
        (["data.pairs=a.csv", "data.loader_module=mine"], "exclude one another"),
        (["proxy.fullres_images=3"], "needs data.pairs"),
        (["train.best_metric_name=score"], "needs proxy.module"),
        (["model.residual_hidden_dim=12"], "multiple of 8"),
        (["model.param_bounds.k1=[0.1,0.2]"], "must have 0"),
        (['model.include_aspect="false"'], "true or false"),
    ],
)
def test_a_wrong_configuration_is_refused_in_words(sets, said):
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        configuration.load([], sets, env={})


def test_every_recipe_is_valid_and_stages_begin_with_the_one_before():
    for name in ("smoke", "small", "stage1_param_only", "stage2_hybrid", "stage3_finetune"):
        made = configuration.load([name], env={}).config
        begin = configuration.default_init(made)
        assert (begin is None) == (made.train.stage == "stage1_param_only")


# --- network ---


@pytest.mark.parametrize("aspect", [False, True])
@pytest.mark.parametrize("shape", [(64, 64), (64, 96), (48, 33)])
def test_the_network_begins_at_the_identity(aspect, shape):
    net = network.LensNetwork(tiny(model__include_aspect=str(aspect).lower()).model).eval()
    said = net(torch.rand(2, 3, *shape))
    for row in said.params:
        lens = network.lens_of(row)
        assert lens.forward(0.3, 0.7) == pytest.approx((0.3, 0.7), abs=1e-6)
    assert not said.flow.any()
    assert said.params.shape[1] == 8 + aspect


def test_the_ninth_number_is_the_aspect_of_the_lens():
    params, size = torch.tensor([[0.0] * 7 + [1.0, 1.02]], dtype=torch.float64), Size(width=64, height=48)
    x, y = (torch.tensor(each.copy())[None] for each in size.grid(5, 4))
    wanted = network.lens_of(params[0]).forward(x, y)
    assert network.lens_of(params[0]).aspect == 1.02
    for found, each in zip(network.warp(params, None, x, y, size.half), wanted, strict=True):
        assert torch.allclose(found, each, atol=1e-12)


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_resnets_take_torchvisions_weights(name, tmp_path):
    net = network.ResNet(6, name)
    assert [each.shape[1] for each in net(torch.rand(1, 6, 64, 64))] == net.channels
    plain = network.ResNet(3, name)
    save_file(plain.state_dict() | {"fc.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    made = network.backbone(
        network.ModelConfig(backbone_name=name, pretrained_backbone=str(tmp_path / "w.safetensors")), 6
    )
    colours = plain.state_dict()["conv1.weight"]
    assert torch.equal(made.state_dict()["conv1.weight"][:, :3], colours)
    assert torch.allclose(made.state_dict()["conv1.weight"][:, 4], colours.mean(1))
    (tmp_path / "w.pth").write_bytes(b"a pickle")
    with pytest.raises(UsageError, match="no safetensors file"):
        network.backbone(
            network.ModelConfig(backbone_name=name, pretrained_backbone=str(tmp_path / "w.pth")), 6
        )
    with pytest.raises(UsageError, match="weights do not fit"):
        made.adopt({"conv1.weight": colours})


def test_coordinates_are_isotropic_and_of_the_pixels_centres():
    grid = network.unit_grid(2, 4, torch.zeros(1))
    d = np.hypot(4, 2) / 2
    assert torch.allclose(grid[0, 0], torch.tensor([-1.5, -0.5, 0.5, 1.5]) / d)
    assert torch.allclose(grid[1, :, 0], torch.tensor([-0.5, 0.5]) / d)
    seen = network.CoordChannels()(torch.zeros(1, 3, 2, 4))
    assert seen.shape == (1, 6, 2, 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_predicted_maps_never_fold(seed):
    generator = torch.Generator().manual_seed(seed)
    low = torch.tensor([network.BOUNDS[name][0] for name in network.PARAMETERS])
    high = torch.tensor([network.BOUNDS[name][1] for name in network.PARAMETERS])
    params = network.unfold(low + (high - low) * torch.rand(4, 9, generator=generator))
    flow = network.contract(torch.randn(4, 2, 6, 8, generator=generator) * 0.02, 48, 64)
    size = Size(width=64, height=48)
    x, y = (torch.tensor(each.copy(), dtype=torch.float32)[None] for each in size.grid(129, 97))
    gx, gy = network.warp(params, flow, x, y, size.half)
    step = 63 / 128 / size.half_diagonal, 47 / 96 / size.half_diagonal
    assert losses.determinant(gx, gy, step).min() > 0


def test_a_flow_moves_pictures_alike_at_every_size():
    said = network.Prediction(
        torch.tensor([[0.0] * 7 + [1.0]]), torch.zeros(1, 8), torch.full((1, 2, 4, 4), 0.05), torch.zeros(1)
    )
    for width in (40, 160):
        size = Size(width=width, height=width)
        ramp = torch.linspace(0, 1, width)[None, None, None].expand(1, 3, width, width)
        moved, _ = training.correct(ramp, said)
        middle = moved[0, 0, width // 2, width // 2] - ramp[0, 0, width // 2, width // 2]
        assert float(middle) == pytest.approx(0.05 * size.half_diagonal / (width - 1), rel=1e-3)


# --- losses ---


@pytest.mark.parametrize("name", ["pixel", "ssim", "edge", "grad_orient", "line"])
def test_a_picture_loss_is_0_for_the_same_and_has_a_finite_gradient_everywhere(name):
    loss = losses._PICTURES[name]
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(2, 3, 24, 32, generator=generator)
    assert float(loss(picture, picture)) == pytest.approx(0, abs=1e-4)
    assert float(loss(picture.roll(3, 3), picture)) > 1e-3
    for shown in (picture, torch.zeros(1, 3, 24, 32), torch.full((1, 3, 24, 32), 0.5)):
        tried = (shown * 0.9).clone().requires_grad_()
        loss(tried, shown).backward()
        assert bool(tried.grad.isfinite().all())


def test_the_loss_is_the_sum_of_its_parts_by_their_weights():
    """By default of the known lens alone."""
    generator = torch.Generator().manual_seed(0)
    pred, target = torch.rand(2, 1, 3, 24, 32, generator=generator)
    terms = {"error": torch.tensor([0.3]), "doubt": torch.tensor([0.1]), "pred": pred, "target": target}
    total, parts = losses.composite(losses.LossConfig(), terms)
    assert {name for name in parts if not name.endswith("_weighted")} == {"epe", "doubt"}
    assert float(total) == pytest.approx(20 * 0.3 + 0.05 * float(parts["doubt"]), rel=1e-6)
    total, parts = losses.composite(
        losses.LossConfig(epe_weight=0, doubt_weight=0, pixel_weight=2, ssim_weight=0.5), terms
    )
    assert float(total) == pytest.approx(2 * float(parts["pixel"]) + 0.5 * float(parts["ssim"]), rel=1e-6)


def test_losses_of_flows_are_0_for_none_and_do_not_depend_on_folds_that_are_not_there():
    still = torch.zeros(1, 2, 6, 8)
    for loss in (losses.variation, losses.magnitude, losses.curvature):
        assert float(loss(still)) == pytest.approx(0, abs=1e-6)
        assert float(loss(torch.randn(1, 2, 6, 8, generator=torch.Generator().manual_seed(0)))) > 0.1
    x, y = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 5), indexing="xy")
    assert float(losses.squeeze(x[None], y[None], spacing=(0.5, 0.5))) == 0
    assert float(losses.squeeze(-x[None], y[None], spacing=(0.5, 0.5))) == pytest.approx(1.15)


@pytest.mark.parametrize(
    "matrix",
    [[[0.8, -0.6], [0.6, 0.8]], [[1.0, 0.5], [0.3, 1.0]], [[0.7, -0.2], [0.0, 1.1]]],
    ids=["rotated", "sheared", "squeezed"],
)
def test_the_determinant_of_a_linear_map_is_that_of_its_matrix(matrix):
    (a, b), (c, d) = matrix
    x, y = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-0.6, 0.6, 4), indexing="xy")
    gx, gy = (a * x + b * y)[None], (c * x + d * y)[None]
    found = losses.determinant(gx, gy, (0.5, 0.4))
    assert found.shape == (1, 3, 4)
    torch.testing.assert_close(found, torch.full_like(found, a * d - b * c))


def test_ssim_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    from lior_lens.scoring import ssim

    rng = np.random.default_rng(0)
    a = rng.random((40, 50)).astype(np.float32)
    b = np.clip(a + rng.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)
    assert ssim(a, b) == pytest.approx(metrics.structural_similarity(a, b, data_range=1.0), abs=1e-6)


# --- training ---


@pytest.mark.parametrize("stage", configuration.STAGES[:2])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, stage):
    config = tiny(stage, train__epochs=2)
    runs.run(config, tmp_path / "whole")
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="lior lens resume"):
        runs.run(config, tmp_path / "parts", stop=lambda: next(asked))
    runs.resume(tmp_path / "parts")
    one, two = (
        folder.newest(tmp_path / each, lambda p: bundle.read(p, format=runs.FORMAT))[0]
        for each in ("whole", "parts")
    )
    for group, tensors in one[1].items():
        for name, value in tensors.items():
            assert torch.equal(value, two[1][group][name]), (group, name)
    with pytest.raises(RunError, match="finished"):
        runs.resume(tmp_path / "parts")


def test_the_next_stage_begins_with_the_one_before_and_first_only_its_flow_learns(tmp_path):
    first = tiny()
    runs.run(first, tmp_path / "one")
    second = tiny("stage2_hybrid", train__freeze_lens_epochs=1)
    trainer = training.Trainer(second)
    trainer.begin_with(runs._weights(tmp_path / "one")[1])
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    trainer.step()
    moved = {
        name for name, value in trainer.network.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved
    assert all(name.startswith("residual_head.") for name in moved)
    with pytest.raises(RunError, match="networks differ"):
        training.Trainer(tiny(model__width=0.5)).begin_with(trainer.network.state_dict())


def test_a_loss_that_is_not_finite_stops():
    class Broken:
        def train(self, step):
            return Batch(images=torch.full((2, 3, 64, 64), float("nan")), truth=torch.zeros(2, 2, 17, 17))

        def validation(self):
            return iter(())

    with pytest.raises(RunError, match="not finite at step 1: epe"):
        training.Trainer(tiny(), Broken()).step()


def test_saturation_and_a_flow_at_its_limit_are_said_by_name():
    trainer = training.Trainer(tiny("stage2_hybrid", train__freeze_lens_epochs=0))
    with torch.no_grad():
        trainer.network.param_head.last.bias[0] = 9.0
        trainer.network.residual_head.last.bias += 9.0
    trainer.step()
    assert any("k1 100 %" in each for each in trainer.warnings)
    assert any("the flow is 0.02" in each for each in trainer.warnings)


def test_a_missing_device_falls_back_to_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training.Trainer(tiny(train__device="cuda")).device.type == "cpu"


def test_a_few_pictures_are_learned_by_heart_but_not_with_wrong_truths():
    config = tiny(
        train__epochs=60,
        optimizer__lr=4e-3,
        scheduler__name="none",
        model__dropout_p=0,
        model__width=0.5,
        model__pool=4,
        model__param_hidden_dim=64,
        data__batch_size=6,
    )
    drawn = training.Drawn.of(config)
    kept = drawn.train(0)

    class Same:
        def __init__(self, shuffled):
            self.shuffled, self.count = shuffled, 0

        def train(self, step):
            truth = kept.truth.roll(step % 6, 0) if self.shuffled else kept.truth
            return Batch(images=kept.images, truth=truth)

        def validation(self):
            yield Batch(images=kept.images, truth=kept.truth)

    def learned(shuffled):
        trainer = training.Trainer(config, Same(shuffled))
        for _ in range(40):
            numbers = trainer.step()
        return numbers["epe"] / numbers["identity_epe"]

    assert learned(False) < 0.5
    assert learned(True) > 0.6


def test_keys_that_are_no_more_are_passed_over_in_runs(tmp_path):
    found = runs.run(tiny(train__steps_per_epoch=1), tmp_path / "run")
    config = found.path / "config.toml"
    config.write_text(config.read_text().replace("[train]", "[train]\namp_enabled = false"))
    assert runs.read_config(found.path) == tiny(train__steps_per_epoch=1)
    config.write_text(config.read_text().replace('"cpu"', '"tpu"'))
    with pytest.raises(ConfigError, match=r"file .*config\.toml"):
        runs.read_config(found.path)


def test_a_loader_and_a_scorer_of_ones_own(tmp_path, monkeypatch):
    module = types.ModuleType("of_mine")
    batches = [
        {"input_image": torch.rand(2, 3, 64, 64), "target_image": torch.rand(2, 3, 64, 64)} for _ in range(3)
    ]
    module.build_train_val_loaders = lambda stage: (batches, None)
    module.scored = lambda pred, target, **_: {"score": float((pred - target).abs().mean())}
    monkeypatch.setitem(sys.modules, "of_mine", module)
    config = tiny(
        data__loader_module="of_mine",
        loss__epe_weight=0,
        loss__pixel_weight=1,
        proxy__module="of_mine",
        proxy__function="scored",
        train__best_metric_name="score",
    )
    found = runs.run(config, tmp_path / "run")
    assert "val_score" in found.validation
    monkeypatch.delitem(sys.modules, "of_mine")
    with pytest.raises(UsageError, match=r"^data\.loader_module: cannot import 'of_mine'.*PYTHONPATH"):
        runs.resume(found.path)
    monkeypatch.setitem(sys.modules, "of_mine", module)
    missing = attrs.evolve(config, data=attrs.evolve(config.data, loader_fn="other"))
    with pytest.raises(UsageError, match="of_mine has no 'other'"):
        training.Trainer(missing)
    module.build_train_val_loaders = lambda stage: ([{"input_image": torch.rand(2, 3, 64, 64)}], None)
    with pytest.raises(RunError, match="must have input_image and target_image"):
        training.Trainer(config).step()


def test_a_scorer_that_is_missing_or_fails_does_not_stop_training(tmp_path):
    for function in ("not_there", "score"):
        config = tiny(
            proxy__module="lior_lens.scoring",
            proxy__function=function,
            train__steps_per_epoch=1,
            train__epochs=1,
        )
        runs.run(config, tmp_path / function)


def test_mixed_precision_is_refused():
    for option in (["--amp"], ["--set", "train.amp_enabled=true"]):
        done = lens_command("train", *option)
        assert done.returncode == 2
        assert "amp" in done.stderr


def test_the_step_size_ends_at_its_least():
    config = tiny(scheduler__name="cosine")
    assert training.learning_rate(config, 0) == pytest.approx(config.optimizer.lr)
    assert training.learning_rate(config, config.steps - 1) == pytest.approx(1e-6)
    cycle = tiny()
    rates = [training.learning_rate(cycle, step) for step in range(cycle.steps)]
    assert max(rates) <= cycle.optimizer.lr
    assert rates[-1] < rates[0]


# --- commands ---


def test_training_by_command_packages_and_describes(tmp_path):
    sets = [word for each in TINY.split() for word in ("--set", each)]
    done = lens_command("train", *sets, "--out", tmp_path / "run", "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["best_step"] in (2, 4)
    assert lens_command("package", tmp_path / "run", tmp_path / "small").returncode == 0
    said = json.loads(lens_command("info", tmp_path / "small", "--json").stdout)
    assert said["stage"] == "stage1_param_only"
    model = runs.LensModel.open(tmp_path / "small")
    params = model.predict(torch.rand(1, 3, 64, 64)).params
    assert isinstance(network.lens_of(params[0]), Lens)
    second = lens_command(
        "train", *sets, "--set", "train.stage=stage2_hybrid", "--out", tmp_path / "two", cwd=tmp_path
    )
    assert second.returncode == 2
    assert "--init-from none" in second.stderr
    assert lens_command("resume", tmp_path / "run").returncode == 1
    assert lens_command("train", *sets, "--out", tmp_path / "run").returncode == 1


# --- pairs ---


def pair_table(folder, shoots, *, each=2, size=(96, 64)):
    """Pairs of noise, ``each`` of a shoot, as the original's files are named."""
    rng = np.random.default_rng(0)
    for shoot in range(shoots):
        for number in range(each):
            for kind in ("original", "generated"):
                pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"room{shoot}_g{number}_{kind}.png")
    done = lens_command("split", folder, folder / "pairs.csv", "--share", 0.3)
    assert done.returncode == 0, done.stderr
    return folder / "pairs.csv"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.integers(0, 9), st.floats(0.01, 0.9))
def test_a_shoot_is_never_on_both_sides(groups, seed, share):
    made = [
        pairs.Pair(name=str(i), input=Path(), target=None, group=str(group)) for i, group in enumerate(groups)
    ]
    if len(set(groups)) == 1:
        with pytest.raises(DataError, match="1 shoot cannot be split"):
            pairs.split(made, share=share, seed=seed)
        return
    found = pairs.split(made, share=share, seed=seed)
    assert len({(pair.group, pair.split) for pair in found}) == len(set(groups))
    assert {pair.split for pair in found} == {"train", "val"}
    assert pairs.split(found[::-1], share=0.5, seed=seed + 1) == found[::-1]


def test_the_name_tells_the_shoot():
    uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert pairs.group_of(f"{uuid}_3_g12") == pairs.group_of(f"{uuid.upper()}_7") == uuid
    assert pairs.group_of("room_g1") == pairs.group_of("room_g22") == "room"
    assert pairs.group_of("room_big") == "room_big"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,input_path\n", "no column 'image_id'"),
        ("image_id,input_path\n", "no pair"),
        ("image_id,input_path\na,none.png\n", "line 2: .*none.png: no such file"),
        ("image_id,input_path\na,x.csv\na,x.csv\n", "line 3: 'a' is there twice"),
        ("image_id,input_path,split\na,x.csv,test\n", "allowed are train and val"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path, text, said):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        pairs.read(tmp_path / "x.csv")


def test_two_pairs_of_one_name_are_refused(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        pair_table(tmp_path / place, 2, each=1)
    with pytest.raises(DataError, match=r"room0_g0: .* have one name"):
        pairs.collect(tmp_path)


def test_pairs_train_resume_validate_only_and_are_scored_whole(tmp_path):
    table = pair_table(tmp_path, 4)
    config = tiny(
        "stage2_hybrid",
        "pairs",
        data__pairs=table,
        proxy__fullres_images=1,
        data__batch_size=2,
        train__max_val_steps=1,
        train__epochs=2,
    )
    batches = pairs.Paired.of(config)
    one, other = batches.train(7), batches.train(7)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.targets, other.targets)
    assert not torch.equal(one.images, batches.train(8).images)
    whole, target = next(batches.whole(1))
    assert whole.shape == target.shape == (64, 96, 3)
    runs.run(config, tmp_path / "whole")
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        runs.run(config, tmp_path / "run", stop=lambda: next(asked))
    best = runs.resume(tmp_path / "run").best
    lines = [json.loads(each) for each in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["val_warp_safety_safe"] == 1
    assert lines[0]["det_min"] <= lines[0]["det_p01"] <= lines[0]["det_mean"]
    assert lines[0]["param_delta_residual_head"] > 0 == lines[0]["param_delta_backbone"]  # frozen at first
    assert lines[-1]["param_delta_backbone"] > 0
    assert "residual_to_param_disp_ratio" in lines[0]
    assert "timing_forward_ms" in lines[0]
    before = sorted(tmp_path.rglob("*"))
    done = lens_command("train", "--validate-only", "--init-from", tmp_path / "run", "--json")
    assert json.loads(done.stdout)["validation"]["val_fullres_score"] == pytest.approx(best, abs=1e-6)
    assert sorted(tmp_path.rglob("*")) == before
    assert runs.LensModel.open(tmp_path / "whole").config == config
    assert lens_command("train", "--validate-only").returncode == 2


def test_colours_have_imagenets_statistics_where_the_weights_are_pretrained(tmp_path):
    save_file(network.ResNet(3, "resnet34").state_dict(), tmp_path / "w.safetensors")
    made = attrs.evolve(tiny("resnet34").model, pretrained_backbone=str(tmp_path / "w.safetensors"))
    net = network.LensNetwork(made).eval()
    (tmp_path / "w.safetensors").unlink()
    seen = []
    net.backbone.conv1.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    mean = torch.tensor(network.IMAGENET[0])[:, None, None]
    net((mean + torch.tensor(network.IMAGENET[1])[:, None, None]).expand(3, 64, 64)[None])
    assert torch.allclose(seen[0][0, :3], torch.ones(3, 64, 64), atol=1e-5)
    again = network.LensNetwork(made, fresh=False)  # its file is no longer needed
    again.load_state_dict(net.state_dict())


def test_a_submission_is_checked_before_it_is_zipped(tmp_path):
    table = pair_table(tmp_path, 2, each=1)
    out = tmp_path / "out"
    out.mkdir()
    for pair in pairs.read(table):
        Image.open(pair.target).save(out / f"{pair.name}.png")
    assert lens_command("package", out, tmp_path / "a.zip", "--pairs", table).returncode == 0
    assert lens_command("score", out, table).returncode == 0
    Image.new("RGB", (96, 60)).save(out / "room0_g0.png")
    (out / "room1_g0.png").rename(out / "other.png")
    done = lens_command(
        "package", out, tmp_path / "b.zip", "--pairs", table, "--report", tmp_path / "qa.json"
    )
    assert done.returncode == 2
    assert not (tmp_path / "b.zip").exists()
    assert json.loads((tmp_path / "qa.json").read_text())["faults"] == {
        "room0_g0": "96x60 pixels, its input has 96x64",
        "room1_g0": "no picture",
        "other": "not in the table",
    }
    assert lens_command("score", out, table).returncode == 2
    assert lens_command("package", out, tmp_path / "b.zip", "--pairs", table, "--force").returncode == 0
