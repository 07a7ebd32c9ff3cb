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
    kept = ("moves", "rows", "won")

    def __init__(self, game: ConnectFour, chance: Chance) -> None:
        super().__init__(game, chance)
        self.moves = 0
        self.rows = [["."] * len(game.columns) for _ in range(game.params.rows)]  # from the top; a dot is a free place
        self.won = False  # by who moved last

    def to_act(self) -> tuple[int, ...]:
        return () if self.won or self.moves == self.info.max_turns else (self.moves % 2,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        return [column for column, disc in zip(self.game.columns, self.rows[0], strict=True) if disc == "."]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: bare(text).removeprefix("column ") for player, text in moves.items()})
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        other, column = 1 - actor, int(action) - 1
        row = max(r for r, places in enumerate(self.rows) if places[column] == ".")
        self.rows[row][column] = "XO"[actor]
        self.moves += 1
        self.won = self._in_row(column, row)
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
        return "\n".join([" ".join(row) for row in (*self.rows, self.game.columns)])

    def ask(self) -> str:
        return f"Say {one_of(self.legal_actions(self.to_act()[0]))}."

    def _in_row(self, column: int, row: int) -> bool:
        """Whether the disc at this place makes enough of its kind in some direction."""
        rows, mark, wanted = self.rows, self.rows[row][column], self.game.params.in_row
        height, width = len(rows), len(rows[0])
        for across, down in _DIRECTIONS:
            count = 1
            for sign in (1, -1):
                c, r = column + sign * across, row + sign * down
                while 0 <= c < width and 0 <= r < height and rows[r][c] == mark:
                    count, c, r = count + 1, c + sign * across, r + sign * down
            if count >= wanted:
                return True
        return False
