"""How the adapted games read a move: one of the listed texts, or its number.

Nothing is guessed from part of a text. Letter case and spare space are ignored where that leaves one listed move.
"""

from __future__ import annotations

from collections.abc import Mapping

from sparring import GameError, Move, State

_SHOWN = 40  # characters of a refused text that its reason repeats
_LISTED = 12  # legal moves that a reason repeats


def require_movers(state: State, texts: Mapping[int, str]) -> None:
    """Raises `GameError` if ``texts`` are not of exactly the players who move now."""
    if sorted(texts) != sorted(state.to_act()):
        raise GameError(f"moves of players {sorted(texts)} were applied where {sorted(state.to_act())} are to move")


def numbers_said(listed: Mapping[str, int]) -> bool:
    """Whether a bare number may be said instead of a text: not where some text has a digit.

    In goofspiel "3" would be the card, and not the number of some other one.
    """
    return not any(character.isdigit() for text in listed for character in text)


def read_listed(text: str, listed: Mapping[str, int]) -> Move:
    """The text as one of ``listed`` (texts with their numbers), or why it is none."""
    said = " ".join(text.split())
    if said in listed:
        return Move(said)
    found = [action for action in listed if action.casefold() == said.casefold()]
    if len(found) == 1:
        return Move(found[0])
    if said.isdigit() and numbers_said(listed):
        for action, number in listed.items():
            if int(said) == number:
                return Move(action)
    some = list(listed)[:_LISTED]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return Move(None, f"{shown(text)} is not one of the legal moves: {', '.join(some)}{more}")


def shown(text: str) -> str:
    """A refused text as a reason repeats it: in quotes, its end cut off if it is long."""
    text = text.strip()
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def question(listed: Mapping[str, int]) -> str:
    """What asks for a move: every legal one, with its number where that may be said instead."""
    if not numbers_said(listed):
        return f"Legal moves: {'; '.join(listed)}. Say one of them."
    return f"Legal moves: {'; '.join(f'{n} = {text}' for text, n in listed.items())}. Say one of them, or its number."


def unique(texts: Mapping[int, str]) -> dict[str, int]:
    """Texts to numbers, from numbers to texts; a text that is empty or that several numbers share gets its number added."""
    plain = {number: " ".join(text.split()) for number, text in texts.items()}
    shared = {text for text in plain.values() if not text or list(plain.values()).count(text) > 1}
    return {f"{text or 'move'} ({number})" if text in shared else text: number for number, text in plain.items()}


def one_line(error: BaseException) -> str:
    """An error of somebody else's library, its line breaks gone."""
    return " ".join(str(error).split()) or type(error).__name__
