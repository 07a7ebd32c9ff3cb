"""How much of what is asked for fits into the memory for keys and values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from sparring import LoadedModel, Request


def bytes_per_token(loaded: LoadedModel) -> int:
    """Of keys and values."""
    config = loaded.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(config.num_hidden_layers * 2 * heads * size * (2 if loaded.bf16 else loaded.model.dtype.itemsize))


def most_tokens(request: Request) -> int:
    return len(request.context) + request.sampling.max_tokens


def fitting(
    requests: Sequence[Request],
    capacity: Callable[[str], int],
    held: Callable[[str], int],
    needs: Callable[[Request], int],
    memory: Callable[[str], Hashable] = lambda policy: policy,
) -> int:
    """How many of these, from the first on, fit into each policy's ``capacity`` beside what is ``held``; all in tokens.

    Counted as if nothing were shared. The first of a policy of which nothing is held fits whatever it needs. Policies of equal
    ``memory`` fill the same, of which ``held`` tells.
    """
    now: dict[Hashable, int] = {}
    for number, request in enumerate(requests):
        place = memory(request.policy)
        taken = now[place] if place in now else held(request.policy)
        now[place] = taken + needs(request)
        if taken and now[place] > capacity(request.policy):
            return number
    return len(requests)
