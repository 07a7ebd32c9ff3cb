"""Games of other collections, played as our own."""

from sparring import Game, Register, hookimpl


@hookimpl
def sparring_register_games(register: Register[Game]) -> None:
    from sparring_adapters.gem import Gem, GemParams
    from sparring_adapters.openenv import OpenEnv, OpenEnvParams
    from sparring_adapters.openspiel import OpenSpiel, OpenSpielParams
    from sparring_adapters.pettingzoo import PettingZoo, PettingZooParams
    from sparring_adapters.textarena import TextArena, TextArenaParams
    from sparring_adapters.verifiers import Verifiers, VerifiersParams

    register("openspiel", OpenSpiel, OpenSpielParams)
    register("pettingzoo", PettingZoo, PettingZooParams)
    register("textarena", TextArena, TextArenaParams)
    register("gem", Gem, GemParams)
    register("openenv", OpenEnv, OpenEnvParams)
    register("verifiers", Verifiers, VerifiersParams)
