"""Connect four: discs dropped into columns, four in a row win.

Columns are numbered from 1, and a move is the number of one that is not full. Player 0 is X and begins. Each turn a player
is told the other's move and the board. A win pays +1, a loss -1, a full board 0. It is OpenSpiel's ``connect_four``, whose
action is the number less 1. Smaller boards are for tests and tiny models.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import bare, one_of, read_moves
from sparring_games.text_state import TextState

_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))


class ConnectFourParams(Params):
    columns: int = Field(7, ge=2, le=9, description="Width of the board.")
    rows: int = Field(6, ge=2, le=9, description="Height of the board.")
    in_row: int = Field(4, ge=2, le=9, description="Discs in a row, column or diagonal that win.")


class ConnectFour:
    """Connect four: discs dropped into columns, four in a row win."""

    def __init__(self, params: ConnectFourParams) -> None:
        self.params = params
        self.columns = [str(column + 1) for column in range(params.columns)]
        self.info = GameInfo(
            name="connect_four",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-1.0, 1.0),
            max_turns=params.columns * params.rows,
            perfect_information=True,
            twin=Twin(
                f"connect_four(rows={params.rows},columns={params.columns},x_in_row={params.in_row})",
                {column: number for number, column in enumerate(self.columns)},
            ),
        )
        self.rules = (
            f"Connect four: drop a disc into a column from 1 to {params.columns}; it falls to the lowest free place. "
            f"{params.in_row} in a row, column or diagonal win. X begins."
        )

    def new_state(self, chance: Chance) -> ConnectState:
        state = ConnectState(self, chance)
        state.tell(0, [self.rules, "You are X.", state.board(), state.ask()])
        state.tell(1, [self.rules, "You are O."])
        return state

    def restore(self, snapshot: str, chance: Chance) -> ConnectState:
        return ConnectState(self, chance).load(snapshot)


class ConnectState(TextState[ConnectFour]):
    kept = ("moves", "stacks", "won")

    def __init__(self, game: ConnectFour, chance: Chance) -> None:
        super().__init__(game, chance)
        self.moves = 0
        self.stacks = ["" for _ in game.columns]  # discs of each column, from the bottom
        self.won = False  # by who moved last

    def to_act(self) -> tuple[int, ...]:
        return () if self.won or self.moves == self.info.max_turns else (self.moves % 2,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        return [
            c for c, stack in zip(self.game.columns, self.stacks, strict=True) if len(stack) < self.game.params.rows
        ]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: bare(text).removeprefix("column ") for player, text in moves.items()})
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        other, column = 1 - actor, int(action) - 1
        self.stacks[column] += "XO"[actor]
        self.moves += 1
        self.won = self._in_row(column, len(self.stacks[column]) - 1)
        told = f"{'XO'[actor]} drops into {action}."
        if self.to_act():
            self.tell(other, [told, self.board(), self.ask()])
        else:
            self.tell(other, [told, self.board(), "You lose." if self.won else "A draw."])
            self.tell(actor, [self.board(), "You win." if self.won else "A draw."])
        return read

    def outcome(self) -> Outcome:
        if not self.won:
            return Outcome.of_returns((0, 0), "the board is full")
        winner = 1 - self.moves % 2  # who moved last
        reason = f"{'XO'[winner]} has {self.game.params.in_row} in a row"
        return Outcome.of_returns((1, -1) if winner == 0 else (-1, 1), reason)

    def board(self) -> str:
        """The board from the top, a dot for a free place, and the columns' numbers below."""
        rows = [[self._disc(c, r) for c in range(len(self.stacks))] for r in reversed(range(self.game.params.rows))]
        return "\n".join(" ".join(row) for row in [*rows, self.game.columns])

    def ask(self) -> str:
        return f"Say {one_of(self.legal_actions(self.to_act()[0]))}."

    def _disc(self, column: int, row: int) -> str:
        """What is at a place: X, O, or a dot also beyond the board."""
        inside = 0 <= column < len(self.stacks) and 0 <= row < len(self.stacks[column])
        return self.stacks[column][row] if inside else "."

    def _in_row(self, column: int, row: int) -> bool:
        """Whether the disc at this place makes enough of its kind in some direction."""
        mark = self._disc(column, row)
        for across, up in _DIRECTIONS:
            count = 1
            for sign in (1, -1):
                step = 1
                while self._disc(column + sign * step * across, row + sign * step * up) == mark:
                    step += 1
                count += step - 1
            if count >= self.game.params.in_row:
                return True
        return False
