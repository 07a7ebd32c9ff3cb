"""How much of what is asked for fits into the memory for keys and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sparring import LoadedModel, Request


def bytes_per_token(loaded: LoadedModel) -> int:
    """Of keys and values."""
    config = loaded.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(config.num_hidden_layers * 2 * heads * size * (2 if loaded.bf16 else loaded.model.dtype.itemsize))


def most_tokens(request: Request) -> int:
    return len(request.context) + request.sampling.max_tokens


def fitting(requests: Sequence[Request], capacity: Callable[[str], int]) -> int:
    """How many of these, from the first on, fit into each policy's ``capacity`` in tokens; at least one.

    Counted as if nothing were shared and every row were as long as the longest.
    """
    count: Counter[str] = Counter()
    longest: Counter[str] = Counter()
    for number, request in enumerate(requests):
        count[request.policy] += 1
        longest[request.policy] = max(longest[request.policy], most_tokens(request))
        if number and count[request.policy] * longest[request.policy] > capacity(request.policy):
            return number
    return len(requests)
