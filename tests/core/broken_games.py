"""A plugin of games that break what they declare, one way each. Sound, it is a game of one hidden card each and a stake."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sparring import Chance, Game, GameInfo, Move, Outcome, Params, Register, hookimpl

INFO = GameInfo("stakes", ("first", "second"), "zero", (-2.0, 2.0), 2)


class Stakes:
    """Each gets a card from 1 to 3, says low or high once, and the higher card wins 1, or 2 if anyone said high."""

    info = INFO

    def __init__(self, params: Params) -> None:
        pass

    def new_state(self, chance: Chance) -> StakesState:
        cards = [chance.pick([1, 2, 3]) for _ in self.info.roles]
        return self.State(self, cards, [], chance)

    def restore(self, snapshot: str, chance: Chance) -> StakesState:
        return self.State(self, *json.loads(snapshot), chance)

    @property
    def State(self) -> type[StakesState]:  # noqa: N802  # a class
        return STATES.get(type(self), StakesState)


class StakesState:
    def __init__(self, game: Stakes, cards: list[int], said: list[str], chance: Chance) -> None:
        self.game, self.cards, self.said, self.chance = game, cards, said, chance
        self.info = game.info

    def to_act(self) -> tuple[int, ...]:
        return (len(self.said),) if len(self.said) < 2 else ()

    def observe(self, player: int) -> list[str]:
        return [f"Your card: {self.cards[player]}. low or high?", *(f"The other says {t}." for t in self.said[:player])]

    def legal_actions(self, player: int) -> list[str] | None:
        return ["low", "high"] if player in self.to_act() else []

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        ((player, text),) = moves.items()
        if text not in ("low", "high"):
            return {player: Move(None, "say low or high")}
        self.said.append(text)
        return {player: Move(text)}

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        stake = 2 if "high" in self.said else 1
        won = stake * ((self.cards[0] > self.cards[1]) - (self.cards[0] < self.cards[1]))
        return Outcome.of_returns((won, -won))

    def clone(self) -> StakesState:
        return type(self)(self.game, list(self.cards), list(self.said), self.chance.clone())

    def snapshot(self) -> str:
        return json.dumps([self.cards, self.said])


class SumOfOne(StakesState):
    def outcome(self) -> Outcome:
        return Outcome.of_returns((1, 0))


class BeyondBounds(StakesState):
    def outcome(self) -> Outcome:
        return Outcome.of_returns((5, -5))


class NoStakes(StakesState):
    def outcome(self) -> Outcome:
        return Outcome.of_returns([value / max(1, abs(value)) for value in super().outcome().returns])


class ListsIllegal(StakesState):
    def legal_actions(self, player: int) -> list[str] | None:
        return ["low", "high", "all in"] if player in self.to_act() else []


class ShowsCards(StakesState):
    def observe(self, player: int) -> list[str]:
        return [f"The cards are {self.cards}.", *super().observe(player)]


class Unseeded(StakesState):
    def outcome(self) -> Outcome:
        return Outcome.of_returns(random.choice([(1, -1), (-1, 1)]))


class Endless(StakesState):
    def to_act(self) -> tuple[int, ...]:
        return (len(self.said) % 2,)


class SharedClone(StakesState):
    def clone(self) -> StakesState:
        return type(self)(self.game, self.cards, self.said, self.chance)


class FirstWinsTies(StakesState):
    def outcome(self) -> Outcome:
        won = (2 if "high" in self.said else 1) * (1 if self.cards[0] >= self.cards[1] else -1)
        return Outcome.of_returns((won, -won))


class Forgetful(StakesState):
    def snapshot(self) -> str:
        return json.dumps([self.cards, []])


class Raises(StakesState):
    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = super().apply(moves)
        if self.said == ["high", "low"]:
            raise KeyError("pot")
        return read


class AnswersForOne(StakesState):
    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        return {0: next(iter(super().apply(moves).values()))}


#: For each game: its state, what differs in its info, and what the kit says.
BROKEN: dict[str, tuple[type[StakesState], dict[str, Any], str]] = {
    "sum_of_one": (SumOfOne, {}, "do not sum to 0"),
    "beyond_bounds": (BeyondBounds, {}, r"returns \(5.0, -5.0\) are not within bounds \(-2.0, 2.0\)"),
    "no_stakes": (NoStakes, {}, r"its whole tree pays from -1 to 1, yet bounds are \(-2.0, 2.0\)"),
    "lists_illegal": (ListsIllegal, {}, "refuses the legal move 'all in'"),
    "shows_cards": (ShowsCards, {}, "declares hidden information, yet in its whole tree whoever moves knows the state"),
    "unseeded": (Unseeded, {}, "the outcome differs|ends differently"),
    "endless": (Endless, {}, "it has not ended after max_turns=2 moves"),
    "shared_clone": (SharedClone, {}, "changed the"),
    "forgetful": (Forgetful, {}, "a restored snapshot differs from the original"),
    "not_symmetric": (FirstWinsTies, {"symmetric": True}, "is declared symmetric, yet players 0 and 1 cannot change places"),
    "not_perfect": (StakesState, {"perfect_information": True}, "yet the legal actions or state differ"),
    "raises": (Raises, {}, r"it raised KeyError: 'pot'"),
    "answers_for_one": (AnswersForOne, {}, r"apply answered for players \[0\], not \[1\]"),
}  # fmt: skip
GAMES: dict[str, type[Stakes]] = {
    name: type(name, (Stakes,), {"info": replace(INFO, name=name, **changes)})
    for name, (_, changes, _) in BROKEN.items()
}
STATES: dict[type[Stakes], type[StakesState]] = {GAMES[name]: state for name, (state, _, _) in BROKEN.items()}


@hookimpl
def sparring_register_games(register: Register[Game]) -> None:
    for name, made in {"stakes": Stakes, **GAMES}.items():
        register(name, made, Params)
