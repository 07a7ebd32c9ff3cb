"""Bundled games."""

from sparring import Game, Register, hookimpl


@hookimpl
def sparring_register_games(register: Register[Game]) -> None:
    from sparring_games.blind_auction import BlindAuction, BlindAuctionParams
    from sparring_games.connect_four import ConnectFour, ConnectFourParams
    from sparring_games.goofspiel import Goofspiel, GoofspielParams
    from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
    from sparring_games.leduc_poker import LeducPoker, LeducPokerParams
    from sparring_games.liars_dice import LiarsDice, LiarsDiceParams
    from sparring_games.matrix_game import MatrixGame, MatrixGameParams
    from sparring_games.nim import Nim, NimParams
    from sparring_games.pig import Pig, PigParams
    from sparring_games.repeated_dilemma import RepeatedDilemma, RepeatedDilemmaParams
    from sparring_games.signalling import Signalling, SignallingParams
    from sparring_games.simple_negotiation import SimpleNegotiation, SimpleNegotiationParams
    from sparring_games.taboo import Taboo, TabooParams
    from sparring_games.three_player_kuhn import ThreePlayerKuhn, ThreePlayerKuhnParams
    from sparring_games.tic_tac_toe import TicTacToe, TicTacToeParams
    from sparring_games.tiny_hanabi import TinyHanabi, TinyHanabiParams
    from sparring_games.truth_and_deception import TruthAndDeception, TruthAndDeceptionParams
    from sparring_games.undercover import Undercover, UndercoverParams

    register("kuhn_poker", KuhnPoker, KuhnPokerParams)
    register("tic_tac_toe", TicTacToe, TicTacToeParams)
    register("matrix_game", MatrixGame, MatrixGameParams)
    register("simple_negotiation", SimpleNegotiation, SimpleNegotiationParams, paper="arXiv:2506.24119")
    register("taboo", Taboo, TabooParams, paper="arXiv:2404.10642")
    register("truth_and_deception", TruthAndDeception, TruthAndDeceptionParams, paper="arXiv:2506.24119")
    register("undercover", Undercover, UndercoverParams, paper="arXiv:2509.25541")
    register("blind_auction", BlindAuction, BlindAuctionParams, paper="arXiv:2506.24119")
    register("connect_four", ConnectFour, ConnectFourParams)
    register("goofspiel", Goofspiel, GoofspielParams)
    register("leduc_poker", LeducPoker, LeducPokerParams)
    register("liars_dice", LiarsDice, LiarsDiceParams)
    register("nim", Nim, NimParams)
    register("pig", Pig, PigParams)
    register("repeated_dilemma", RepeatedDilemma, RepeatedDilemmaParams)
    register("three_player_kuhn", ThreePlayerKuhn, ThreePlayerKuhnParams)
    register("tiny_hanabi", TinyHanabi, TinyHanabiParams)
    register("signalling", Signalling, SignallingParams)
