"""The network: coordinates beside colours, a backbone, bounded parameters, and a flow that cannot fold.

Sizes are free: parameters and flow are in half-diagonals, so a prediction for a small picture holds for the
large one. The heads begin at the identity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from lior.config import option
from lior.errors import MissingPackage, UsageError, install_hint
from lior_lens.geometry import MARGIN, PARAMETERS, Lens, Size, distort
from lior_lens.losses import sobel
from lior_lens.warp import LIPSCHITZ

BOUNDS = {
    "k1": (-0.6, 0.6),
    "k2": (-0.3, 0.3),
    "k3": (-0.15, 0.15),
    "p1": (-0.03, 0.03),
    "p2": (-0.03, 0.03),
    "dcx": (-0.08, 0.08),
    "dcy": (-0.08, 0.08),
    "scale": (0.9, 1.2),
    "aspect": (0.97, 1.03),
}
"""Default range of each parameter, used by the head and by the saturation monitor."""
_CHANNELS = 3 + 4 + 3
"""Input channels of the backbone: colours, directions of gradients, coordinates."""
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and spread of the colours that pretrained weights have learned from."""
_NEUTRAL = {"scale": 1.0, "aspect": 1.0}


@attrs.frozen(kw_only=True)
class BoundsConfig:
    """The range of each parameter, ``[low, high]``."""

    k1: tuple[float, ...] = option(BOUNDS["k1"], help="radial, second power, at the half-diagonal")
    k2: tuple[float, ...] = option(BOUNDS["k2"], help="radial, fourth power")
    k3: tuple[float, ...] = option(BOUNDS["k3"], help="radial, sixth power")
    p1: tuple[float, ...] = option(BOUNDS["p1"], help="tangential, along y")
    p2: tuple[float, ...] = option(BOUNDS["p2"], help="tangential, along x")
    dcx: tuple[float, ...] = option(BOUNDS["dcx"], help="centre, along x")
    dcy: tuple[float, ...] = option(BOUNDS["dcy"], help="centre, along y")
    scale: tuple[float, ...] = option(BOUNDS["scale"], help="above 1 enlarges")
    aspect: tuple[float, ...] = option(BOUNDS["aspect"], help="of y to x")

    def __attrs_post_init__(self) -> None:
        for name in PARAMETERS:
            pair, neutral = getattr(self, name), _NEUTRAL.get(name, 0.0)
            if len(pair) != 2 or not pair[0] < pair[1]:
                raise UsageError(f"{name} = {list(pair)}: a range is [low, high] with low < high")
            if not pair[0] < neutral < pair[1]:
                raise UsageError(
                    f"{name} = {list(pair)}: the range must have {neutral:g}, the identity, in it"
                )


@attrs.frozen(kw_only=True)
class ModelConfig:
    """The network."""

    backbone_name: str = option(
        "tiny", help="what sees the picture", choices=("tiny", "resnet34", "resnet50")
    )
    width: float = option(0.5, help="tiny: share of the channels 32, 64, 128, 192, 256", low=0.1, high=4)
    pretrained_backbone: str = option(
        "",
        help="file of a ResNet's weights in torchvision's names, or torchvision to fetch them; empty: none",
    )
    include_aspect: bool = option(False, help="predict the aspect as well")
    pool: int = option(4, help="the parameters' head sees the picture in pool x pool parts", low=1, high=16)
    param_hidden_dim: int = option(128, help="width of the parameters' head", low=1, high=4096)
    dropout_p: float = option(0.1, help="share of it that is dropped in training", low=0, high=0.9)
    residual_hidden_dim: int = option(
        32, help="channels of the flow's head; a multiple of 8", low=8, high=1024
    )
    residual_max_disp: float = option(
        0.02, help="longest flow on each axis, in half-diagonals", low=1e-6, high=0.5
    )
    bounded_slope: bool = option(True, help="lenses and flows that cannot fold, by construction")
    param_bounds: BoundsConfig = attrs.field(factory=BoundsConfig)

    def __attrs_post_init__(self) -> None:
        if self.residual_hidden_dim % 8:
            raise UsageError(f"residual_hidden_dim = {self.residual_hidden_dim}: it must be a multiple of 8")
        if self.pretrained_backbone and self.backbone_name == "tiny":
            raise UsageError("pretrained_backbone is for resnet34 and resnet50; there are no weights of tiny")

    @property
    def names(self) -> tuple[str, ...]:
        """The predicted parameters in their order."""
        return PARAMETERS if self.include_aspect else PARAMETERS[:-1]


