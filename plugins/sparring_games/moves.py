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
    require_movers(state, texts)
    return {player: read_listed(text, state.legal_actions(player) or ()) for player, text in texts.items()}


def require_movers(state: State, texts: Mapping[int, str]) -> None:
    """Raises `GameError` if ``texts`` are not of exactly the players who move now."""
    if texts.keys() != set(state.to_act()):
        raise GameError(f"moves of players {sorted(texts)} were applied where {sorted(state.to_act())} are to move")


def read_listed(text: str, legal: Sequence[str]) -> Move:
    """The text as one of ``legal``, or why it is none."""
    wanted = text.strip().casefold()
    for action in legal:
        if wanted == action.casefold():
            return Move(action)
    return Move(None, f"{shown(text)} is not one of the legal moves: {', '.join(legal)}")


def shown(text: str) -> str:
    """A refused text as its reason repeats it: in quotes, its end cut off if it is long."""
    text = text.strip()
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def bare(text: str) -> str:
    """A short move without what people put around it: letter case, brackets, final dots, spare space."""
    return " ".join(text.strip().strip("[].!").casefold().split())


def one_of(actions: Sequence[str]) -> str:
    """``"check or bet"``, ``"1, 2 or 3"``."""
    return actions[0] if len(actions) == 1 else f"{', '.join(actions[:-1])} or {actions[-1]}"
