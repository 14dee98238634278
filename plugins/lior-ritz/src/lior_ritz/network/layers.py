"""The network whose last hidden layer is the trial functions, with derivatives carried forward.

Values and their derivatives by the coordinates go through the layers together (forward mode; A. Griewank and
A. Walther, *Evaluating Derivatives*, 2008, §3.2), stacked so that a layer is one matrix product. Backward
mode is then needed only once, for the parameters.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import attrs
import torch
from torch import Generator, Tensor

from lior_ritz.network.chain import Chain

Params: TypeAlias = "dict[str, Tensor]"


@attrs.frozen(kw_only=True)
class Shape:
    """The layers of a network."""

    inputs: int
    """Coordinates."""
    width: int
    depth: int
    """Layers from width to width behind the first."""
    first_omega: float
    hidden_omega: float
    activation: str
    """``tanh`` or ``sine``."""


def initialise(shape: Shape, generator: Generator, *, dtype: torch.dtype = torch.float64) -> Params:
    """Random weights.

    ``sine`` layers are ``sin(ω(Wx + b))`` with the bounds of V. Sitzmann et al., *Implicit Neural
    Representations with Periodic Activation Functions*, NeurIPS 2020, §3.2. In ``tanh`` layers ``ω`` is in
    the first weights, ``±ω`` uniform, with kinks spread over ``|ω x| <= 2``.

    Returns ``layer<i>.weight`` ``[width, inputs or width]`` and ``layer<i>.bias`` ``[width]``.
    """

    params: Params = {}
    sine = shape.activation == "sine"
    for layer in range(shape.depth + 1):
        inputs = shape.inputs if layer == 0 else shape.width
        if layer == 0:
            bound = 1 / inputs if sine else shape.first_omega
            offset = bound if sine else 2.0
        else:
            bound = math.sqrt(6 / inputs) / (shape.hidden_omega if sine else 1.0)
            offset = bound if sine else 1 / math.sqrt(inputs)
        params[f"layer{layer}.weight"] = _uniform((shape.width, inputs), bound, generator, dtype)
        params[f"layer{layer}.bias"] = _uniform((shape.width,), offset, generator, dtype)
    return params


def initialise_head(shape: Shape, outputs: int, generator: Generator, *, dtype: torch.dtype) -> Tensor:
    """Weights of a linear layer on top, ``[outputs, width + 1]``, the column of the constant zero."""
    omega = shape.hidden_omega if shape.activation == "sine" else 1.0
    weight = _uniform((outputs, shape.width), math.sqrt(6 / shape.width) / omega, generator, dtype)
    return torch.cat([weight, torch.zeros(outputs, 1, dtype=dtype)], dim=1)


def _uniform(size: tuple[int, ...], bound: float, generator: Generator, dtype: torch.dtype) -> Tensor:
    # Drawn in double whatever the dtype, so that both begin alike.
    drawn = torch.rand(size, generator=generator, dtype=torch.float64, device=generator.device)
    return ((2 * drawn - 1) * bound).to(dtype)


def forward(params: Params, shape: Shape, points: Tensor, *, order: int = 1) -> Tensor:
    """The last hidden layer and its derivatives.

    Returns ``[1 + order·inputs, N, width]``: values, the slopes, the second derivatives.

    ``points``: ``[N, inputs]``. ``order``: 1: values and slopes; 2: second derivatives by each coordinate as
    well.
    """
    layers = _scale_layers(params, shape)
    if order == 1:
        keep = torch.is_grad_enabled() and any(layer.requires_grad for layer in layers)
        jet: Tensor = Chain.apply(points, shape.activation == "sine", keep, *layers)
        return jet
    return forward_plain(layers, shape, points, order=order)


def with_constant(jet: Tensor) -> Tensor:
    """Functions and, behind them, the constant 1: ``[…, F + 1]``."""
    constant = torch.zeros_like(jet[:, :, :1])
    constant[0] = 1
    return torch.cat([jet, constant], dim=2)


def head(jet: Tensor, weight: Tensor) -> Tensor:
    """The outputs of a linear layer whose last column of weights is its bias, ``[outputs, F + 1]``."""
    found = jet @ weight[:, :-1].T
    return torch.cat([found[:1] + weight[:, -1], found[1:]])


def _scale_layers(params: Params, shape: Shape) -> list[Tensor]:
    """Weights and biases in turn, with the frequencies of sine layers in them."""
    layers: list[Tensor] = []
    for layer in range(shape.depth + 1):
        omega = 1.0
        if shape.activation == "sine":
            omega = shape.first_omega if layer == 0 else shape.hidden_omega
        weight, bias = params[f"layer{layer}.weight"], params[f"layer{layer}.bias"]
        layers += [weight, bias] if omega == 1 else [omega * weight, omega * bias]
    return layers


def forward_plain(layers: list[Tensor], shape: Shape, points: Tensor, *, order: int) -> Tensor:
    """As :func:`forward`, from weights and biases in turn; differentiated by autograd."""
    linear = points @ layers[0].T + layers[1]
    slopes = layers[0].T[:, None, :].expand(shape.inputs, *linear.shape)
    jet = torch.cat([linear[None], slopes, torch.zeros_like(slopes)] if order > 1 else [linear[None], slopes])
    jet = _activate(jet, shape)
    for weight, bias in zip(layers[2::2], layers[3::2], strict=True):
        jet = jet @ weight.T
        jet = _activate(torch.cat([jet[:1] + bias, jet[1:]]), shape)
    return jet


def _activate(jet: Tensor, shape: Shape) -> Tensor:
    """The activation of values, slopes and second derivatives, by the chain rule."""
    if shape.activation == "sine":
        value = torch.sin(jet[0])
        first, second = torch.cos(jet[0]), -value
    else:
        value = torch.tanh(jet[0])
        first = 1 - value * value
        second = -2 * value * first
    slopes = jet[1 : 1 + shape.inputs]
    parts = [value[None], first * slopes]
    if len(jet) > 1 + shape.inputs:
        parts.append(first * jet[1 + shape.inputs :] + second * slopes * slopes)
    return torch.cat(parts)