class Prediction(NamedTuple):
    """The network's prediction for a batch."""

    params: Tensor
    """``[batch, 8 or 9]``, in :data:`lior_lens.geometry.PARAMETERS`' order, within bounds."""
    raw: Tensor
    """The same before the bounds."""
    flow: Tensor | None
    """``[batch, 2, rows, columns]`` in half-diagonals, nodes from edge to edge; ``None`` without residual."""
    doubt: Tensor
    """``[batch]``: logarithm of the expected endpoint error in half-diagonals."""


# --- coordinates ---


def unit_grid(height: int, width: int, like: Tensor) -> Tensor:
    """``[2, height, width]``: isotropic coordinates of pixels' centres."""
    size = Size(width=width, height=height)
    x, y = size.to_unit(torch.arange(width, dtype=like.dtype), torch.arange(height, dtype=like.dtype))
    return torch.stack([x[None].expand(height, width), y[:, None].expand(height, width)]).to(like.device)


class CoordChannels(nn.Module):
    """Appends x, y and r of each pixel, in half-diagonals: ``[B, C, H, W]`` to ``[B, C + 3, H, W]``."""

    def forward(self, image: Tensor) -> Tensor:
        """Append them."""
        grid = unit_grid(image.shape[-2], image.shape[-1], image)
        r = (grid * grid).sum(0, keepdim=True).sqrt()
        return torch.cat([image, torch.cat([grid, r]).expand(len(image), -1, -1, -1)], 1)


class DirectionChannels(nn.Module):
    """Appends the directions of gradients, ``m (cos 2t, sin 2t, cos 4t, sin 4t)``: ``[B, C, H, W]`` to ``[B,
    C + 4, H, W]``.

    They can be averaged, which angles cannot. Walls and horizons have two directions; a lens turns them by an
    angle that grows with ``x y``, which a mean over a corner of the picture shows. ``m`` is the gradient's
    size, bounded.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Append them; the first three channels are the picture."""
        gx, gy = sobel(image[:, :3].mean(1, keepdim=True))
        square = gx * gx + gy * gy
        c, s = (gx * gx - gy * gy) / (square + 1e-8), 2 * gx * gy / (square + 1e-8)
        m = (square.sqrt() / 0.05).clamp(max=1)
        return torch.cat([image, m * c, m * s, m * (c * c - s * s), m * 2 * c * s], 1)


# --- backbones ---


