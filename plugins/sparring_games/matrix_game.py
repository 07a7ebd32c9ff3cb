"""Matrix games: both players choose at once, and a table says what each gets.

``payoffs[i][j]`` is for player 0 choosing action ``i`` and player 1 action ``j``: a pair ``[u0, u1]``, or one number,
what player 0 wins from player 1. A table whose pairs all sum to zero makes a zero-sum game, any other a general-sum
game. A player is told the whole table as it looks from its own side, and afterwards the other's choice and what it
gets. Who gets more has won. The default is rock, paper, scissors, whose only equilibrium is to play each a third of the
time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import one_of, read_moves

Payoff = float | tuple[float, float]
Actions = Annotated[tuple[str, ...], Field(min_length=1)]
_ROUNDING = 1e-9  # a table of decimals such as 0.1 and -0.1 sums to zero only nearly


class MatrixGameParams(Params):
    actions: Actions = Field(("rock", "paper", "scissors"), description="What player 0 can choose, one for each row.")
    column_actions: Actions | None = Field(
        None, description="What player 1 can choose, one for each column; None: the same as player 0."
    )
    payoffs: tuple[tuple[Payoff, ...], ...] = Field(
        ((0, -1, 1), (1, 0, -1), (-1, 1, 0)),
        description="Rows of pairs [player 0 gets, player 1 gets], or of numbers that player 0 wins from player 1.",
    )

    @property
    def choices(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The actions of player 0 and of player 1."""
        return self.actions, self.column_actions or self.actions

    @model_validator(mode="after")
    def _fits(self) -> Self:
        rows, columns = self.choices
        for actions in (rows, columns):
            # These would be legal and yet could not be said: moves are read without case and surrounding space.
            if len({action.strip().casefold() for action in actions}) < len(actions):
                raise ValueError(
                    f"two of the actions {list(actions)} read the same; letter case does not tell moves apart"
                )
            if any(action != action.strip() or not action for action in actions):
                raise ValueError(f"actions {list(actions)} must not be empty, nor begin or end with space")
        if len(self.payoffs) != len(rows):
            raise ValueError(
                f"payoffs has {len(self.payoffs)} rows, but player 0 has {len(rows)} actions: {list(rows)}"
            )
        for row, action in zip(self.payoffs, rows, strict=True):
            if len(row) != len(columns):
                raise ValueError(
                    f"the row of payoffs for {action!r} has {len(row)} entries, but player 1 has "
                    f"{len(columns)} actions: {list(columns)}"
                )
        return self


class MatrixGame:
    """Matrix games: both players choose at once, and a table says what each gets."""

    def __init__(self, params: MatrixGameParams) -> None:
        self.params = params
        self.choices = params.choices
        #: (action of player 0, action of player 1) -> what each gets
        self.table: dict[tuple[str, str], tuple[float, float]] = {}
        for row, first in zip(params.payoffs, self.choices[0], strict=True):
            for payoff, second in zip(row, self.choices[1], strict=True):
                self.table[first, second] = payoff if isinstance(payoff, tuple) else (payoff, 0.0 - payoff)  # not -0
        amounts = [amount for pair in self.table.values() for amount in pair]
        self.zero_sum = all(abs(u0 + u1) <= _ROUNDING for u0, u1 in self.table.values())
        self.info = GameInfo(
            name="matrix_game",
            roles=("player_0", "player_1"),
            utility="zero" if self.zero_sum else "general",
            bounds=(min(amounts), max(amounts)),
            max_turns=2,
            simultaneous=True,
            symmetric=self.choices[0] == self.choices[1]
            and all(self.table[b, a] == (u1, u0) for (a, b), (u0, u1) in self.table.items()),
        )
        self.rules = tuple(map(self._rules, (0, 1)))

    def payoff(self, player: int, mine: str, theirs: str) -> tuple[float, float]:
        """What the player gets, and what the other gets."""
        pair = self.table[(mine, theirs) if player == 0 else (theirs, mine)]
        return pair[player], pair[1 - player]

    def _rules(self, player: int) -> str:
        """The table from the player's side, and the options."""
        mine, theirs = self.choices[player], self.choices[1 - player]
        lines = []
        for action in mine:
            cells = []
            for other in theirs:
                i_get, they_get = self.payoff(player, action, other)
                cells.append(f"{other} {i_get:g}" if self.zero_sum else f"{other} {i_get:g}, {they_get:g}")
            lines.append(f"{action}: {'; '.join(cells)}")
        told = "what you win from your opponent" if self.zero_sum else "what you get, what your opponent gets"
        head = f"Both players choose at once. Your choice: your opponent's choice and {told}."
        return "\n".join([head, *lines, f"Say {one_of(mine)}."])

    def new_state(self, chance: Chance) -> MatrixState:
        return MatrixState(self, ())

    def restore(self, snapshot: str, chance: Chance) -> MatrixState:
        return MatrixState(self, tuple(json.loads(snapshot)))


class MatrixState:
    __slots__ = ("chosen", "game")

    def __init__(self, game: MatrixGame, chosen: tuple[str, ...]) -> None:
        self.game = game
        self.chosen = chosen  # of both players, or empty before they have chosen

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.chosen else (0, 1)

    def observe(self, player: int) -> list[str]:
        log = [self.game.rules[player]]
        if self.chosen:
            theirs = self.chosen[1 - player]
            amount, _ = self.game.payoff(player, self.chosen[player], theirs)
            log.append(f"Your opponent chose {theirs}. You get {amount:g}.")
        return log

    def legal_actions(self, player: int) -> list[str]:
        return [] if self.chosen else list(self.game.choices[player])

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        first, second = read[0].action, read[1].action
        if first is not None and second is not None:
            self.chosen = (first, second)
        return read

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        first, second = self.game.payoff(0, *self.chosen)
        kinds = Outcome.of_returns(
            (first - second, second - first)
        ).kinds  # by who gets more, whatever the table's zero
        return Outcome((first, second), kinds, reason=f"{self.chosen[0]} against {self.chosen[1]}")

    def clone(self) -> MatrixState:
        return MatrixState(self.game, self.chosen)

    def snapshot(self) -> str:
        return json.dumps(self.chosen)
