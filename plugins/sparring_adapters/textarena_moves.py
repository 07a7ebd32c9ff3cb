"""Moves in TextArena's text: those it lists, and others that look like what it shows.

TextArena has no list of legal moves to ask for. Some of its games print one, and everything that they print is in brackets.
Where none is printed, a random player can still be made: games explain their moves by examples in brackets, and an example
with other numbers and letters is often a legal move. Whether it is, only the game can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sparring import Chance

_LIST = re.compile(r"(?:available|valid|legal)[ _](?:moves|actions)[^:\n]{0,40}:\s*(.*)", re.IGNORECASE)
_BRACKETS = re.compile(r"\[([^\[\]\n]{1,80})\]")
_NO_MOVE = re.compile(r"game|player\s*\w*", re.IGNORECASE)  # who speaks is in brackets too
_VARIED = re.compile(r"\d+|\b[A-Za-z]\b|[A-Ha-h](?=\d)")
_SPOKEN = ("I agree.", "I am not sure about that.", "What do you offer?", "Let us go on.", "plate")
_TRIED = 3000  # variations of examples before a random player gives up


def listed(texts: Sequence[str]) -> list[str] | None:
    """The legal moves that the last list in ``texts`` names, without brackets; None if there is no list."""
    for text in reversed(texts):
        for line in reversed(_LIST.findall(text)):
            found = [" ".join(move.split()) for move in _BRACKETS.findall(line)]
            if found:
                return list(dict.fromkeys(found))
    return None


def unbracketed(text: str) -> str:
    """A move without the one pair of brackets around all of it."""
    text = text.strip()
    inner = _BRACKETS.fullmatch(text)
    return inner[1].strip() if inner else text


def imagined(log: Sequence[str], chance: Chance) -> Iterator[str]:
    """Texts that may be legal moves, by the examples in what a player was told: as they stand, varied, or plain speech."""
    shown = [found.strip() for text in log for found in _BRACKETS.findall(text)]
    examples = sorted({example for example in shown if not _NO_MOVE.fullmatch(example)})
    for _ in range(_TRIED):
        if not examples or chance.pick(range(8)) == 0:
            yield chance.pick(_SPOKEN)
        else:
            example = chance.pick(examples)
            yield _varied(example, chance) if chance.pick(range(4)) else example


def _varied(example: str, chance: Chance) -> str:
    """The example with other numbers, at most twice as large or 9, and other single letters."""

    def other(found: re.Match[str]) -> str:
        old = found[0]
        if old.isdigit():
            return str(chance.pick(range(1 + chance.pick((1, 3, 9, 2 * int(old[:6]))))))  # small ones more often
        letters = "ABCDEFGH" if old.isupper() else "abcdefgh"
        return chance.pick(letters)

    return _VARIED.sub(other, example)
