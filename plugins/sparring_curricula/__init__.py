"""Bundled curricula: how often each entry of `play:` is begun."""

from sparring import Curriculum, Register, hookimpl


@hookimpl
def sparring_register_curricula(register: Register[Curriculum]) -> None:
    from sparring_curricula.constant import Constant, ConstantParams
    from sparring_curricula.equal_tokens import EqualTokens, EqualTokensParams
    from sparring_curricula.learning_gain import LearningGain, LearningGainParams

    register("constant", Constant, ConstantParams)
    register("equal_tokens", EqualTokens, EqualTokensParams)
    register("learning_gain", LearningGain, LearningGainParams, paper="arXiv:2505.14970")
