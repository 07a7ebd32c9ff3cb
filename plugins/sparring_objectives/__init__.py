"""Bundled objectives."""

from sparring import Metric, Objective, Register, hookimpl

_PREFERENCE = (
    Metric("preference_accuracy/*", "share", "Share of pairs whose chosen answer has the larger implicit reward."),
    Metric("chosen_reward/*", "reward", "Mean implicit reward of chosen answers: beta log(policy / reference)."),
    Metric("rejected_reward/*", "reward", "The same of rejected answers."),
    Metric("preference_margin/*", "reward", "Mean implicit reward of chosen answers minus that of rejected ones."),
)
_PPO_CLIP = (Metric("dual_clip_rate/*", "share", "Share of trained tokens whose loss the dual clip bounded."),)

_MAGNETIC = (
    Metric(
        "proximal_kl/*",
        "nats per token",
        "Mean KL divergence of the policy from what it was when the rows were sampled.",
    ),
)


@hookimpl
def sparring_register_objectives(register: Register[Objective]) -> None:
    from sparring_objectives.params import (
        MagneticParams,
        PolicyGradientParams,
        PpoClipParams,
        SftParams,
        TruncatedImportanceParams,
        make_magnetic,
        make_policy_gradient,
        make_ppo_clip,
        make_sft,
        make_truncated_importance,
    )
    from sparring_objectives.preference_params import (
        DpoParams,
        IpoParams,
        SpinParams,
        SppoParams,
        make_dpo,
        make_ipo,
        make_spin,
        make_sppo,
    )

    register("policy_gradient", make_policy_gradient, PolicyGradientParams)
    register("truncated_importance", make_truncated_importance, TruncatedImportanceParams, paper="arXiv:1802.01561")
    register("ppo_clip", make_ppo_clip, PpoClipParams, paper="arXiv:1707.06347", metrics=_PPO_CLIP)
    register("magnetic", make_magnetic, MagneticParams, paper="arXiv:2206.05825", metrics=_MAGNETIC)
    register("dpo", make_dpo, DpoParams, paper="arXiv:2305.18290", metrics=_PREFERENCE)
    register("ipo", make_ipo, IpoParams, paper="arXiv:2310.12036", metrics=_PREFERENCE)
    register("spin", make_spin, SpinParams, paper="arXiv:2401.01335", metrics=_PREFERENCE)
    register("sppo", make_sppo, SppoParams, paper="arXiv:2405.00675", metrics=_PREFERENCE)
    register("sft", make_sft, SftParams)
