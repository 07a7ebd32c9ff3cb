"""Linear layers whose weights lie in memory as the processor multiplies them fastest.

oneDNN reorders a weight once instead of at every product: one and a half times the speed for the few rows that decoding
has. The operations are private to torch, so they are tried before they are trusted, and the plain ones stay in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from sparring import LoadedModel

# Below this, packing anew after every update costs more than it saves.
SMALLEST = 8_000_000
ROWS = 64  # the number of rows that the layout is chosen for


class PackedLinears:
    """The linear layers of a model as they are now; while `in_use`, the model runs with them."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self._forwards = [(module, _forward(module, dtype)) for module in model.modules() if type(module) is nn.Linear]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        for module, forward in self._forwards:
            module.forward = forward  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            for module, _ in self._forwards:
                del module.forward


def pack(loaded: LoadedModel) -> PackedLinears | None:
    """None where it does not pay or this build of torch cannot."""
    return PackedLinears(loaded.model, _dtype(loaded)) if _pays(loaded) and _can(_dtype(loaded)) else None


def packed_bytes(loaded: LoadedModel) -> int:
    """Memory of the packed copy, where there is one."""
    linears = (module for module in loaded.model.modules() if type(module) is nn.Linear)
    return sum(module.weight.numel() for module in linears) * _dtype(loaded).itemsize if _pays(loaded) else 0


def _dtype(loaded: LoadedModel) -> torch.dtype:
    return torch.bfloat16 if loaded.bf16 else loaded.model.dtype


def _pays(loaded: LoadedModel) -> bool:
    return loaded.model.device.type == "cpu" and sum(p.numel() for p in loaded.model.parameters()) >= SMALLEST


def _forward(module: nn.Linear, dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    weight = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach().to(dtype), ROWS)
    bias = None if module.bias is None else module.bias.detach().to(dtype)

    def forward(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x.to(dtype), weight, bias, "none", [], "")
        return out

    return forward


def _can(dtype: torch.dtype) -> bool:
    x, weight = torch.randn(3, 32, dtype=dtype), torch.randn(48, 32, dtype=dtype)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
        got = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return torch.allclose(got, functional.linear(x, weight), rtol=1e-2, atol=1e-2)
