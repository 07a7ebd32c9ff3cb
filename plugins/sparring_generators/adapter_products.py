"""Products of rows with the matrices of their adapters, as vLLM needs them on a CPU.

There it copies an adapter's matrices for each token and multiplies one row at a time: reading a prompt takes five times as long as
without an adapter. And what has none gets that of the last slot. These make one product for each adapter that is asked.
"""

from __future__ import annotations

import torch


def multiply_by_adapter() -> None:
    """Make vLLM use the functions below from here on, in this process."""
    from vllm.lora.ops.torch_ops import lora_ops

    lora_ops.bgmv_shrink = shrink
    lora_ops.bgmv_expand_slice = expand_slice


def products(inputs: torch.Tensor, weights: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """Rows ``(T, in)`` with the matrices of their slots, of ``(slots, out, in)``; zeros ``(T, out)`` where that is -1."""
    asked = slots.unique().tolist()
    if len(asked) == 1 and asked[0] >= 0:
        return inputs @ weights[asked[0]].to(inputs.dtype).T
    found = inputs.new_zeros(len(inputs), weights.shape[1])
    for slot in asked:
        if slot >= 0:
            (rows,) = torch.where(slots == slot)
            found[rows] = inputs[rows] @ weights[slot].to(inputs.dtype).T
    return found


# The names of what they are given are vLLM's.
def shrink(
    inputs: torch.Tensor,
    lora_b_weights: torch.Tensor,
    output_tensor: torch.Tensor,
    lora_indices_tensor: torch.Tensor,
    scaling: float = 1.0,
) -> None:
    """In place of vLLM's ``bgmv_shrink``: matrices ``(slots, 1, rank, in)``."""
    found = products(inputs.to(output_tensor.dtype), lora_b_weights.squeeze(1), lora_indices_tensor)
    output_tensor[:, : found.shape[1]] = scaling * found


def expand_slice(
    inputs: torch.Tensor,
    lora_b_weights: torch.Tensor,
    output_tensor: torch.Tensor,
    lora_indices_tensor: torch.Tensor,
    slice_offset: int,
    slice_size: int,
    add_inputs: bool = True,
) -> None:
    """In place of vLLM's ``bgmv_expand_slice``: matrices ``(slots, 1, out, rank)``, into a part of what leaves the layer."""
    found = products(inputs.to(output_tensor.dtype), lora_b_weights.squeeze(1), lora_indices_tensor)
    part = output_tensor[:, slice_offset : slice_offset + slice_size]
    part.copy_(part + found if add_inputs else found)
