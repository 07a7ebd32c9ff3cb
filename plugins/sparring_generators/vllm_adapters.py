"""LoRA adapters as vLLM takes them: each published version from a folder of its own, by a number that no other has had.

vLLM keeps keys and values by an adapter's name and folder, so those of an older version are never found again. Written against
vLLM 0.32.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sparring import LoadedModel
from sparring.adapters import trained_parameters
from sparring_generators.params import VllmParams

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM makes room for


@dataclass(frozen=True, slots=True)
class Shape:
    """Of an adapter, or of the room for several."""

    rank: int
    modules: frozenset[str]  # the last parts of their names

    def holds(self, other: Shape) -> bool:
        return other.rank <= self.rank and other.modules <= self.modules


def shape(loaded: LoadedModel) -> Shape | None:
    """None where there is no adapter, or one that vLLM cannot serve: on the head, on layers that are not linear, of a higher rank."""
    config = getattr(loaded.model, "peft_config", {}).get("default")
    if not loaded.adapted or config is None or config.r > RANKS[-1]:
        return None
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = {name: module for name, module in loaded.model.named_modules() if isinstance(module, BaseTunerLayer)}
    if loaded.model.get_output_embeddings() in found.values() or not all(
        isinstance(module.get_base_layer(), torch.nn.Linear) for module in found.values()
    ):
        return None
    return Shape(config.r, frozenset(name.rpartition(".")[2] for name in found))


class Adapters:
    """Room in an engine for adapters that are no larger than the first one."""

    def __init__(self, first: Shape, slots: int) -> None:
        rank = next(rank for rank in RANKS if rank >= first.rank)
        self._room, self._slots = Shape(rank, first.modules), slots
        self._numbers = itertools.count(1)
        self._folder = tempfile.TemporaryDirectory(prefix="sparring-adapters-")

    @classmethod
    def beside(cls, loaded: LoadedModel, params: VllmParams) -> Adapters | None:
        """None where adapters are added to their base instead."""
        first = shape(loaded)
        return cls(first, params.adapters) if first and params.adapters and _known(loaded) else None

    def options(self) -> dict[str, Any]:
        """For the engine. Layers are named, since with room at the head vLLM on a CPU fails to tell log-probabilities of a prompt."""
        return {
            "enable_lora": True,
            "max_loras": self._slots,
            "max_lora_rank": self._room.rank,
            "lora_target_modules": sorted(self._room.modules),
        }

    def serve(self, loaded: LoadedModel) -> bool:
        found = shape(loaded)
        return found is not None and self._room.holds(found)

    def request(self, loaded: LoadedModel) -> LoRARequest:
        """What requests of this version carry. vLLM reads its folder when it makes room for it, more than once where they take turns."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file
        from vllm.lora.request import LoRARequest

        number = next(self._numbers)
        folder = Path(self._folder.name) / str(number)
        folder.mkdir()
        save_file(get_peft_model_state_dict(loaded.model), folder / "adapter_model.safetensors")
        loaded.model.peft_config["default"].save_pretrained(str(folder))
        return LoRARequest(str(number), number, str(folder))

    @staticmethod
    def forget(request: LoRARequest) -> None:
        shutil.rmtree(request.lora_path)

    def memory_bytes(self, loaded: LoadedModel) -> int:
        """Of a full room, and of what was read into memory for it, at most."""
        mine = shape(loaded)
        assert mine is not None
        one = sum(p.numel() for p in trained_parameters(loaded).values()) * self._room.rank // mine.rank
        return 2 * self._slots * one * (2 if loaded.bf16 else 4)


def _known(loaded: LoadedModel) -> bool:
    """Whether vLLM has models of this class with room for adapters."""
    from vllm import ModelRegistry
    from vllm.model_executor.models import supports_lora

    known = ModelRegistry.models.get(type(loaded.model).__name__)
    return known is not None and supports_lora(known.load_model_cls())
