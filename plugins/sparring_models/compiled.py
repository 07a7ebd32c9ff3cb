"""The kernels `compiled`: torch's compiler makes one kernel of each norm, rotary embedding and product of activation and gate.

How many tokens there are is a variable of the kernels, so that a new number of them compiles nothing. The compiler is asked
for pieces without linear layers: those are exchanged while a run goes on, and each exchange would compile again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from sparring.errors import ModelError
from sparring_models.kernels import ROTARY, again, bind, rotate_by

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Below this many elements the call of a compiled piece, with its checks of what it was compiled for, costs more than it saves.
# On one core of an x86 processor that is so below 2**17 to 2**20, by piece and width.
SMALLEST = 2**18


def compile_pieces(model: PreTrainedModel) -> None:
    """Exchange the pieces for compiled ones; they are compiled when they are first called. Raises `ModelError` without a compiler."""
    try_compiler("cuda" if torch.cuda.is_available() else "cpu")
    norms: dict[type, Callable[..., Any]] = {}
    product = compiled(_product)

    def gated(mlp: Any, x: torch.Tensor) -> Any:
        return mlp.down_proj(product(mlp.act_fn, mlp.gate_proj(x), mlp.up_proj(x)))

    for module in model.modules():
        kind = type(module)
        # The names of transformers; torch's own norms are one kernel already.
        if kind.__name__.endswith("RMSNorm") and not isinstance(module, nn.RMSNorm):
            bind(module, norms.setdefault(kind, compiled(kind.forward)))
        elif _is_gated(module):
            bind(module, gated)
    rotary = getattr(sys.modules[type(model).__module__], ROTARY, None)
    if rotary is not None:
        rotate_by(model, compiled(rotary))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, compiled for where it is given many elements.

    The compiler keeps at most eight variants of a code object: with gradient and without, trained and not, by width and dtype.
    So each model has code objects of its own.
    """
    # Dynamic from the first call on: which kernel runs is then a matter of the input alone, not of what was run before.
    fused = torch.compile(again(function), dynamic=True)

    @functools.wraps(function)
    def call(*args: Any, **more: Any) -> Any:
        elements = sum(arg.numel() for arg in args if isinstance(arg, torch.Tensor))
        return (fused if elements >= SMALLEST else function)(*args, **more)

    return call


def _product(act: nn.Module, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return act(gate) * up  # type: ignore[no-any-return]  # a module's call has no type


@torch.no_grad()
def _is_gated(module: Any) -> bool:
    """Whether it is down(act(gate(x)) * up(x)): by the names of its parts, and by what it computes."""
    if not all(isinstance(getattr(module, name, None), nn.Linear) for name in ("gate_proj", "up_proj", "down_proj")):
        return False
    if not hasattr(module, "act_fn"):
        return False
    weight = module.gate_proj.weight
    x = torch.linspace(-1, 1, weight.shape[1], dtype=weight.dtype, device=weight.device)[None, None]
    return torch.equal(module(x), module.down_proj(_product(module.act_fn, module.gate_proj(x), module.up_proj(x))))


@functools.cache
def try_compiler(device: str) -> None:
    """Compile something small, so that what is missing is known before a run starts and not in its first step."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(8, device=device))
    except Exception as error:  # compilers raise many kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        needs = "triton and a C compiler" if device == "cuda" else "a C++ compiler (g++, or the one that CXX names)"
        raise ModelError(
            f"kernels: compiled needs torch's compiler, which does not work here: {reason[0]}\n"
            f"  It needs {needs} and Python's headers (python3-dev); install them, or set kernels to 'none'"
        ) from error
