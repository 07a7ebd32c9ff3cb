"""The memory plan: what training will still take beside the weights that are already loaded, and whether it fits.

Learning that it does not fit an hour into a run is the dearest way. Gradients and AdamW's moments are counted exactly;
what a forward pass keeps for the backward one is measured on a few tokens, so that it holds for any architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from sparring.adapters import trained_parameters
from sparring.errors import MemoryPlanError
from sparring.forward import autocast, recomputed, token_logprobs
from sparring.interfaces import Generator, LoadedModel

GIB = 2**30
_SHORT, _LONG = 16, 48  # tokens of the measured rows; their difference leaves out what does not grow with tokens
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Need:
    """One use of memory: what, the most bytes it takes, and the setting that makes it smaller."""

    what: str
    bytes: int
    remedy: str


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    needs: tuple[Need, ...]
    free: int  # bytes

    @property
    def total(self) -> int:
        return sum(need.bytes for need in self.needs)

    def __str__(self) -> str:
        parts = ", ".join(f"{need.what} {need.bytes / GIB:.2f}" for need in self.needs)
        return f"at most {self.total / GIB:.2f} GiB beside the weights, {self.free / GIB:.1f} free ({parts})"

    def require_room(self) -> None:
        """Raises `MemoryPlanError`, with the largest uses first, if there is more to hold than there is room."""
        if self.total <= self.free:
            return
        uses = "\n".join(
            f"  {need.what}: {need.bytes / GIB:.2f} GiB; {need.remedy}"
            for need in sorted(self.needs, key=lambda need: -need.bytes)
        )
        raise MemoryPlanError(
            f"this run may take {self.total / GIB:.2f} GiB beside the weights, and {self.free / GIB:.2f} are free:\n{uses}"
        )


def plan(
    learners: Mapping[str, LoadedModel],
    generator: Generator,
    token_budget: int,
    *,
    checkpointing: bool = False,
    versions: int = 0,
) -> MemoryPlan:
    """What is still to come once models are loaded: for ``learners``, the trained policies, and the generator.

    A generator may tell what it takes at most by ``memory_bytes() -> int``. ``checkpointing``: layers are run again in the
    backward pass, as by `sparring.forward.recomputed`. ``versions``: bytes of those still to be kept for opponents and
    evaluators, see `sparring_memory.versions`.
    """
    trained = sum(p.numel() * p.element_size() for m in learners.values() for p in trained_parameters(m).values())
    kept = max((activation_bytes(loaded, checkpointing) for loaded in learners.values()), default=0.0)
    less = "" if checkpointing else " or set train.activation_checkpointing"
    needs = [
        Need("gradients", trained, "policies.*.adapter trains less"),
        Need("AdamW's moments", 2 * trained, "policies.*.adapter trains less"),
        Need("activations", int(kept * token_budget), f"lower train.token_budget ({token_budget}){less}"),
    ]
    if versions:
        needs.append(
            Need("past versions", versions, "lower the size of opponents; policies.*.adapter keeps less of each")
        )
    if tell := getattr(generator, "memory_bytes", None):
        needs.append(Need("keys and values", tell(), "lower the generator's kv_gib"))
    device = next((loaded.model.device for loaded in learners.values()), torch.device("cpu"))
    return MemoryPlan(tuple(needs), free_bytes(device))


def activation_bytes(loaded: LoadedModel, checkpointing: bool = False) -> float:
    """Bytes that a token of a training row keeps until the backward pass, as if every token were trained.

    With ``checkpointing`` layers keep what enters them, and one of them at a time everything.
    """
    whole = _kept(loaded)
    if not checkpointing:
        return whole
    with recomputed(loaded.model):
        outside = _kept(loaded)  # the inputs of layers are no saved tensors, so they are not among these
    config = loaded.model.config.get_text_config()
    layers: int = config.num_hidden_layers
    inputs = layers * config.hidden_size * loaded.model.dtype.itemsize
    return float(outside + inputs + (whole - outside) / layers)


def _kept(loaded: LoadedModel) -> float:
    """Bytes of saved tensors for a token."""
    parameters = {p.untyped_storage().data_ptr() for p in loaded.model.parameters()}
    vocabulary: int = loaded.model.config.get_text_config().vocab_size

    def kept(length: int) -> int:
        storages: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in parameters:
                storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        # Two rows that part in the middle, as rows do: where no prefix is shared attention keeps a little less.
        shared = [(7 * i + 3) % vocabulary for i in range(length // 2)]
        rows = [shared + [(11 * i + 5 + r) % vocabulary for i in range(length // 2)] for r in range(2)]
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), autocast(loaded):
            scored = token_logprobs(loaded.model, rows, [list(range(1, length))] * 2)
        del scored
        return sum(storages.values())

    return max(0.0, (kept(_LONG) - kept(_SHORT)) / (1.5 * (_LONG - _SHORT)))


def free_bytes(device: torch.device) -> int:
    """Memory that may still be taken on the device; on a CPU the container's limit counts too."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    container = _container()
    return free if container is None else min(free, max(0, container[0] - container[1]))


def resident_bytes() -> int:
    """What this process has in the machine's memory."""
    return int(psutil.Process().memory_info().rss)


def watermark(device: torch.device, share: float) -> int | None:
    """``share`` of the machine's memory, or of its container's limit, in bytes.

    None where an allocation that does not fit fails by itself, as on CUDA: a CPU's kills the process.
    """
    if device.type != "cpu":
        return None
    container = _container()
    total = int(psutil.virtual_memory().total)
    return int(share * (total if container is None else min(total, container[0])))


def _container() -> tuple[int, int] | None:
    """The limit of this process's container and what it has taken, in bytes; None without a limit."""
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return None if limit == "max" else (int(limit), int(used))
    except (OSError, ValueError):
        return None
