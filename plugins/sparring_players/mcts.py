"""The player `mcts`: Monte-Carlo tree search with random playouts, over any game that lists its legal moves.

UCT (Kocsis and Szepesvári 2006, "Bandit based Monte-Carlo Planning"), in the form for several players, chance, hidden information
and moves at once of Cowling, Powley and Whitehouse (2012), "Information Set Monte Carlo Tree Search" (MO-ISMCTS): what is counted
is kept by who moves and what that player has been told, and each of the players looks for its own return.

It never looks at what it may not know. A simulation does not copy the match, whose chance would then tell the dice to come: it
restores it with a chance of its own. Where something is hidden, that is drawn anew too, by the game: see `Resampled`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import Field

from sparring import Chance, Game, GameError, Params, Player, SeededChance, SparringError, State, random_action

_CAN = (
    "it can play games that list their legal moves and hide nothing, such as tic_tac_toe, connect_four, nim and pig, and games "
    "whose states have resample(player, chance), such as a single hand of kuhn_poker"
)


@runtime_checkable
class Resampled(Protocol):
    """A state of a game with hidden information that can be drawn anew as one of its players sees it."""

    def resample(self, player: int, chance: Chance) -> State:
        """Another state in which ``player`` has made the same moves and been told the same.

        What the player may not know is drawn from ``chance``, as likely as the rules have made it; so is all that is still to
        come. Raises `SparringError` if the game cannot tell.
        """
        ...


class MctsParams(Params):
    simulations: int = Field(
        200, ge=1, description="Playouts for a move; the cost of a move grows with them, and its quality."
    )
    exploration: float = Field(
        math.sqrt(2),
        ge=0,
        description="How much moves that were tried rarely are preferred, with returns scaled to 0 to 1 (UCT's constant).",
    )


@dataclass(slots=True)
class _Tried:
    """How often a move was chosen, and the scaled returns it brought, added up."""

    visits: int = 0
    total: float = 0.0


@dataclass(slots=True)
class _Node:
    """What one player knows at one of its turns, and what its moves there have brought."""

    moves: dict[str, _Tried] = field(default_factory=dict)
    visits: int = 0

    def choose(self, legal: Sequence[str], exploration: float, chance: Chance) -> str:
        untried = [move for move in legal if move not in self.moves]
        if untried:
            return chance.pick(untried)
        wide = exploration * math.sqrt(math.log(self.visits))
        tried = [self.moves[move] for move in legal]
        bounds = [move.total / move.visits + wide / math.sqrt(move.visits) for move in tried]
        best = max(bounds)
        # By chance among equals: players who move at once would otherwise go through their moves in step.
        return chance.pick([move for move, bound in zip(legal, bounds, strict=True) if bound == best])

    def learn(self, move: str, value: float) -> None:
        tried = self.moves.setdefault(move, _Tried())
        tried.visits += 1
        tried.total += value
        self.visits += 1


# Who moves, all it has been told, and its own moves since the search began, which a log does not repeat.
_Key = tuple[int, tuple[str, ...], tuple[str, ...]]


class Mcts:
    """Plays by Monte-Carlo tree search with random playouts; stronger the more of them it is given.

    It plays games that list their legal moves and hide nothing, chance and moves at once included, and of the others those whose
    states can draw anew what a player may not know; of the bundled ones that is a single hand of ``kuhn_poker``. Equal chances
    give equal moves. Where players should mix their moves, as in poker, it plays well but not unpredictably.
    """

    def __init__(self, params: MctsParams) -> None:
        self.params = params

    def playing(self, game: Game) -> Player:
        return _Search(self.params, game)

    def act(self, player: int, state: State, chance: Chance) -> str:
        raise SparringError("the player mcts must know the game; ask its playing(game) for a player of it")


class _Search:
    """The search in one game. What is found for a move is forgotten after it."""

    def __init__(self, params: MctsParams, game: Game) -> None:
        self.params, self._game = params, game
        info = game.info
        self._low, self._span = info.bounds[0], (info.bounds[1] - info.bounds[0]) or 1.0
        chance = SeededChance("mcts", info.name)
        state = game.new_state(chance)
        if not info.perfect_information and not isinstance(state, Resampled):
            raise SparringError(
                f"the player mcts must not look at what {info.name} hides, and the game cannot draw it anew; {_CAN}"
            )
        for _ in range(info.max_turns):
            if not (players := state.to_act()):
                break
            self._imagine(state, players[0], chance)
            if any(state.legal_actions(player) is None for player in players):
                raise SparringError(f"in {info.name} moves are free text, which the player mcts cannot try; {_CAN}")
            state.apply({player: random_action(state, player, chance) for player in players})

    def act(self, player: int, state: State, chance: Chance) -> str:
        legal = self._legal(state, player)
        if len(legal) == 1:
            return legal[0]
        key = chance.pick(range(1 << 62))
        tree: dict[_Key, _Node] = {}
        for number in range(self.params.simulations):
            simulated = SeededChance("mcts", key, number)
            self._simulate(self._imagine(state, player, simulated), tree, simulated)
        root = tree.get((player, tuple(state.observe(player)), ()))
        if root is None:
            raise GameError(
                f"resample of {state.info.name} changed what player {player} had been told: its log must stay the same"
            )
        moves = root.moves
        most = max(tried.visits for tried in moves.values())
        return chance.pick([move for move in legal if move in moves and moves[move].visits == most])

    def _imagine(self, state: State, player: int, chance: Chance) -> State:
        """A state that the player could be in, for all it knows; what comes next is drawn from ``chance``."""
        if self._game.info.perfect_information:
            return self._game.restore(state.snapshot(), chance)
        assert isinstance(state, Resampled)
        return state.resample(player, chance)

    def _legal(self, state: State, player: int) -> list[str]:
        legal = state.legal_actions(player)
        if not legal:
            raise SparringError(
                f"the player mcts needs a list of the legal moves of player {player} of {state.info.name}, and there is none; {_CAN}"
            )
        return legal

    def _simulate(self, state: State, tree: dict[_Key, _Node], chance: Chance) -> None:
        """One playout: down the tree by `_Node.choose`, one node further, then at random to the end."""
        path: list[tuple[int, _Node, str]] = []
        own: dict[int, tuple[str, ...]] = {}
        grown = False
        for _ in range(self._game.info.max_turns):
            players = state.to_act()
            if not players:
                break
            if grown:
                state.apply({player: random_action(state, player, chance) for player in players})
                continue
            moves: dict[int, str] = {}
            for player in players:
                key = (player, tuple(state.observe(player)), own.get(player, ()))
                if key not in tree:
                    grown = True
                    tree[key] = _Node()
                moves[player] = tree[key].choose(self._legal(state, player), self.params.exploration, chance)
                path.append((player, tree[key], moves[player]))
                own[player] = (*key[2], moves[player])
            state.apply(moves)
        # A match that is cut off pays nothing.
        returns = state.outcome().returns if not state.to_act() else (0.0,) * self._game.info.players
        for player, node, move in path:
            node.learn(move, (returns[player] - self._low) / self._span)
