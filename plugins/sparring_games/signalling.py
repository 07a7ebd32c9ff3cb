"""Signalling: a sender sees an object and says one symbol; a receiver hears it and picks an object. Both want the same one.

No symbol means anything by itself. Every pairing of objects with symbols is as good as any other, so two that learn together
agree on one by accident and two that learned apart do not: with as many symbols as objects a pair that shares its convention gets
1, and a sender and a receiver whose conventions have nothing to do with each other get one in as many as there are objects.
Source: Lewis 1969, "Convention", chapter IV.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import one_of, read_moves
from sparring_games.text_state import TextState

# No object begins with a symbol, or a model that can spell would have a convention before it plays.
_SYMBOLS = "klmnopqrstuvwxyz"
_OBJECTS = ("apple", "bell", "candle", "drum", "egg", "flag", "glove", "hat", "ink", "jar")


class SignallingParams(Params):
    objects: int = Field(
        4, ge=2, le=len(_OBJECTS), description="Objects; each is as likely to be the one that is seen."
    )
    symbols: int = Field(4, ge=2, le=16, description="Symbols that can be said: letters from k on.")
    wording: Literal["plain", "terse"] = Field(
        "plain",
        description="plain is short sentences; terse leaves the rules out, for tiny models that learn them by playing.",
    )


class Signalling:
    """Signalling: a sender sees an object and says one symbol; a receiver hears it and picks an object."""

    def __init__(self, params: SignallingParams) -> None:
        self.params = params
        self.objects = list(_OBJECTS[: params.objects])
        self.symbols = list(_SYMBOLS[: params.symbols])
        self.info = GameInfo(
            name="signalling", roles=("sender", "receiver"), utility="identical", bounds=(0.0, 1.0), max_turns=2
        )
        self.terse = params.wording == "terse"
        self.rules = (
            f"signalling {params.objects} {params.symbols}"
            if self.terse
            else "Signalling: two players who both get the same. The sender sees an object and says one symbol; the receiver hears "
            "the symbol, not the object, and picks an object. Both get 1 if it is the one that was seen, else 0.\n"
            f"Objects: {', '.join(self.objects)}. Symbols: {', '.join(self.symbols)}."
        )

    @property
    def best(self) -> float:
        """What the best convention is worth: a symbol can be understood as one object only."""
        return min(self.params.symbols, self.params.objects) / self.params.objects

    def new_state(self, chance: Chance) -> SignallingState:
        state = SignallingState(self, chance)
        state.show()
        return state

    def restore(self, snapshot: str, chance: Chance) -> SignallingState:
        return SignallingState(self, chance).load(snapshot)


class SignallingState(TextState[Signalling]):
    kept = ("seen", "said", "picked")

    def __init__(self, game: Signalling, chance: Chance) -> None:
        super().__init__(game, chance)
        self.seen = self.said = self.picked = ""

    def to_act(self) -> tuple[int, ...]:
        return () if self.picked else (1 if self.said else 0,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        return list(self.game.symbols if player == 0 else self.game.objects)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        if actor == 0:
            self.said = action
            told = f"The sender says {action}. Pick {one_of(self.game.objects)}."
            self.tell(1, [f"hears {action}" if self.game.terse else told])
        else:
            self.picked = action
            for player, told in ((0, f"The receiver picks {action}"), (1, f"The sender saw {self.seen}")):
                self.tell(player, [f"{told}. Both get {self._amount():g}."])
        return read

    def outcome(self) -> Outcome:
        kind: Literal["win", "loss"] = "win" if self._amount() else "loss"
        return Outcome((self._amount(),) * 2, (kind, kind), reason=f"{self.seen}: {self.said}, {self.picked}")

    def show(self) -> None:
        """Draw the object, and tell the sender."""
        self.seen = self.chance.pick(self.game.objects)
        told = f"You are the sender. You see: {self.seen}. Say {one_of(self.game.symbols)}."
        self.tell(0, [self.game.rules, f"sees {self.seen}" if self.game.terse else told])
        self.tell(1, [self.game.rules, "" if self.game.terse else "You are the receiver."])

    def _amount(self) -> float:
        return float(self.picked == self.seen)
