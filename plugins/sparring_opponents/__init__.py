"""Bundled opponent samplers."""

from sparring import OpponentSampler, Register, hookimpl


@hookimpl
def sparring_register_opponent_samplers(register: Register[OpponentSampler]) -> None:
    from sparring_opponents.cole import Cole, ColeParams
    from sparring_opponents.current import Current, CurrentParams
    from sparring_opponents.delayed import Delayed, DelayedParams
    from sparring_opponents.exploiter import Exploiter, ExploiterParams
    from sparring_opponents.fixed import Fixed, FixedParams
    from sparring_opponents.geometric_mixture import GeometricMixture, GeometricMixtureParams
    from sparring_opponents.partner_pool import PartnerPool, PartnerPoolParams
    from sparring_opponents.population import Population, PopulationParams
    from sparring_opponents.prioritized import Prioritized, PrioritizedParams
    from sparring_opponents.psro import Psro, PsroParams
    from sparring_opponents.rating_matched import RatingMatched, RatingMatchedParams
    from sparring_opponents.uniform_pool import UniformPool, UniformPoolParams

    register("cole", Cole, ColeParams, paper="arXiv:2302.04831")
    register("current", Current, CurrentParams)
    register("delayed", Delayed, DelayedParams)
    register("exploiter", Exploiter, ExploiterParams)
    register("fixed", Fixed, FixedParams)
    register("geometric_mixture", GeometricMixture, GeometricMixtureParams, paper="arXiv:2312.00886")
    register("partner_pool", PartnerPool, PartnerPoolParams, paper="arXiv:2110.08176")
    register("population", Population, PopulationParams, paper="arXiv:2505.04317")
    register("prioritized", Prioritized, PrioritizedParams)
    register("psro", Psro, PsroParams, paper="arXiv:1711.00832")
    register("rating_matched", RatingMatched, RatingMatchedParams)
    register("uniform_pool", UniformPool, UniformPoolParams)