class _Unit(nn.Sequential):
    """Convolution, batch norm and ReLU."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
        )


class Tiny(nn.Module):
    """Five levels at strides 2 to 32; level 1 on are a unit with stride 2 and a unit."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        self.channels = [max(8, round(each * width / 8) * 8) for each in (32, 64, 128, 192, 256)]
        self.stem = _Unit(channels, self.channels[0], 2)
        for level in range(1, 5):
            before, after = self.channels[level - 1], self.channels[level]
            self.add_module(f"layer{level}", nn.Sequential(_Unit(before, after, 2), _Unit(after, after)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of the five levels."""
        found = [self.stem(image)]
        for level in range(1, 5):
            found.append(self.get_submodule(f"layer{level}")(found[-1]))
        return found


class _Block(nn.Module):
    """A residual block of a ResNet (He et al. 2016), with the names of torchvision."""

    def __init__(self, before: int, width: int, stride: int, *, deep: bool) -> None:
        super().__init__()
        after = width * (4 if deep else 1)
        sizes = [(before, width, 1), (width, width, 3), (width, after, 1)]
        if not deep:
            sizes = [(before, width, 3), (width, width, 3)]
        self.count = len(sizes)
        strided = 1 if deep else 0  # torchvision's 3x3 convolution has the stride
        for i, (a, b, kernel) in enumerate(sizes):
            conv = nn.Conv2d(a, b, kernel, stride if i == strided else 1, kernel // 2, bias=False)
            self.add_module(f"conv{i + 1}", conv)
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(b))
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        out = x
        for i in range(1, self.count + 1):
            out = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(out))
            out = functional.relu(out) if i < self.count else out
        return functional.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """ResNet-34 or -50 with torchvision's names of weights; the stem is taken before its pooling."""

    def __init__(self, channels: int, name: str) -> None:
        super().__init__()
        deep = name == "resnet50"
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before, self.channels = 64, [64]
        for level, (width, count) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True), 1):
            blocks = []
            for i in range(count):
                blocks.append(_Block(before, width, 2 if i == 0 and level > 1 else 1, deep=deep))
                before = width * (4 if deep else 1)
            self.add_module(f"layer{level}", nn.Sequential(*blocks))
            self.channels.append(before)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features at strides 2, 4, 8, 16 and 32."""
        found = [functional.relu(self.bn1(self.conv1(image)))]
        x = functional.max_pool2d(found[0], 3, 2, 1)
        for level in range(1, 5):
            x = self.get_submodule(f"layer{level}")(x)
            found.append(x)
        return found

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Take over torchvision's weights; channels beyond red, green and blue get the mean of the three.

        Raises ``UsageError`` when they are of another network.
        """
        own = self.state_dict()
        given = {name: value for name, value in weights.items() if not name.startswith("fc.")}
        colours = given.get("conv1.weight")
        if colours is not None and colours.shape[1] == 3 < own["conv1.weight"].shape[1]:
            more = own["conv1.weight"].shape[1] - 3
            mean = colours.mean(1, keepdim=True)
            given["conv1.weight"] = torch.cat([colours, mean.expand(-1, more, -1, -1)], 1)
        wrong = [name for name in own if name not in given or given[name].shape != own[name].shape]
        if wrong:
            raise UsageError(f"pretrained_backbone: {len(wrong)} weights do not fit, such as {wrong[0]}")
        self.load_state_dict({name: given[name] for name in own})


def backbone(config: ModelConfig, channels: int) -> Tiny | ResNet:
    """The backbone that the configuration names, with weights if it asks for them."""
    if config.backbone_name == "tiny":
        return Tiny(channels, config.width)
    made = ResNet(channels, config.backbone_name)
    if config.pretrained_backbone:
        made.adopt(_weights(config.pretrained_backbone, config.backbone_name))
    return made


def _weights(source: str, name: str) -> Mapping[str, Tensor]:
    if source == "torchvision":
        try:
            from torchvision import models
        except ImportError as error:
            hint = f"{install_hint('torchvision')}, or name a file"
            raise MissingPackage(f"pretrained_backbone: torchvision is not installed: {hint}") from error
        found: Mapping[str, Tensor] = getattr(models, name)(weights="DEFAULT").state_dict()
        return found
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"pretrained_backbone: {path}: no such file")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UsageError(
            f"pretrained_backbone: {path}: no safetensors file ({error}); "
            "other forms can run code and are not read"
        ) from None


# --- heads ---


class _Dropout(nn.Module):
    """Dropout drawn by the generator of the CPU, so that a seed means the same on every device."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with a share of it set to 0 in training."""
        if not self.training or not self.share:
            return x
        return x * (torch.rand(x.shape) >= self.share).to(x) / (1 - self.share)


