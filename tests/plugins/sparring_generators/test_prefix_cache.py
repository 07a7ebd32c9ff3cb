"""The tree of shared prefixes: what is new in a prompt, what is kept, and what has to go."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparring_generators.prefix_cache import Node, PrefixCache


def kv(tokens: list[int], a: int = 0) -> torch.Tensor:
    """Keys and values that tell their tokens and places: ``(1, 2, 1, T, 1)``."""
    values = torch.tensor([100.0 * (a + i) + token for i, token in enumerate(tokens)])
    return values.view(1, 1, 1, -1, 1).expand(1, 2, 1, -1, 1).clone()


def compute(cache: PrefixCache, tokens: list[int]) -> int:
    """Have a prompt computed; returns how many of its tokens were new."""
    new = 0
    for node in cache.locate(tokens).unread():
        new += len(node.tokens)
        cache.computed(node, kv(list(node.tokens), node.start), torch.tensor([float(node.end)]))
    return new


def held(node: Node) -> list[float]:
    return [float(v) for part in node.path() if part.kv is not None for v in part.kv[0, 0, 0, :, 0]]


def test_only_what_differs_is_new() -> None:
    cache = PrefixCache(100)
    assert compute(cache, [1, 2, 3, 4]) == 4
    assert compute(cache, [1, 2, 3, 4, 5]) == 1
    assert compute(cache, [1, 2, 7]) == 1
    assert compute(cache, [1, 2, 3, 4]) == 0
    # Its keys are known but not the state after its last token, which is read again.
    assert compute(cache, [1, 2, 3]) == 1
    assert cache.size == 6


def test_an_answer_goes_on_where_its_prompt_ended() -> None:
    cache = PrefixCache(100)
    compute(cache, [1, 2])
    cache.keep([1, 2, 3, 4], torch.zeros(1), lambda a, b: kv([1, 2, 3, 4][a:b], a))
    assert compute(cache, [1, 2, 3, 4, 5, 6]) == 2
    assert cache.size == 6


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12))
def test_every_prompt_finds_its_own_keys(prompts: list[list[int]]) -> None:
    cache = PrefixCache(1000)
    prefixes = set()
    for prompt in prompts:
        compute(cache, prompt)
        prefixes |= {tuple(prompt[: i + 1]) for i in range(len(prompt))}
        assert cache.size == len(prefixes)
    for prompt in prompts:
        node = cache.locate(prompt)
        if node.kv is not None:
            assert held(node) == [100.0 * i + token for i, token in enumerate(prompt)]


def test_those_not_asked_for_lately_go_first() -> None:
    cache = PrefixCache(10)
    for first in (1, 2, 3):
        cache.tick()
        compute(cache, [first] * 5)
    cache.tick()
    compute(cache, [2] * 5)
    cache.shrink()
    assert cache.size <= 9
    assert compute(cache, [2] * 5) == 0
    assert compute(cache, [1] * 5) == 5


def test_what_was_just_asked_for_stays_beyond_the_capacity() -> None:
    cache = PrefixCache(3)
    cache.tick()
    compute(cache, [1, 2, 3, 4, 5])
    cache.shrink()
    assert cache.size == 5
    cache.tick()
    cache.shrink()
    assert cache.size == 0
