"""Pairs of statements of which one is true, made by templates and a seed: nothing is looked up, and all can be checked."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from sparring import Chance

Topic = Literal["product", "weekday", "factor", "coin"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_FIRST_DAY, _DAY_COUNT = datetime.date(1900, 1, 1), 73_000  # to the end of 2099, nearly
_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


def product(chance: Chance) -> tuple[str, str]:
    """Of two numbers of two digits. The false one ends in the same digit, so that the last digits do not tell."""
    first, second = chance.pick(range(12, 100)), chance.pick(range(12, 100))
    off = chance.pick((-100, -20, -10, 10, 20, 100))
    true = first * second
    return f"{first} times {second} is {true}", f"{first} times {second} is {true + off}"


def weekday(chance: Chance) -> tuple[str, str]:
    """Of a date in the Gregorian calendar."""
    date = _FIRST_DAY + datetime.timedelta(days=chance.pick(range(_DAY_COUNT)))
    true = _DAYS[date.weekday()]
    false = chance.pick([day for day in _DAYS if day != true])
    said = f"{date.day} {_MONTHS[date.month - 1]} {date.year}"
    return f"{said} is a {true}", f"{said} is a {false}"


def factor(chance: Chance) -> tuple[str, str]:
    """The smaller of two prime factors. Each of the two could be it by its size alone."""
    small, large = sorted((chance.pick(_PRIMES), chance.pick(_PRIMES)))
    false = chance.pick([prime for prime in _PRIMES if prime not in (small, large)])
    number = small * large
    return (
        f"the smallest prime factor of {number} is {small}",
        f"the smallest prime factor of {number} is {false}",
    )


def coin(chance: Chance) -> tuple[str, str]:
    """What nobody can work out: only who has been told knows."""
    true, false = chance.pick((("heads", "tails"), ("tails", "heads")))
    return f"the coin under the cup shows {true}", f"the coin under the cup shows {false}"


#: A topic's statements: a true one, and a false one about the same thing.
MAKERS: Mapping[Topic, Callable[[Chance], tuple[str, str]]] = {
    "product": product, "weekday": weekday, "factor": factor, "coin": coin,
}  # fmt: skip
