"""The task source `copy_format`: repeat a word, so often, with such an end. Obeyed or not, anyone can check it."""

from __future__ import annotations

import zlib
from typing import Literal

from pydantic import Field

from sparring import Chance, Params, SeededChance, Task

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ENDS = "#!*="


class CopyFormatParams(Params):
    max_times: int = Field(4, ge=1, le=9, description="A word is to be repeated once to this often.")
    word_length: int = Field(2, ge=1, le=6, description="Letters of a word.")
    split: Literal["train", "heldout"] = Field(
        "train", description="One task in five is held out: by a hash of its prompt, so the two never meet."
    )
    size: int | None = Field(
        None, ge=1, description="Draw from so many tasks alone, always the same, as from a data set; None: from all."
    )


class CopyFormat:
    """Repeat a word so many times and end with a mark: "Repeat ab 3 times, end with #." is answered by "ab ab ab#"."""

    def __init__(self, params: CopyFormatParams) -> None:
        self.params = params
        fixed = SeededChance("copy_format", params.max_times, params.word_length, params.split)
        self._tasks = [self._any(fixed) for _ in range(params.size or 0)]

    def draw(self, chance: Chance) -> Task:
        return chance.pick(self._tasks) if self._tasks else self._any(chance)

    def _any(self, chance: Chance) -> Task:
        while True:
            word = "".join(chance.pick(_LETTERS) for _ in range(self.params.word_length))
            times = chance.pick(range(1, self.params.max_times + 1))
            end = chance.pick(_ENDS)
            prompt = f"Repeat {word} {times} times, end with {end}."
            if is_held_out(prompt) == (self.params.split == "heldout"):
                return Task(prompt, " ".join([word] * times) + end, {"times": times})


def is_held_out(prompt: str) -> bool:
    """One prompt in five, the same ones always."""
    return zlib.crc32(prompt.encode()) % 5 == 0
