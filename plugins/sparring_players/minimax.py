"""The player `minimax`: perfect play in two-player zero-sum games without chance or hidden information.

Alpha-beta search (Knuth and Moore 1975) to the end of the game, by `State.clone` and `State.apply`; so for small games
only: from an empty board tic-tac-toe takes about a second, once. Best moves are kept by snapshot. Of several it plays
each equally often, which keeps matches against it from being all the same.
"""

from __future__ import annotations

import math

from sparring import Chance, Game, GameInfo, Params, Player, SparringError, State


class MinimaxParams(Params):
    """It has no parameters."""


class Minimax:
    """Plays perfectly in small two-player zero-sum games without chance or hidden information."""

    def __init__(self, params: MinimaxParams) -> None:
        self.params = params
        self._best: dict[tuple[str, str], list[str]] = {}  # (game, snapshot) -> the best moves

    def playing(self, game: Game) -> Player:
        _require_playable(game.info)
        return self

    def act(self, player: int, state: State, chance: Chance) -> str:
        info = state.info
        _require_playable(info)
        key = (info.name, state.snapshot())
        if key not in self._best:
            self._best[key] = _best_moves(state, player)
        return chance.pick(self._best[key])


def _require_playable(info: GameInfo) -> None:
    two = info.players == 2 and info.utility in ("zero", "constant")
    if not two or not info.perfect_information or info.simultaneous:
        raise SparringError(
            f"the player minimax plays two-player zero-sum games of perfect information, one move at a time; {info.name} is none"
        )


def _best_moves(state: State, player: int) -> list[str]:
    best, moves = -math.inf, list[str]()
    for action in state.legal_actions(player) or ():
        # Just below the best so far, so that an equally good move is told from a worse one.
        value = _value(_after(state, player, action), player, math.nextafter(best, -math.inf), math.inf)
        if value > best:
            best, moves = value, []
        if value == best:
            moves.append(action)
    return moves


def _value(state: State, player: int, low: float, high: float) -> float:
    """What the player gets with best play of both; beyond ``low`` or ``high`` only a bound on that side of it."""
    players = state.to_act()
    if not players:
        return state.outcome().returns[player]
    mine = players[0] == player
    value = -math.inf if mine else math.inf
    for action in state.legal_actions(players[0]) or ():
        found = _value(_after(state, players[0], action), player, low, high)
        if mine:
            value = max(value, found)
            low = max(low, value)
        else:
            value = min(value, found)
            high = min(high, value)
        if low >= high:
            break
    return value


def _after(state: State, player: int, action: str) -> State:
    child = state.clone()
    child.apply({player: action})
    return child