class ParametricHead(nn.Module):
    """Features to bounded parameters, the identity at first, and to the doubt of them."""

    low: Tensor
    high: Tensor

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.param_hidden_dim
        bounds = torch.tensor(
            [getattr(config.param_bounds, name) for name in config.names], dtype=torch.float32
        )
        self.register_buffer("low", bounds[:, 0].clone(), persistent=False)
        self.register_buffer("high", bounds[:, 1].clone(), persistent=False)
        self.pool = nn.AdaptiveAvgPool2d(config.pool)
        self.layers = nn.Sequential(
            nn.Linear(channels * config.pool**2, hidden),
            nn.ReLU(),
            _Dropout(config.dropout_p),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            _Dropout(config.dropout_p),
        )
        self.last = nn.Linear(hidden, len(bounds) + 1)
        neutral = torch.tensor([_NEUTRAL.get(name, 0.0) for name in config.names])
        inside = ((neutral - (self.low + self.high) / 2) / ((self.high - self.low) / 2)).clamp(
            -0.999999, 0.999999
        )
        with torch.no_grad():
            self.last.weight.zero_()
            self.last.bias[:-1] = torch.atanh(inside)
            self.last.bias[-1] = math.log(0.03)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Parameters ``[B, N]``, the same before the bounds, doubt ``[B]``."""
        out = self.last(self.layers(self.pool(features).flatten(1))).float()
        raw = out[:, :-1]
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return middle + half * torch.tanh(raw), raw, out[:, -1].clamp(-8, 2)


class _Refine(nn.Sequential):
    def __init__(self, channels: int) -> None:
        parts: list[nn.Module] = []
        for _ in range(2):
            parts += [
                nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
                nn.GroupNorm(8, channels),
                nn.SiLU(),
            ]
        super().__init__(*parts)


class ResidualHead(nn.Module):
    """A pyramid over levels 2 to 4 to a small flow, zero at first."""

    def __init__(self, channels: list[int], config: ModelConfig) -> None:
        super().__init__()
        hidden = config.residual_hidden_dim
        self.longest = config.residual_max_disp
        self.laterals = nn.ModuleList(nn.Conv2d(each, hidden, 1, bias=False) for each in channels[2:5])
        self.refine3, self.refine2, self.out = _Refine(hidden), _Refine(hidden), _Refine(hidden)
        self.last = nn.Conv2d(hidden, 2, 3, 1, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, features: list[Tensor]) -> Tensor:
        """``[B, 2, H/8, W/8]`` in half-diagonals."""
        p2, p3, p4 = (lateral(each) for lateral, each in zip(self.laterals, features[2:5], strict=True))
        p3 = self.refine3(p3 + _up(p4, p3))
        p2 = self.refine2(p2 + _up(p3, p2))
        return torch.tanh(self.last(self.out(p2)).float()) * self.longest


def _up(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)


class LensNetwork(nn.Module):
    """Picture to lens, flow and doubt."""

    def __init__(self, config: ModelConfig, *, fresh: bool = True) -> None:
        """``fresh``: fetch ``pretrained_backbone``; weights that are loaded afterwards need it not."""
        super().__init__()
        self.config = config
        self.coords = CoordChannels()
        self.directions = DirectionChannels()
        self.backbone = backbone(config if fresh else attrs.evolve(config, pretrained_backbone=""), _CHANNELS)
        self.param_head = ParametricHead(self.backbone.channels[-1], config)
        self.residual_head = ResidualHead(self.backbone.channels, config)

    def forward(self, image: Tensor, *, residual: bool = True) -> Prediction:
        """``image`` is ``[B, 3, H, W]`` in [0, 1], sides of at least 32 pixels."""
        seen = self.directions(image * 2 - 1)
        if self.config.pretrained_backbone:
            mean, spread = (image.new_tensor(each)[:, None, None] for each in IMAGENET)
            seen = torch.cat([(image - mean) / spread, seen[:, 3:]], 1)
        features = self.backbone(self.coords(seen))
        params, raw, doubt = self.param_head(features[-1])
        flow = self.residual_head(features) if residual else None
        if self.config.bounded_slope:
            params = unfold(params)
            if flow is not None:
                flow = contract(flow, *image.shape[-2:])
        return Prediction(params, raw, flow, doubt)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Its parts, for diagnostics."""
        return {
            "backbone": list(self.backbone.parameters()),
            "param_head": list(self.param_head.parameters()),
            "residual_head": list(self.residual_head.parameters()),
        }


