"""Kernels that do in one pass over memory what a decoder does in several: norms, rotary embedding, activation times gate.

Linear layers, attention and the head stay as they are: the generator, adapters and `sparring.forward` put theirs in place of
those. What is changed are methods of modules of one model. A copy of the model has them too, other models do not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal

import torch

from sparring import LoadedModel
from sparring.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: The name by which the attention of every architecture in transformers calls it.
ROTARY = "apply_rotary_pos_emb"


def with_kernels(loaded: LoadedModel, kernels: Literal["none", "compiled", "liger"]) -> LoadedModel:
    """The same model, in place. Raises `ModelError` where these kernels cannot run, with what is missing."""
    if kernels == "compiled":
        from sparring_models.compiled import compile_pieces

        compile_pieces(loaded.model)
    elif kernels == "liger":
        apply_liger(loaded.model)
    return loaded


def bind(module: torch.nn.Module, forward: Callable[..., Any]) -> None:
    """Give this one module a ``forward``, which takes the module first. Copies of the module are given it for themselves."""
    module.forward = MethodType(forward, module)


def again(function: Callable[..., Any], **names: Any) -> FunctionType:
    """The same function with a code object of its own, and for what it calls by these global ``names`` something else."""
    assert isinstance(function, FunctionType)
    own = {**function.__globals__, **names}
    made = FunctionType(
        function.__code__.replace(), own, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def rotate_by(model: PreTrainedModel, rotary: Callable[..., Any]) -> None:
    """Every attention of ``model`` that calls `ROTARY` calls ``rotary`` instead."""
    forwards: dict[type, FunctionType] = {}
    for module in model.modules():
        kind = type(module)
        if isinstance(kind.forward, FunctionType) and ROTARY in kind.forward.__code__.co_names:
            if kind not in forwards:
                forwards[kind] = again(kind.forward, **{ROTARY: rotary})
            bind(module, forwards[kind])


def apply_liger(model: PreTrainedModel) -> None:
    """Liger's kernels (Hsu et al. 2024, arXiv:2410.10989) for norms, rotary embedding and the feed-forward; not its losses.

    Liger also changes the architecture's own module, and so every model made after; that is undone.
    Raises `ModelError` without CUDA, without the package, and for an architecture that it does not know.
    """
    if not torch.cuda.is_available():
        raise ModelError(
            "kernels: liger runs on CUDA alone, and torch sees no CUDA device; use 'compiled', which runs everywhere, or 'none'"
        )
    try:
        from liger_kernel.transformers import _apply_liger_kernel_to_instance
        from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as KNOWN
    except ImportError as error:
        raise ModelError(f"kernels: liger needs liger-kernel ({error}); run: pip install 'sparring[liger]'") from error
    if model.config.model_type not in KNOWN:
        raise ModelError(
            f"kernels: liger knows no architecture {model.config.model_type!r}; use 'compiled', or one of {', '.join(sorted(KNOWN))}"
        )
    architecture = vars(sys.modules[type(model).__module__])
    before = dict(architecture)
    # Losses are the core's: the head runs where a trained token follows and nowhere else.
    _apply_liger_kernel_to_instance(model, cross_entropy=False, fused_linear_cross_entropy=False)
    rotary = architecture.get(ROTARY)
    architecture.update(before)
    if rotary is not None and rotary is not before.get(ROTARY):
        rotate_by(model, rotary)
