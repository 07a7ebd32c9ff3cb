"""Linear layers whose weights lie in memory as the processor multiplies them fastest.

oneDNN reorders a weight once instead of at every product: one and a half times the speed for the few rows that decoding
has. The operations are private to torch, so they are tried before they are trusted, and the plain ones stay in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from sparring import LoadedModel

# Below this, packing anew after every update costs more than it saves.
SMALLEST = 8_000_000
ROWS = 64  # the number of rows that the layout is chosen for
# Layers that are given the same input, by the names that transformers has for them: of few rows one product is faster than three.
BESIDE = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class PackedLinears:
    """The linear layers of a model as they are now; while `in_use`, the model runs with them."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self._forwards: list[tuple[nn.Module, Callable[[torch.Tensor], torch.Tensor]]] = []
        for group in _groups(model):
            self._forwards += zip(group, _Product(group, dtype).forwards(), strict=True)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        for module, forward in self._forwards:
            module.forward = forward
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


def _groups(model: nn.Module) -> list[list[nn.Linear]]:
    """All linear layers; those that stand side by side and are given the same input together."""
    groups: list[list[nn.Linear]] = []
    for parent in model.modules():
        for names in BESIDE:
            found = [child for name in names if type(child := getattr(parent, name, None)) is nn.Linear]
            alike = {(layer.in_features, layer.bias is None) for layer in found}
            if len(found) == len(names) and len(alike) == 1:
                groups.append(found)
    together = {layer for group in groups for layer in group}
    return groups + [[layer] for layer in model.modules() if type(layer) is nn.Linear and layer not in together]


class _Product:
    """One product for layers that are given the same tensor: the first that is asked makes it, and the others take their part.

    A layer that is given another tensor makes it anew, so nothing depends on who is asked when.
    """

    def __init__(self, layers: Sequence[nn.Linear], dtype: torch.dtype) -> None:
        self._dtype, self._sizes = dtype, [layer.out_features for layer in layers]
        weights = (
            torch.cat([layer.weight.detach() for layer in layers]) if len(layers) > 1 else layers[0].weight.detach()
        )
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weights.to(dtype), ROWS)
        biases = [layer.bias.detach().to(dtype) for layer in layers if layer.bias is not None]
        self._bias = torch.cat(biases) if biases else None
        self._given: torch.Tensor | None = None
        self._parts: Sequence[torch.Tensor] = ()

    def forwards(self) -> list[Callable[[torch.Tensor], torch.Tensor]]:
        if len(self._sizes) == 1:
            return [self._multiply]
        return [partial(self._part, i) for i in range(len(self._sizes))]

    def _part(self, i: int, x: torch.Tensor) -> torch.Tensor:
        if x is not self._given:
            self._given, self._parts = x, self._multiply(x).split(self._sizes, -1)
        part = self._parts[i]
        if i == len(self._sizes) - 1:
            self._given, self._parts = None, ()
        return part

    def _multiply(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self._dtype), self._weight, self._bias, "none", [], ""
        )
        return out


def _can(dtype: torch.dtype) -> bool:
    x, weight = torch.randn(3, 32, dtype=dtype), torch.randn(48, 32, dtype=dtype)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
        got = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return torch.allclose(got, functional.linear(x, weight), rtol=1e-2, atol=1e-2)
