"""Bundled players: what acts without being a policy."""

from sparring import Player, Register, hookimpl


@hookimpl
def sparring_register_players(register: Register[Player]) -> None:
    from sparring_players.endpoint import EndpointPlayer, EndpointPlayerParams
    from sparring_players.equilibrium import Equilibrium, EquilibriumParams
    from sparring_players.mcts import Mcts, MctsParams
    from sparring_players.minimax import Minimax, MinimaxParams
    from sparring_players.random import Random, RandomParams

    register("random", Random, RandomParams)
    register("endpoint", EndpointPlayer, EndpointPlayerParams)
    register("equilibrium", Equilibrium, EquilibriumParams)
    register("mcts", Mcts, MctsParams)
    register("minimax", Minimax, MinimaxParams)
