"""Parameters of the objectives, apart from the mathematics so that a recipe is checked without importing torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from sparring import Objective, Params, RecordKind

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class TokenLossParams(Params):
    """How token losses become one number."""

    normalize: Literal["token_mean", "sequence_mean", "token_sum", "constant"] = Field(
        "token_mean", description="How token losses become one number: see `sparring.batch.ObjectiveBatch.reduce`."
    )
    constant: float | None = Field(
        None, gt=0, description="Divisor of `normalize: constant`, in tokens (SPIRAL: the maximum length)."
    )

    @model_validator(mode="after")
    def _constant_goes_with_constant(self) -> TokenLossParams:
        if (self.normalize == "constant") != (self.constant is not None):
            raise ValueError(
                f"'constant' is the divisor of 'normalize: constant' and needs it; got normalize={self.normalize!r}, constant={self.constant}"
            )
        return self


class KlParams(TokenLossParams):
    """A policy gradient with a pull to the policy's reference."""

    kl_coef: float = Field(
        0.0, ge=0, description="Weight of the KL divergence to the policy's reference; 0 keeps no reference."
    )
    kl_estimator: Literal["full", "full_forward", "k2", "k3"] = Field(
        "k3",
        description="full: KL(policy || reference) over the whole vocabulary at each trained token. full_forward: "
        "KL(reference || policy) there, whose pull on a token does not fade as its probability does, so that nothing the "
        "reference does is given up for good. The others use the sampled token alone, with d = log(reference / policy): "
        "k3 is exp(d) - d - 1 (GRPO), k2 is d squared / 2.",
    )


class PolicyGradientParams(KlParams):
    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """It takes every row for one that the present weights sampled."""
        if not recipe.train.staleness:
            return []
        stale = "is right only for rows of the present weights, and train.staleness is 1"
        return [("", f"{stale}; use truncated_importance, which weighs those of the weights before")]


class TruncatedImportanceParams(KlParams):
    cap: float = Field(
        2.0, ge=1, description="Largest weight of a token; 2 is what verl and oat take for the sampler's mismatch."
    )


class PpoClipParams(KlParams):
    clip_eps: float = Field(
        0.2, gt=0, lt=1, description="The ratio to the sampling policy is clipped to 1 - clip_eps from below."
    )
    clip_eps_high: float | None = Field(
        None, gt=0, description="To 1 + clip_eps_high from above; None: the same as clip_eps."
    )
    dual_clip: float | None = Field(
        None,
        gt=1,
        description="The loss of a token with a negative advantage A stays below -dual_clip A, however likely the token has "
        "become; verl takes 3. None: no bound.",
    )


class MagneticParams(PolicyGradientParams):
    kl_coef: float = Field(
        0.1, gt=0, description="Weight of the KL divergence to the magnet, which is the policy's reference (alpha)."
    )
    kl_estimator: Literal["full", "full_forward", "k2", "k3"] = Field(
        "full", description="As that of policy_gradient; full is the paper's KL(policy || magnet)."
    )
    proximal: float = Field(
        1.0,
        ge=0,
        description="Weight of the KL divergence to the policy that sampled the rows (1 / eta, the inverse of mirror descent's "
        "step size); 0 for none.",
    )

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """In the first optimizer step the policy is the one that sampled."""
        if not self.proximal or recipe.train.epochs * recipe.train.minibatches > 1:
            return []
        text = (
            "holds the policy near the one that sampled, which in the only optimizer step of a collect it still is, so this "
            "would do nothing; set train.epochs or train.minibatches above 1, or proximal: 0"
        )
        return [("proximal", text)]


class SftParams(TokenLossParams):
    record: ClassVar[RecordKind] = "demonstration"


def make_policy_gradient(params: PolicyGradientParams) -> Objective:
    """REINFORCE: minus advantage times log-probability, for rows sampled by the weights that are trained."""
    from sparring_objectives.policy_gradient import PolicyGradient

    return PolicyGradient(params)


def make_truncated_importance(params: TruncatedImportanceParams) -> Objective:
    """REINFORCE for rows sampled by somewhat older weights: each token is weighed by its truncated ratio to them."""
    from sparring_objectives.policy_gradient import TruncatedImportance

    return TruncatedImportance(params)


def make_ppo_clip(params: PpoClipParams) -> Objective:
    """PPO's clipped surrogate: rows may be used for several optimizer steps."""
    from sparring_objectives.policy_gradient import PpoClip

    return PpoClip(params)


def make_magnetic(params: MagneticParams) -> Objective:
    """Magnetic mirror descent: the importance-weighted gain, a pull to a magnet, and a pull to the policy that sampled."""
    from sparring_objectives.policy_gradient import Magnetic

    return Magnetic(params)


def make_sft(params: SftParams) -> Objective:
    """Imitation: minus the log-probability of what was demonstrated."""
    from sparring_objectives.demonstration import Sft

    return Sft(params)
