"""Chance: what its draws depend on, and that they are fair."""

from __future__ import annotations

from collections import Counter

import pytest

from sparring.chance import SeededChance, key_of


def draws(chance: SeededChance, n: int = 20) -> list[int]:
    return [chance.pick(range(100)) for _ in range(n)]


def test_equal_keys_give_equal_draws() -> None:
    assert draws(SeededChance(1, 2, "a")) == draws(SeededChance(1, 2, "a"))


@pytest.mark.parametrize("other", [(1, 2, 4), (1, 3, 3), (12, 3), (1, 23), (3, 2, 1), (1, 2, 3, "")])
def test_every_part_of_a_key_matters(other: tuple[object, ...]) -> None:
    assert draws(SeededChance(*other)) != draws(SeededChance(1, 2, 3))


def test_keys_are_the_same_everywhere() -> None:
    """A change of this number changes the draws of every run ever recorded."""
    assert key_of(7, "step", 3) == 15654592667454603186


def test_a_clone_gives_the_same_answers_and_is_independent() -> None:
    chance = SeededChance(5)
    draws(chance, 3)
    clone = chance.clone()
    expected = draws(clone.clone())
    draws(clone)
    assert draws(chance) == expected


def test_options_are_equally_likely_unless_told_otherwise() -> None:
    chance = SeededChance("fair")
    even = Counter(chance.pick("abc") for _ in range(6000))
    assert all(abs(even[letter] / 6000 - 1 / 3) < 0.03 for letter in "abc")
    uneven = Counter(chance.pick("abc", [0.5, 0.5, 0.0]) for _ in range(6000))
    assert uneven["c"] == 0
    assert abs(uneven["a"] / 6000 - 0.5) < 0.03


def test_nothing_to_pick_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one option"):
        SeededChance().pick([])
