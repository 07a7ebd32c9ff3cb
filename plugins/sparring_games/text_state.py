"""What the states of the text games share: a log for each player, and copies by way of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from sparring import Chance, GameInfo


class HasInfo(Protocol):
    @property
    def info(self) -> GameInfo: ...


G = TypeVar("G", bound=HasInfo)


class TextState(Generic[G]):
    """One match whose attributes named in ``kept`` are JSON values and say, with the logs, all there is to say."""

    kept: ClassVar[tuple[str, ...]] = ()

    def __init__(self, game: G, chance: Chance) -> None:
        self.game, self.chance = game, chance
        self.logs: list[list[str]] = [[] for _ in game.info.roles]

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def rewards(self) -> list[float]:
        return [0.0] * self.info.players

    def snapshot(self) -> str:
        return json.dumps({name: getattr(self, name) for name in ("logs", *self.kept)})

    def load(self, snapshot: str) -> Self:
        """Become the state that a snapshot was made of."""
        for name, value in json.loads(snapshot).items():
            setattr(self, name, value)
        return self

    def clone(self) -> Self:
        return type(self)(self.game, self.chance.clone()).load(self.snapshot())

    def tell(self, player: int, lines: Sequence[str]) -> None:
        """Add one entry to a player's log, its empty lines left out."""
        self.logs[player].append("\n".join(filter(None, lines)))