# --- geometry on tensors ---


def unfold(params: Tensor, *, margin: float = MARGIN, knots: int = 65) -> Tensor:
    """Parameters ``[B, N]`` of monotone lenses: :meth:`lior_lens.geometry.Lens.monotone`, differentiable.

    The least slope is sought at ``knots`` radii: between them it is lower by at most 0.003 within the default
    bounds.
    """
    k, p, centre, scale = params[:, :3], params[:, 3:5], params[:, 5:7], params[:, 7]
    aspect = params[:, 8] if params.shape[1] > 8 else torch.ones_like(scale)
    edge = (1.02 + centre.norm(dim=1)) / (scale * aspect.clamp(max=1))
    r = torch.linspace(0, 1, knots, dtype=params.dtype, device=params.device) * edge[:, None]
    powers = torch.stack([3 * r**2, 5 * r**4, 7 * r**6], -1)
    radial = 1 + (powers * k[:, None]).sum(-1)
    least = radial.cummin(1).values - 6 * p.norm(dim=1)[:, None] * r
    lowest = least.min(1).values
    share = torch.where(lowest < margin, (1 - margin) / (1 - lowest).clamp(min=1e-3), 1.0)[:, None]
    return torch.cat([k * share, p * share, params[:, 5:]], 1)


def contract(flow: Tensor, height: int, width: int, *, limit: float = LIPSCHITZ) -> Tensor:
    """A flow whose slope is at most ``limit``: :meth:`lior_lens.warp.Flow.bounded`, differentiable."""
    half = Size(width=width, height=height).half
    rows, columns = flow.shape[-2:]
    along = _steepest(flow.diff(dim=3)) * (columns - 1) / (2 * half[0])
    down = _steepest(flow.diff(dim=2)) * (rows - 1) / (2 * half[1])
    steepest = (along * along + down * down + 1e-20).sqrt()
    return flow * (limit / steepest).clamp(max=1)[:, None, None, None]


def _steepest(differences: Tensor) -> Tensor:
    return (differences.square().sum(1).flatten(1).amax(1) + 1e-20).sqrt()


def warp(
    params: Tensor, flow: Tensor | None, x: Tensor, y: Tensor, half: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """``G`` at points ``[B or 1, rows, columns]`` for each lens of a batch, in pictures of that half size."""
    if flow is not None:
        at = torch.stack([x / half[0], y / half[1]], -1).expand(len(params), -1, -1, -1)
        d = functional.grid_sample(flow, at, mode="bilinear", padding_mode="border", align_corners=True)
        x, y = x + d[:, 0], y + d[:, 1]
    k1, k2, k3, p1, p2, cx, cy, scale, *rest = (each[:, None, None] for each in params.unbind(1))
    aspect = rest[0] if rest else 1.0
    u, v = (x - cx) / scale, (y - cy) / (scale * aspect)
    gu, gv = distort(u, v, (1.0, 0.0, k1, 0.0, k2, 0.0, k3), p1, p2)
    return gu + cx, gv + cy


def lens_of(params: Tensor) -> Lens:
    """One row ``[N]`` of parameters as a lens."""
    values: dict[str, Any] = dict(zip(PARAMETERS, params.detach().double().tolist(), strict=False))
    return Lens.of(values)
