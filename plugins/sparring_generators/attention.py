"""Attention in parts, which are put together by the weight of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch


def weighed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention ``(B, K, T, D)`` and, in nats, the log of the sum of its weights ``(B, K, T)``, by which parts are put together."""
    if query.device.type == "cpu" and (fused := _fused()) is not None:
        out, weight = fused(query, key, value, attn_mask=mask, scale=scale)
        return out, weight
    scores = torch.matmul(query, key.transpose(-1, -2)).float() * (scale or query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores + mask
    weights = torch.logsumexp(scores, -1)
    return torch.matmul((scores - weights[..., None]).exp().to(value.dtype), value), weights


@cache
def _fused() -> Callable[..., tuple[torch.Tensor, torch.Tensor]] | None:
    """torch's own attention on CPUs, which tells the sum too; it is private, so it is tried before it is trusted."""
    try:
        fused: Callable[..., tuple[torch.Tensor, torch.Tensor]]
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        with torch.autocast("cpu", enabled=False):
            x = torch.arange(24.0).view(1, 2, 3, 4) / 24
            out, weight = fused(x, x, x, attn_mask=None, scale=0.5)
            scores = x @ x.transpose(-1, -2) * 0.5
            right = torch.allclose(weight, scores.logsumexp(-1)) and torch.allclose(out, scores.softmax(-1) @ x)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
    return fused if right else None
