"""A simulated GPU: tensors that claim to be on CUDA and refuse the operations that CUDA refuses.

On a CPU ``tensor.cpu()`` is the tensor itself. Code that omits it works there and fails on the first GPU.
Under :func:`second_device` a tensor made for ``cuda`` is a :class:`Far`. It has no ``numpy()``, it mixes with
CPU tensors only if these have no dimensions, and a generator fills only tensors of its own device.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_map

CUDA = torch.device("cuda:0")
_MOVES = (Tensor.to, Tensor.type_as, Tensor.cpu, Tensor.copy_)
"""Functions that take tensors of any device."""


class Far(Tensor):
    """A tensor on the second device."""

    inner: Tensor
    """The tensor with its numbers, on the CPU."""

    @staticmethod
    def __new__(cls, inner: Tensor) -> Far:
        far = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=CUDA
        )
        far.inner = inner
        return far

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} was called outside of second_device()")


class Generator(torch.Generator):
    """A generator of either device."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        made = super().__new__(cls)
        made.far = torch.device(device).type == "cuda"
        return made

    @property
    def device(self) -> torch.device:
        return CUDA if self.far else torch.device("cpu")


class _Mode(TorchFunctionMode):
    """A mode that runs every function of torch on the CPU, checks devices, and wraps the results of CUDA."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        given = [x for x in tree_iter((args, kwargs)) if isinstance(x, Tensor)]
        far = [x for x in given if isinstance(x, Far)]
        if far and func in (Tensor.device.__get__, Tensor.is_cuda.__get__):
            return CUDA if func == Tensor.device.__get__ else True
        if far and func in (Tensor.numpy, Tensor.__array__):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        there = _there(func, args, kwargs, bool(far))
        name = getattr(func, "__name__", str(func))
        _check(func, name, args, given)
        if isinstance(kwargs.get("generator"), torch.Generator):
            own = kwargs["generator"].device.type == "cuda"
            if own != there:
                raise RuntimeError(f"{name}: the generator is on another device than the tensor")
        inner_args, inner_kwargs = tree_map(_inner, (args, kwargs))
        out = func(*inner_args, **inner_kwargs)
        if func in _MOVES and far and not there:
            return out.clone()
        wrappers = {id(x.inner): x for x in far}
        return tree_map(lambda x: _wrapped(x, wrappers), out) if there else out


def _inner(x: Any) -> Any:
    if isinstance(x, Far):
        return x.inner
    far = isinstance(x, torch.device) or (isinstance(x, str) and x.startswith("cuda"))
    return torch.device("cpu") if far else x


def _wrapped(x: Any, wrappers: dict[int, Far]) -> Any:
    """Return ``x`` on the second device; an operation in place returns its own argument."""
    if not isinstance(x, Tensor):
        return x
    return wrappers[id(x)] if id(x) in wrappers else Far(x)


def _there(func: Any, args: Any, kwargs: Any, far: bool) -> bool:
    """Return whether the result is on the second device."""
    if func is Tensor.cpu:
        return False
    places = [kwargs[name] for name in ("device", "other") if kwargs.get(name) is not None]
    if func in (Tensor.to, Tensor.type_as):
        places += [x for x in args[1:] if isinstance(x, str | torch.device | Tensor)]
    if func is Tensor.copy_:
        places = [args[0]]
    if not places or (isinstance(places[-1], Tensor) and func not in _MOVES):
        return far
    return isinstance(places[-1], Far) or (
        not isinstance(places[-1], Tensor) and torch.device(places[-1]).type == "cuda"
    )


def _check(func: Any, name: str, args: Any, given: list[Tensor]) -> None:
    """Raise as CUDA does where tensors of both devices meet."""
    if func in _MOVES or name in ("as_tensor", "tensor", "new_tensor"):
        return
    if func in (Tensor.__getitem__, Tensor.__setitem__):
        target, at, *value = args
        indices = [x for x in tree_iter(at) if isinstance(x, Tensor)]
        if not indices:
            return  # a view, or a copy into one from any device
        given = [x for x in (target, *value) if isinstance(x, Tensor)]
        given += [] if isinstance(target, Far) else indices  # one on CUDA takes indices on the CPU
    near = [x for x in given if not isinstance(x, Far) and x.ndim]
    if near and any(isinstance(x, Far) for x in given):
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, found cuda:0 and cpu")


@contextmanager
def second_device() -> Iterator[None]:
    """Context manager: ``cuda`` is a device here, and ``auto`` takes it."""
    load, save = safetensors.torch.load_file, safetensors.torch.save_file

    def load_file(path: Any, device: str = "cpu") -> Any:
        return {name: value.to(device) for name, value in load(path).items()}

    def save_file(tensors: Any, *rest: Any, **options: Any) -> None:
        save({name: _inner(value) for name, value in tensors.items()}, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(safetensors.torch, "load_file", load_file)
        patch.setattr(safetensors.torch, "save_file", save_file)
        real = torch.Generator
        for module in [*sys.modules.values()]:
            if getattr(module, "Generator", None) is real:
                patch.setattr(module, "Generator", Generator)
        with _Mode():
            yield
