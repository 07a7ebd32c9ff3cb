"""Tic-tac-toe: X and O take turns, three in a row win.

Cells are numbered 1 to 9, row by row, and a move is the number of a free one. Player 0 is X and begins. Each turn a
player is told the other's move, the board, in which a free cell shows its number, and the free cells. A win pays +1, a
loss -1, a draw 0; with optimal play it is a draw. It is OpenSpiel's ``tic_tac_toe``, whose action is the number less 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import one_of, read_moves

CELLS = tuple("123456789")
_LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
_RULES = "Tic-tac-toe on cells 1 to 9: three in a row, column or diagonal win. X begins."


class TicTacToeParams(Params):
    """Tic-tac-toe has no parameters."""


class TicTacToe:
    """Tic-tac-toe: X and O take turns, three in a row win."""

    info = GameInfo(
        name="tic_tac_toe",
        roles=("player_0", "player_1"),
        utility="zero",
        bounds=(-1.0, 1.0),
        max_turns=9,
        perfect_information=True,
        twin=Twin("tic_tac_toe", {cell: number for number, cell in enumerate(CELLS)}),
    )

    def __init__(self, params: TicTacToeParams) -> None:
        self.params = params

    def new_state(self, chance: Chance) -> TicTacToeState:
        return TicTacToeState("")

    def restore(self, snapshot: str, chance: Chance) -> TicTacToeState:
        return TicTacToeState(json.loads(snapshot))


class TicTacToeState:
    """The moves so far say everything; board and logs are kept beside them for speed."""

    __slots__ = ("board", "logs", "moves", "over")

    def __init__(self, moves: str) -> None:
        self.moves = ""  # cells in the order in which they were taken
        self.board = list(CELLS)
        self.over = False
        self.logs = [[f"{_RULES}\nYou are X.\n{self._turn()}"], [f"{_RULES}\nYou are O."]]
        for cell in moves:
            self._take(cell)

    @property
    def info(self) -> GameInfo:
        return TicTacToe.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.over else (len(self.moves) % 2,)

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def legal_actions(self, player: int) -> list[str]:
        return self._free() if player in self.to_act() else []

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        action = read[len(self.moves) % 2].action
        if action is not None:
            self._take(action)
        return read

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        if not self._row():
            return Outcome.of_returns((0, 0), "no free cell")
        winner = 1 - len(self.moves) % 2  # who moved last
        return Outcome.of_returns((1, -1) if winner == 0 else (-1, 1), f"{'XO'[winner]} has three in a row")

    def clone(self) -> TicTacToeState:
        other = object.__new__(TicTacToeState)  # without playing the moves again
        other.moves, other.board, other.over = self.moves, list(self.board), self.over
        other.logs = [list(log) for log in self.logs]
        return other

    def snapshot(self) -> str:
        return json.dumps(self.moves)

    def _free(self) -> list[str]:
        return [cell for cell in self.board if cell.isdigit()]

    def _row(self) -> bool:
        """Whether someone has three in a row."""
        board = self.board
        return any(board[a] == board[b] == board[c] for a, b, c in _LINES)

    def _turn(self) -> str:
        rows = "\n".join(" ".join(self.board[start : start + 3]) for start in (0, 3, 6))
        return f"{rows}\nSay {one_of(self._free())}."

    def _take(self, cell: str) -> None:
        mark, other = "XO"[len(self.moves) % 2], 1 - len(self.moves) % 2
        self.board[int(cell) - 1] = mark
        self.moves += cell
        won = self._row()
        self.over = won or len(self.moves) == 9
        told = f"{mark} takes {cell}"
        if not self.over:
            self.logs[other].append(f"{told}.\n{self._turn()}")
            return
        self.logs[other].append(f"{told}. {'You lose' if won else 'A draw'}.")
        self.logs[1 - other].append("You win." if won else "A draw.")
