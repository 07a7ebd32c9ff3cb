"""Several policies over one set of base weights: LoRA adapters (Hu et al. 2021, arXiv:2106.09685), by peft.

Each policy has modules of its own over the very same base parameters, so nothing has to be switched and the base is in
memory once. Snapshots and references of an adapted policy copy its adapter alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from sparring.chance import key_of
from sparring.errors import ModelError
from sparring.interfaces import LoadedModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sparring.sections import AdapterSpec


def adapt(base: LoadedModel, spec: AdapterSpec, seed: int, policy: str) -> LoadedModel:
    """A policy of its own over the parameters of ``base``, which are not trained any more. At first it acts as the base does."""
    from peft import LoraConfig, inject_adapter_in_model

    model = copy.deepcopy(base.model, {id(p): p for p in base.model.parameters()})
    config = LoraConfig(
        r=spec.rank, lora_alpha=spec.alpha if spec.alpha is not None else 2 * spec.rank, target_modules=spec.modules
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key_of(seed, "adapter", policy) % 2**63)
        try:
            inject_adapter_in_model(config, model)
        except ValueError as error:
            raise ModelError(f"policies.{policy}.adapter.modules: {error}") from error
    return LoadedModel(model, base.tokenizer, base.bf16, adapted=True)


def trained_parameters(loaded: LoadedModel) -> dict[str, torch.nn.Parameter]:
    """The parameters that training changes, by name: the adapter's, or all."""
    return {name: p for name, p in loaded.model.named_parameters() if not loaded.adapted or ".lora_" in name}


def overwrite(loaded: LoadedModel, weights: Mapping[str, torch.Tensor], rate: float = 1.0) -> None:
    """Put ``weights`` in place of `trained_parameters`, by name; with a ``rate`` below 1, go that part of the way."""
    with torch.no_grad():
        for name, parameter in trained_parameters(loaded).items():
            if rate == 1:
                parameter.copy_(weights[name])
            else:
                parameter.lerp_(weights[name], rate)


def twin(loaded: LoadedModel) -> LoadedModel:
    """A copy that stays as it is. What training does not change is shared, not copied."""
    trained = {id(p) for p in trained_parameters(loaded).values()}
    shared = {id(p): p for p in loaded.model.parameters() if id(p) not in trained}
    model = copy.deepcopy(loaded.model, shared).requires_grad_(False).eval()
    return LoadedModel(model, loaded.tokenizer, loaded.bf16, loaded.adapted)


def plain(loaded: LoadedModel) -> PreTrainedModel:
    """The model as its base's class alone knows it: adapters are added to a copy of the weights."""
    if not loaded.adapted:
        return loaded.model
    from peft.tuners.tuners_utils import BaseTunerLayer

    model = copy.deepcopy(loaded.model)
    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.get_base_layer())
    # peft leaves its settings behind, and the library would save an adapter by them.
    model.__dict__.pop("peft_config", None)
    setattr(model, "_hf_peft_config_loaded", False)  # noqa: B010  # not an attribute of its declared type
    return model
