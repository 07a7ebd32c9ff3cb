"""Tiny Hanabi: two players who want the same, each holding a card that the other does not see.

Player 0 sees its card and chooses; player 1 sees its own card and that choice, and chooses. A table says what both get, by
the two cards and the two choices. What player 0 does is all that it can say of its card. It is OpenSpiel's
``tiny_hanabi``, with its parameters and its default table, in which best play is worth 10.
Source: Foerster et al. 2019, "Bayesian Action Decoder", arXiv:1811.01458.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import one_of, read_moves
from sparring_games.text_state import TextState

_DEFAULT = (
    10, 0, 0, 4, 8, 4, 10, 0, 0,
    0, 0, 10, 4, 8, 4, 0, 0, 10,
    0, 0, 10, 4, 8, 4, 0, 0, 0,
    10, 0, 0, 4, 8, 4, 10, 0, 0,
)  # fmt: skip
_LETTERS = "ABCDEF"


class TinyHanabiParams(Params):
    num_chance: int = Field(2, ge=1, le=9, description="Cards that a player may get, each equally likely.")
    num_actions: int = Field(3, ge=1, le=len(_LETTERS), description="Choices of each player.")
    payoff: tuple[int, ...] = Field(
        _DEFAULT,
        description="What both get: for each card of player 0, each card of player 1, each choice of player 0 and each of player 1 "
        "in turn.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = (self.num_chance * self.num_actions) ** 2
        if len(self.payoff) != wanted:
            raise ValueError(
                f"payoff has {len(self.payoff)} numbers; {self.num_chance} cards and {self.num_actions} choices need {wanted}"
            )
        return self


class TinyHanabi:
    """Tiny Hanabi: two players who want the same, each holding a card that the other does not see."""

    def __init__(self, params: TinyHanabiParams) -> None:
        self.params = params
        self.cards = [str(card + 1) for card in range(params.num_chance)]
        self.choices = list(_LETTERS[: params.num_actions])
        table = ";".join(map(str, params.payoff))
        numbers = {text: number for texts in (self.cards, self.choices) for number, text in enumerate(texts)}
        self.info = GameInfo(
            name="tiny_hanabi",
            roles=("player_0", "player_1"),
            utility="identical",
            bounds=(float(min(params.payoff)), float(max(params.payoff))),
            max_turns=2,
            twin=Twin(
                f"tiny_hanabi(num_chance={params.num_chance},num_actions={params.num_actions},payoff={table})", numbers
            ),
        )
        lines = [
            f"cards {a} and {b}: "
            + ", ".join(f"{x}{y} {self.amount(a, b, x, y)}" for x in self.choices for y in self.choices)
            for a in self.cards
            for b in self.cards
        ]
        head = (
            "Tiny Hanabi: two players who both get the same. Each holds a card, hidden from the other. player_0 chooses, then "
            "player_1, who is told that choice. What both get, by player_0's card, player_1's card and the choices of both:"
        )
        self.rules = "\n".join([head, *lines])

    def amount(self, first: str, second: str, choice: str, answer: str) -> int:
        """What both get, for the cards and the choices of player 0 and player 1."""
        n = self.params.num_actions
        cards = self.cards.index(first) * self.params.num_chance + self.cards.index(second)
        return self.params.payoff[(cards * n + self.choices.index(choice)) * n + self.choices.index(answer)]

    def new_state(self, chance: Chance) -> HanabiState:
        state = HanabiState(self, chance)
        state.deal()
        return state

    def restore(self, snapshot: str, chance: Chance) -> HanabiState:
        return HanabiState(self, chance).load(snapshot)


class HanabiState(TextState[TinyHanabi]):
    kept = ("cards", "chosen")

    def __init__(self, game: TinyHanabi, chance: Chance) -> None:
        super().__init__(game, chance)
        self.cards: list[str] = []  # of player 0 and 1
        self.chosen: list[str] = []  # by player 0 and 1

    def to_act(self) -> tuple[int, ...]:
        return (len(self.chosen),) if len(self.chosen) < 2 else ()

    def legal_actions(self, player: int) -> list[str]:
        return list(self.game.choices) if player in self.to_act() else []

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        self.chosen.append(action)
        if actor == 0:
            self.tell(1, [f"player_0 chooses {action}.", self._ask()])
        else:
            for player in range(2):
                shown = f"player_{1 - player} had {self.cards[1 - player]}"
                chose = f" and chose {action}" if player == 0 else ""
                self.tell(player, [f"{shown}{chose}. Both get {self._amount()}."])
        return read

    def outcome(self) -> Outcome:
        amount = self._amount()
        cards, chosen = " and ".join(self.cards), "".join(self.chosen)
        return Outcome.of_returns((amount, amount), f"cards {cards}: {chosen}")

    def deal(self) -> None:
        """Give each player a card, and tell it."""
        self.cards = [self.chance.pick(self.game.cards) for _ in range(2)]
        for player in range(2):
            mine = f"You are player_{player}. Your card: {self.cards[player]}."
            self.tell(player, [self.game.rules, mine, self._ask() if player == 0 else ""])

    def _ask(self) -> str:
        return f"Choose {one_of(self.game.choices)}."

    def _amount(self) -> int:
        return self.game.amount(*self.cards, *self.chosen)
