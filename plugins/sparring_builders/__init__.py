"""Bundled record builders."""

from sparring import RecordBuilder, Register, hookimpl


@hookimpl
def sparring_register_record_builders(register: Register[RecordBuilder]) -> None:
    from sparring_builders.demonstrations import Demonstrations, DemonstrationsParams
    from sparring_builders.pairs import DataPairs, DataPairsParams, Pairs, PairsParams
    from sparring_builders.policy_gradient import PolicyGradientRows, PolicyGradientRowsParams

    register("policy_gradient", PolicyGradientRows, PolicyGradientRowsParams)
    register("pairs", Pairs, PairsParams, paper="arXiv:2405.00675")
    register("data_pairs", DataPairs, DataPairsParams, paper="arXiv:2401.01335")
    register("demonstrations", Demonstrations, DemonstrationsParams)
