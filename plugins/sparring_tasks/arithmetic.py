"""The task source `arithmetic`: expressions of whole numbers, drawn at random or read from what a model wrote.

A small language with an evaluator of its own: numbers, ``+``, ``-`` and ``*``, every size bounded before anything is computed.
Nothing a model writes is run as code.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from sparring import Chance, Params, SparringError, Task

Operator = Literal["+", "-", "*"]
_DIGITS = frozenset("0123456789")
_APART = re.compile(r"[0-9] +[0-9]")
_DRAWS = 10_000  # until an expression of the wanted split is found


class ArithmeticParams(Params):
    largest: int = Field(99, ge=1, le=10**9, description="Numbers are 0 to this.")
    operators: list[Operator] = Field(["+", "-", "*"], min_length=1, description="Operators that may occur.")
    operations: tuple[int, int] = Field(
        (1, 3), description="Fewest and most operations of an expression: how many there are is its difficulty."
    )
    modulus: int | None = Field(
        None, ge=2, description="Answers are remainders by this, from 0; None: the value itself."
    )
    largest_value: int = Field(
        10**12, ge=1, description="No part of an expression may have a value further from 0 than this."
    )
    split: Literal["train", "heldout", "all"] = Field(
        "train", description="What is drawn. An expression is held out by a hash of its text, whoever writes it."
    )
    heldout: float = Field(0.2, ge=0, lt=1, description="Share of expressions that is held out.")

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> ArithmeticParams:
        low, high = self.operations
        if not 0 <= low <= high <= 64:
            raise ValueError(f"'operations' are the fewest and the most, from 0 to 64; got {low} and {high}")
        if len(set(self.operators)) < len(self.operators):
            raise ValueError(f"an operator is given twice: {' '.join(self.operators)}")
        if self.split == "heldout" and self.heldout == 0:
            raise ValueError("'split: heldout' needs a share 'heldout' above 0")
        return self


@dataclass(frozen=True, slots=True)
class Expression:
    """What an expression comes to. ``text`` is without spaces and leading zeros: equal expressions have equal texts."""

    text: str
    value: int
    operations: int


class Arithmetic:
    """Sums, differences and products of whole numbers; the number of operations is the difficulty."""

    def __init__(self, params: ArithmeticParams) -> None:
        self.params = params

    def draw(self, chance: Chance) -> Task:
        """An expression of the split: number of operations, numbers and operators each uniform."""
        low, high = self.params.operations
        for _ in range(_DRAWS):
            parts = [str(chance.pick(range(self.params.largest + 1)))]
            for _ in range(chance.pick(range(low, high + 1))):
                parts += [chance.pick(self.params.operators), str(chance.pick(range(self.params.largest + 1)))]
            try:
                found = evaluate("".join(parts), self.params)
            except ValueError:
                continue  # too large a product
            if self.params.split == "all" or self._held_out(found) == (self.params.split == "heldout"):
                return self._task(found)
        raise SparringError(
            f"arithmetic: {_DRAWS} draws gave no expression of the split '{self.params.split}' within its bounds; allow larger "
            f"values (largest_value is {self.params.largest_value}) or another share 'heldout' (it is {self.params.heldout})"
        )

    def read(self, text: str) -> Task:
        """The task that ``text`` states. Raises `ValueError` with the reason if it states none."""
        return self._task(evaluate(text, self.params))

    def statement(self, task: Task) -> str:
        """What `read` reads as ``task``."""
        return str(task.facts["statement"])

    def _task(self, found: Expression) -> Task:
        modulus = self.params.modulus
        facts: dict[str, str | int | float | bool] = {
            "difficulty": found.operations,
            "statement": found.text,
            "held_out": self._held_out(found),
        }
        if modulus is None:
            return Task(found.text, str(found.value), facts)
        return Task(f"modulo {modulus}:\n{found.text}", str(found.value % modulus), facts)

    def _held_out(self, found: Expression) -> bool:
        return zlib.crc32(f"arithmetic {found.text}".encode()) / 2**32 < self.params.heldout


def evaluate(text: str, params: ArithmeticParams) -> Expression:
    """Read and compute an expression. Raises `ValueError` saying where it is not one, or which bound it breaks."""
    return _Reader(text, params).expression()


class _Reader:
    """A recursive-descent parser that computes as it reads: sum = product {(+|-) product}, product = number {* number}."""

    def __init__(self, text: str, params: ArithmeticParams) -> None:
        # Twice the longest expression within the bounds, for spaces.
        longest = 2 * (params.operations[1] + 1) * (len(str(params.largest)) + 1)
        if len(text) > longest:
            raise ValueError(f"is {len(text)} characters long; at most {longest} are read")
        if apart := _APART.search(text):
            raise ValueError(f"has {apart.group()!r} with no operator between the numbers")
        self._params = params
        self._text = text.replace(" ", "")
        self._at = 0
        self._operations = 0

    def expression(self) -> Expression:
        value = self._sum()
        if self._at < len(self._text):
            raise ValueError(f"has {self._text[self._at]!r} where an operator or the end should be")
        low, high = self._params.operations
        if not low <= self._operations <= high:
            raise ValueError(f"has {self._operations} operations; {low} to {high} are allowed")
        return Expression(self._text, value, self._operations)

    def _next(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _sum(self) -> int:
        value = self._product()
        while self._next() in ("+", "-"):
            sign = 1 if self._operator() == "+" else -1
            value = self._bounded(value + sign * self._product())
        return value

    def _product(self) -> int:
        value = self._number()
        while self._next() == "*":
            self._operator()
            value = self._bounded(value * self._number())
        return value

    def _operator(self) -> str:
        operator = self._next()
        self._at += 1
        if operator not in self._params.operators:
            raise ValueError(f"has the operator {operator!r}; allowed are {' '.join(self._params.operators)}")
        self._operations += 1
        if self._operations > self._params.operations[1]:
            raise ValueError(f"has more than {self._params.operations[1]} operations")
        return operator

    def _number(self) -> int:
        begin = self._at
        while self._next() in _DIGITS:
            self._at += 1
        digits = self._text[begin : self._at]
        if not digits:
            found = repr(self._next()) if self._next() else "its end"
            raise ValueError(f"has {found} where a number should be")
        if len(digits) > 1 and digits[0] == "0":
            raise ValueError(f"has the number {digits}; numbers are written without leading zeros")
        if len(digits) > len(str(self._params.largest)) or int(digits) > self._params.largest:
            raise ValueError(f"has the number {digits}; the largest allowed is {self._params.largest}")
        return int(digits)

    def _bounded(self, value: int) -> int:
        if abs(value) > self._params.largest_value:
            raise ValueError(
                f"has a part with the value {value}; no part may be further from 0 than {self._params.largest_value}"
            )
        return value
