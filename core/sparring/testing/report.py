"""How a check says what broke."""

from __future__ import annotations

import random

from sparring.chance import key_of


class CheckFailed(AssertionError):  # noqa: N818  # pytest shows it as what it is: a failed assertion
    """A component does not keep its contract. Says which one, what broke, and how to see it again.

    (Games raise `sparring.GameError` instead, as they do while they are played.)
    """


class Reporter:
    """Raises `CheckFailed` with what is needed to see the fault again in front of it."""

    def __init__(self, component: object, seed: int | None = None) -> None:
        name = getattr(component, "__name__", type(component).__name__)
        self.where = name if seed is None else f"{name}, seed {seed}"

    def fail(self, what: str, cause: BaseException | None = None) -> None:
        raise CheckFailed(f"{self.where}: {what}") from cause

    def require(self, holds: object, what: str) -> None:
        if not holds:
            self.fail(what)


def shown(value: object, most: int = 200) -> str:
    """``repr``, cut off where it would fill the screen."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def another_order(count: int, *key: object) -> list[int]:
    """The numbers below ``count`` in an order that is not theirs (if there is one)."""
    order = list(range(count))
    random.Random(key_of(*key)).shuffle(order)
    return order if order != sorted(order) else order[::-1]
