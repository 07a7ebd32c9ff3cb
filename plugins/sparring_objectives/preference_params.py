"""Parameters of the objectives over preference pairs, apart from the mathematics like those in `params`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sparring import Objective, Params, RecordKind


class PairParams(Params):
    record: ClassVar[RecordKind] = "preference"


class DpoParams(PairParams):
    beta: float = Field(
        0.1,
        gt=0,
        description="Strength of the pull to the reference; the implicit reward is beta log(policy / reference).",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Share of pairs taken to be the wrong way round (conservative DPO)."
    )
    normalize: Literal["sum", "mean"] = Field(
        "sum", description="Log-ratios of an answer: summed over its tokens, or their mean (TRL's sigmoid_norm)."
    )


class SpinParams(PairParams):
    beta: float = Field(
        0.1,
        gt=0,
        description="The paper's lambda, the code's beta. The paper takes 0.1, and 5.0 in its last iteration.",
    )
    loss: Literal["logistic", "hinge"] = Field("logistic", description="log(1 + exp(-t)), or max(0, 1 - t).")


class IpoParams(PairParams):
    beta: float = Field(0.1, gt=0, description="The paper's tau: the margin aimed at is 1 / (2 beta) nats.")
    normalize: Literal["sum", "mean"] = Field(
        "sum",
        description="Log-ratios of an answer: summed over its tokens as the paper writes them (OpenRLHF), or their mean (TRL). "
        "The same beta means different things in the two.",
    )


class SppoParams(PairParams):
    eta: float = Field(
        1000.0,
        gt=0,
        description="An answer that wins with probability P is to gain eta (P - 1/2) nats; the repository's beta is 1 / eta.",
    )
    form: Literal["paper", "repository"] = Field(
        "paper", description="The sum of a pair's two squares (equation 4.12, TRL's sppo_hard), or half of it."
    )
    hard_labels: bool = Field(False, description="Take the chosen answer to win for sure and the rejected one to lose.")


def make_dpo(params: DpoParams) -> Objective:
    """DPO: the logistic loss of the pair's implicit reward margin."""
    from sparring_objectives.preference import Dpo

    return Dpo(params)


def make_spin(params: SpinParams) -> Objective:
    """SPIN: DPO's margin between data and the previous iterate's own answer."""
    from sparring_objectives.preference import Spin

    return Spin(params)


def make_ipo(params: IpoParams) -> Objective:
    """IPO: the squared distance of the pair's margin from a fixed one."""
    from sparring_objectives.preference import Ipo

    return Ipo(params)


def make_sppo(params: SppoParams) -> Objective:
    """SPPO: each answer's log-ratio regressed on how often it wins."""
    from sparring_objectives.preference import Sppo

    return Sppo(params)
