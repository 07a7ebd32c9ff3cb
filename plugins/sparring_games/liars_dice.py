"""Liar's dice: dice under cups, bids on all of them, and a call of "liar".

Both players roll ``numdice`` dice and see only their own. A bid such as ``2x4`` says that among all dice at least two show
a four; the highest face is wild and counts as every face. Bids rise: more dice of any face, or as many of a higher face.
Instead of bidding one may say ``liar``: then dice are shown, and the bidder wins if the bid holds, else who doubted it.
It is OpenSpiel's ``liars_dice``. With four faces it has 1,024 positions to decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import bare, read_moves
from sparring_games.text_state import TextState

_BID = re.compile(r"(?:i )?(?:bid )?(\d+) ?(?:x|-|times|of)? ?(\d+)s?")
_DOUBTS = ("call liar", "i call liar", "you are a liar", "doubt")


class LiarsDiceParams(Params):
    numdice: int = Field(1, ge=1, le=5, description="Dice of each player.")
    dice_sides: int = Field(6, ge=2, le=9, description="Faces of a die; the highest is wild.")


class LiarsDice:
    """Liar's dice: bid on all dice, seeing only your own, or call the last bid a lie."""

    def __init__(self, params: LiarsDiceParams) -> None:
        self.params = params
        faces = range(1, params.dice_sides + 1)
        self.bids = [f"{count}x{face}" for count in range(1, 2 * params.numdice + 1) for face in faces]
        numbers = {text: number for number, text in enumerate([*self.bids, "liar"])}
        self.info = GameInfo(
            name="liars_dice",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-1.0, 1.0),
            max_turns=len(self.bids) + 1,
            twin=Twin(
                f"liars_dice(numdice={params.numdice},dice_sides={params.dice_sides})",
                {**numbers, **{str(face): face - 1 for face in faces}},
            ),
        )
        dice = "a die" if params.numdice == 1 else f"{params.numdice} dice"
        self.rules = (
            f"Liar's dice: each player rolls {dice} with faces 1 to {params.dice_sides} in secret. A bid 2x1 says: at least two "
            f"of all dice show 1. A {params.dice_sides} counts as every face. Each bid must be higher, by more dice or as many of "
            "a higher face. Say liar if you doubt the last bid: if it holds its bidder wins, else you."
        )

    def new_state(self, chance: Chance) -> DiceState:
        state = DiceState(self, chance)
        state.roll()
        return state

    def restore(self, snapshot: str, chance: Chance) -> DiceState:
        return DiceState(self, chance).load(snapshot)


class DiceState(TextState[LiarsDice]):
    kept = ("dice", "said")

    def __init__(self, game: LiarsDice, chance: Chance) -> None:
        super().__init__(game, chance)
        self.dice: list[list[int]] = []  # of player 0 and 1, in rising order
        self.said: list[str] = []  # bids, and "liar" at the end

    def to_act(self) -> tuple[int, ...]:
        return () if self.said[-1:] == ["liar"] else (len(self.said) % 2,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        bids = self.game.bids
        return [*bids[bids.index(self.said[-1]) + 1 :], "liar"] if self.said else list(bids)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: _spelled(text) for player, text in moves.items()})
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        other = 1 - actor
        self.said.append(action)
        if action != "liar":
            self.tell(other, [f"Your opponent bids {action}.", self._ask()])
            return read
        for player in (actor, other):
            theirs = " ".join(map(str, self.dice[1 - player]))
            self.tell(
                player,
                [
                    "Your opponent says liar." if player == other else "",
                    f"Your opponent has {theirs}. The bid {self.said[-2]} {'holds' if self._holds() else 'does not hold'}.",
                    "You win." if player == self._winner() else "You lose.",
                ],
            )
        return read

    def outcome(self) -> Outcome:
        returns = (1, -1) if self._winner() == 0 else (-1, 1)
        return Outcome.of_returns(returns, f"the bid {self.said[-2]} {'holds' if self._holds() else 'does not hold'}")

    def roll(self) -> None:
        """Roll the dice and tell each player its own."""
        faces = range(1, self.game.params.dice_sides + 1)
        self.dice = [sorted(self.chance.pick(faces) for _ in range(self.game.params.numdice)) for _ in range(2)]
        for player in range(2):
            mine = " ".join(map(str, self.dice[player]))
            self.tell(player, [self.game.rules, f"You rolled {mine}.", self._ask() if player == 0 else ""])

    def _ask(self) -> str:
        bids = self.game.bids
        if not self.said:
            return f"Bid from {bids[0]} to {bids[-1]}."
        return "Say liar." if self.said[-1] == bids[-1] else f"Bid more, up to {bids[-1]}, or say liar."

    def _holds(self) -> bool:
        """Whether the last bid is true."""
        count, face = map(int, self.said[-2].split("x"))
        return sum(die in (face, self.game.params.dice_sides) for dice in self.dice for die in dice) >= count

    def _winner(self) -> int:
        bidder = len(self.said) % 2  # "liar" was said last, so the bid is the last but one
        return bidder if self._holds() else 1 - bidder


def _spelled(text: str) -> str:
    """A bid as the game writes it: "2 x 4", "2-4" and "I bid 2 4s" are ``2x4``."""
    said = bare(text)
    bid = _BID.fullmatch(said)
    return f"{int(bid[1])}x{int(bid[2])}" if bid else "liar" if said in _DOUBTS else said or text
