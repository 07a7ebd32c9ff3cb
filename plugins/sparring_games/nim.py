"""Nim: take as many as you like from one pile; who takes the last one wins, or in misère play loses.

Piles are called A, B, C and so on. A move is a pile and how many to take from it, as ``B3``. Every turn a player is told the
other's move and the piles. It is OpenSpiel's ``nim``. Who is to move wins with best play unless the sizes' exclusive or is
zero; in misère play that is reversed once every pile has one at most (Bouton 1901).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import bare, read_moves
from sparring_games.text_state import TextState

_LETTERS = "ABCDEFGHI"
_TAKES = re.compile(r"(?:i )?(?:take )?(\d+) (?:from|of) (?:pile )?([a-z])")
_PILE = re.compile(r"(?:pile )?([a-z])(?: take|:)? ?(\d+)")


class NimParams(Params):
    pile_sizes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=20)], ...], Field(min_length=1, max_length=len(_LETTERS))
    ] = Field((1, 3, 5, 7), description="How many there are in each pile.")
    misere: bool = Field(True, description="Who takes the last one loses; otherwise wins.")


class Nim:
    """Nim: take as many as you like from one pile; who takes the last one loses, or wins."""

    def __init__(self, params: NimParams) -> None:
        self.params = params
        piles = _LETTERS[: len(params.pile_sizes)]
        self.piles = piles
        sizes = ";".join(map(str, params.pile_sizes))
        takes = {
            f"{pile}{take}": (take - 1) * len(piles) + number
            for number, pile in enumerate(piles)
            for take in range(1, params.pile_sizes[number] + 1)
        }
        self.info = GameInfo(
            name="nim",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-1.0, 1.0),
            max_turns=sum(params.pile_sizes),
            perfect_information=True,
            # OpenSpiel reads the sizes of a single pile as a number, and refuses them.
            twin=Twin(f"nim(pile_sizes={sizes},is_misere={str(params.misere).lower()})", takes)
            if len(piles) > 1
            else None,
        )
        last = "loses" if params.misere else "wins"
        self.rules = (
            "Nim: in turn, take one or more from one pile. Who takes the very last one "
            f"{last}. To take two from pile {piles[-1]} say {piles[-1]}2."
        )

    def new_state(self, chance: Chance) -> NimState:
        state = NimState(self, chance)
        state.tell(0, [self.rules, "You begin.", state.drawn()])
        state.tell(1, [self.rules, "Your opponent begins."])
        return state

    def restore(self, snapshot: str, chance: Chance) -> NimState:
        return NimState(self, chance).load(snapshot)


class NimState(TextState[Nim]):
    kept = ("sizes", "moves")

    def __init__(self, game: Nim, chance: Chance) -> None:
        super().__init__(game, chance)
        self.sizes = list(game.params.pile_sizes)
        self.moves: list[str] = []

    def to_act(self) -> tuple[int, ...]:
        return (len(self.moves) % 2,) if any(self.sizes) else ()

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        sizes = zip(self.game.piles, self.sizes, strict=True)
        return [f"{pile}{take}" for pile, size in sizes for take in range(1, size + 1)]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: _spelled(text) for player, text in moves.items()})
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        other = 1 - actor
        pile, count = action[0], int(action[1:])
        self.sizes[self.game.piles.index(pile)] -= count
        self.moves.append(action)
        told = f"Your opponent takes {count} from {pile}."
        if self.to_act():
            self.tell(other, [told, self.drawn()])
            return read
        for player in (actor, other):
            self.tell(
                player, [told if player == other else "", "You win." if self._winner() == player else "You lose."]
            )
        return read

    def outcome(self) -> Outcome:
        reason = f"player_{1 - len(self.moves) % 2} takes the last one"
        return Outcome.of_returns((1, -1) if self._winner() == 0 else (-1, 1), reason)

    def drawn(self) -> str:
        """The piles that are left, a line each, and the question."""
        piles = [f"{p}: {'|' * size} ({size})" for p, size in zip(self.game.piles, self.sizes, strict=True) if size]
        return "\n".join([*piles, "Say a pile and how many to take."])

    def _winner(self) -> int:
        last = 1 - len(self.moves) % 2
        return 1 - last if self.game.params.misere else last


def _spelled(text: str) -> str:
    """A move as the game writes it: "take 3 from B" and "pile B: 3" are ``B3``."""
    said = bare(text)
    if found := _TAKES.fullmatch(said):
        return f"{found[2]}{int(found[1])}"
    found = _PILE.fullmatch(said)
    return f"{found[1]}{int(found[2])}" if found else said or text
