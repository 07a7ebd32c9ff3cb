"""How much of what is asked for fits into the memory for keys and values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from sparring import LoadedModel, Request


def bytes_per_token(loaded: LoadedModel) -> int:
    """Of keys and values."""
    config = loaded.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(config.num_hidden_layers * 2 * heads * size * (2 if loaded.bf16 else loaded.model.dtype.itemsize))


def most_tokens(request: Request) -> int:
    return len(request.context) + request.sampling.max_tokens


class Held(NamedTuple):
    """Requests that are being written already: how many, and the most tokens that one of them may come to."""

    requests: int
    longest: int


def fitting(
    requests: Sequence[Request],
    capacity: Callable[[str], int],
    held: Callable[[str], Held],
    memory: Callable[[str], Hashable] = lambda policy: policy,
) -> int:
    """How many of these, from the first on, fit into each policy's ``capacity`` in tokens beside what is ``held``.

    Counted as if nothing were shared and every row were as long as the longest. The first of a policy of which nothing is
    held fits however long it is. Policies of equal ``memory`` fill the same, of which ``held`` tells.
    """
    now: dict[Hashable, Held] = {}
    for number, request in enumerate(requests):
        place = memory(request.policy)
        count, longest = now[place] if place in now else held(request.policy)
        longest = max(longest, most_tokens(request))
        if count and (count + 1) * longest > capacity(request.policy):
            return number
        now[place] = Held(count + 1, longest)
    return len(requests)
