"""Bundled objectives."""

from sparring import Objective, Register, hookimpl


@hookimpl
def sparring_register_objectives(register: Register[Objective]) -> None:
    from sparring_objectives.params import PolicyGradientParams, PpoClipParams, make_policy_gradient, make_ppo_clip

    register("policy_gradient", make_policy_gradient, PolicyGradientParams)
    register("ppo_clip", make_ppo_clip, PpoClipParams, paper="arXiv:1707.06347")
