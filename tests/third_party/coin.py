"""A whole plugin in one file: used with `--plugin coin.py`, nothing installed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import Field

from sparring import Chance, Game, GameInfo, Move, Outcome, Params, Register, hookimpl


class CoinParams(Params):
    heads: float = Field(0.7, ge=0, le=1, description="Probability of heads.")


class Coin:
    """Call a coin that is not fair; one player."""

    def __init__(self, params: CoinParams) -> None:
        self.params = params
        self.info = GameInfo("coin", ("caller",), "general", (0.0, 1.0), max_turns=1)

    def new_state(self, chance: Chance) -> CoinState:
        fell = chance.pick(["heads", "tails"], [self.params.heads, 1 - self.params.heads])
        return CoinState(self, fell, "")

    def restore(self, snapshot: str, chance: Chance) -> CoinState:
        return CoinState(self, *json.loads(snapshot))


class CoinState:
    def __init__(self, game: Coin, fell: str, called: str) -> None:
        self.game, self.fell, self.called = game, fell, called

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.called else (0,)

    def observe(self, player: int) -> list[str]:
        return ["Heads or tails?", f"It is {self.fell}."] if self.called else ["Heads or tails?"]

    def legal_actions(self, player: int) -> list[str]:
        return [] if self.called else ["heads", "tails"]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        said = moves[0].strip().lower()
        if said not in ("heads", "tails"):
            return {0: Move(None, f"{said[:40]!r} is neither heads nor tails")}
        self.called = said
        return {0: Move(said)}

    def rewards(self) -> list[float]:
        return [0.0]

    def outcome(self) -> Outcome:
        return Outcome.of_returns([float(self.called == self.fell)], f"it is {self.fell}")

    def clone(self) -> CoinState:
        return CoinState(self.game, self.fell, self.called)

    def snapshot(self) -> str:
        return json.dumps([self.fell, self.called])


@hookimpl
def sparring_register_games(register: Register[Game]) -> None:
    register("coin", Coin, CoinParams)
