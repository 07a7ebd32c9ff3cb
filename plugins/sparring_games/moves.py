"""How the bundled games read a move: letter case and surrounding space are ignored, all else must be exact.

Nothing is guessed from part of a text: a model that says "not bet" has not said "bet".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparring import GameError, Move, State

_SHOWN = 40  # characters of a refused text that its reason repeats


def read_moves(state: State, texts: Mapping[int, str]) -> dict[int, Move]:
    """Each player's text as one of its legal actions, or why it is none.

    Raises `GameError` if ``texts`` are not of exactly the players who move now.
    """
    if sorted(texts) != sorted(state.to_act()):
        raise GameError(f"moves of players {sorted(texts)} were applied where {sorted(state.to_act())} are to move")
    return {player: _read(text, state.legal_actions(player) or ()) for player, text in texts.items()}


def _read(text: str, legal: Sequence[str]) -> Move:
    wanted = text.strip().casefold()
    for action in legal:
        if wanted == action.casefold():
            return Move(action)
    shown = text.strip()
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return Move(None, f"{shown!r} is not one of the legal moves: {', '.join(legal)}")


def one_of(actions: Sequence[str]) -> str:
    """``"check or bet"``, ``"1, 2 or 3"``."""
    return actions[0] if len(actions) == 1 else f"{', '.join(actions[:-1])} or {actions[-1]}"
