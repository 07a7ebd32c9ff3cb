"""Moves in TextArena's text: those it lists, and others that look like what it shows.

TextArena has no list of legal moves to ask for. Some of its games print one, some a board that says as much; each reader here
takes what a player was told since its last move, and gives the legal moves without brackets, or None if they are not there.
Where none is printed, a random player can still be made: games explain their moves by examples in brackets, and an example
with other numbers and letters is often a legal move. Whether it is, only the game can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sparring import Chance

_LIST = re.compile(r"(?:available|valid|legal)[ _](?:moves|actions)[^:\n]{0,40}:\s*(.*)", re.IGNORECASE)
_BRACKETS = re.compile(r"\[([^\[\]\n]{1,80})\]")
_VARIED = re.compile(r"\d+|\b[A-Za-z]\b|[A-Ha-h](?=\d)")
_PILE = re.compile(r"pile (\d+): (\d+)")
_TOP = re.compile(r"^[\d ]+\n-+\n([.XO ]+)$", re.MULTILINE)
_SQUARES = re.compile(r"([a-h])(\d)( ?)([a-h])(\d)")  # from one square to another
_SPOKEN = ("I agree.", "I am not sure about that.", "What do you offer?", "Let us go on.", "plate")
_TRIED = 10_000  # variations of examples before a random player gives up


def listed(texts: Sequence[str]) -> list[str] | None:
    """The legal moves by the newest list, such as ``Available Moves: [0], [4]``."""
    for text in reversed(texts):
        for line in reversed(_LIST.findall(text)):
            found = [" ".join(move.split()) for move in _BRACKETS.findall(line)]
            if found:
                return list(dict.fromkeys(found))
    return None


def piles(texts: Sequence[str]) -> list[str] | None:
    """Of Nim, by the newest lines such as ``pile 1: 4``: a pile and how many to take."""
    for text in reversed(texts):
        sizes = dict(_PILE.findall(text))
        if sizes:
            return [f"{pile} {take}" for pile, size in sizes.items() for take in range(1, int(size) + 1)]
    return None


def columns(texts: Sequence[str]) -> list[str] | None:
    """Of Connect Four, by the top row of the newest board: the columns that are not full."""
    for text in reversed(texts):
        top = _TOP.search(text)
        if top:
            return [f"col {column}" for column, disc in enumerate(top[1].split()) if disc == "."]
    return None


def unbracketed(text: str) -> str:
    """A move without the one pair of brackets around all of it."""
    text = text.strip()
    inner = _BRACKETS.fullmatch(text)
    return inner[1].strip() if inner else text


def imagined(log: Sequence[str], more: Sequence[str], chance: Chance) -> Iterator[str]:
    """Texts that may be legal moves, by examples, those in what a player was told and ``more``: in brackets, as
    they stand or varied; or speech."""
    examples = sorted({*more, *(found.strip() for text in log for found in _BRACKETS.findall(text))})
    for _ in range(_TRIED):
        if not examples or chance.pick(range(8)) == 0:
            yield chance.pick(_SPOKEN)
        else:
            example = chance.pick(examples)
            yield f"[{_varied(example, chance) if chance.pick(range(4)) else example}]"


def _varied(example: str, chance: Chance) -> str:
    """The example with other numbers, at most twice as large or 9, and other single letters; squares not far apart."""
    squares = _SQUARES.fullmatch(example)
    if squares and chance.pick(range(4)):
        column, row = chance.pick(range(8)), chance.pick(range(1, 9))
        across, up = chance.pick(range(-2, 3)), chance.pick(range(-2, 3))
        return f"{'abcdefgh'[column]}{row}{squares[3]}{'abcdefgh'[(column + across) % 8]}{abs(row + up)}"

    def other(found: re.Match[str]) -> str:
        old = found[0]
        if old.isdigit():
            return str(chance.pick(range(1 + chance.pick((1, 3, 9, 9, 2 * int(old[:6]))))))  # small ones more often
        letters = "ABCDEFGH" if old.isupper() else "abcdefgh"
        return chance.pick(letters)

    return _VARIED.sub(other, example)
