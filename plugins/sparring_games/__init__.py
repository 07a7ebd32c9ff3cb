"""Bundled games."""

from sparring import Game, Register, hookimpl


@hookimpl
def sparring_register_games(register: Register[Game]) -> None:
    from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
    from sparring_games.matrix_game import MatrixGame, MatrixGameParams
    from sparring_games.tic_tac_toe import TicTacToe, TicTacToeParams

    register("kuhn_poker", KuhnPoker, KuhnPokerParams)
    register("tic_tac_toe", TicTacToe, TicTacToeParams)
    register("matrix_game", MatrixGame, MatrixGameParams)
