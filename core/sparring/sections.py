"""The sections of a recipe: their keys, ranges and defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sparring.game import Game
from sparring.interfaces import (
    AdvantageEstimator,
    Evaluator,
    Judge,
    ModelSource,
    Objective,
    Player,
    RecordBuilder,
    RoleScheme,
)
from sparring.params import Choice, Params, component, did_you_mean
from sparring.registry import Registry
from sparring.rewards import Combine


def as_written(default: object) -> Any:
    """A default in the words of a recipe; it is validated like one, so its static type is not the field's."""
    return default


def _holder(raw: Any, info: ValidationInfo) -> Any:
    """Who holds a role: a bare name is a policy's if there is one, else a player's."""
    context = info.context or {}
    policies: list[str] = context.get("policies", [])
    if isinstance(raw, str):
        if raw in policies:
            return raw
        registry: Registry | None = context.get("registry")
        if registry is not None and registry.find("player", raw) is None:
            known = [*policies, *registry.names("player")]
            text = f"no policy or player named '{raw}'{did_you_mean(raw, known)} (available: {', '.join(known)})"
            raise PydanticCustomError("component", cast(Any, text))
    choose: Any = component("player").func
    return choose(raw, info)


def _written(holder: object) -> object:
    return holder.flat() if isinstance(holder, Choice) else holder


Model = Annotated[Choice[ModelSource], component("model", unnamed=("pretrained", "path"))]
Judges = dict[str, Annotated[Choice[Judge], component("judge")]]
Advantage = Annotated[Choice[AdvantageEstimator], component("estimator")]
Builder = Annotated[Choice[RecordBuilder], component("builder")]
Loss = Annotated[Choice[Objective], component("objective")]
Holder = Annotated[str | Choice[Player], PlainValidator(_holder), PlainSerializer(_written)]
Roles = dict[str, Holder]
# A policy's name becomes a folder and a segment of metric names.
PolicyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class AdapterSpec(Params):
    """A LoRA adapter. Policies with adapters and equal models share the model's weights in memory."""

    rank: int = Field(8, ge=1, description="Rank of each added product of matrices.")
    alpha: int | None = Field(None, ge=1, description="The product is scaled by alpha / rank; None: twice the rank.")
    modules: str | list[str] = Field("all-linear", description="Which linear layers: the ends of their names, or all.")


class PolicySpec(Params):
    """Weights that choose actions."""

    model: Model = Field(description="Where the weights come from: a registered model, a folder or a hub name.")
    adapter: AdapterSpec | None = Field(
        None, description="Train a LoRA adapter instead of the weights; checkpoints hold the two added up."
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="Precision of matrix products; the trained weights themselves stay float32."
    )
    trainable: bool = Field(True, description="False: the weights never change.")
    learning_rate: float | None = Field(None, gt=0, description="In place of train.learning_rate; None: that one.")
    reference_refresh: int = Field(
        0,
        ge=0,
        description="Steps between copies of the policy into its reference; 0: it stays what training began from.",
    )
    reference_rate: float = Field(
        1.0,
        gt=0,
        le=1,
        description="How far such a copy moves the reference's weights towards the policy's; 1: all the way. 0.01 at every "
        "step is a moving average that forgets half in 69 steps.",
    )


class RewardRule(Params):
    """How a turn's named reward parts become its reward: see `sparring.rewards.combine`."""

    combine: Combine = Field(
        "sum",
        description="sum adds the parts; max takes the largest; gate adds up to the first that is not positive; ladder "
        "takes the first that is not zero.",
    )
    parts: list[str] | None = Field(
        None, min_length=1, description="Which parts count, in this order; None: all of them."
    )

    @model_validator(mode="after")
    def _order_matters(self) -> RewardRule:
        if self.combine in ("gate", "ladder") and self.parts is None:
            raise ValueError(f"'combine: {self.combine}' depends on the order of the parts; list them in 'parts'")
        return self


class SamplingSpec(Params):
    """How turns are sampled."""

    temperature: float = Field(1.0, ge=0, description="Divides the logits; 0 takes the likeliest token.")
    top_p: float = Field(
        1.0, gt=0, le=1, description="Only the likeliest tokens that together have this probability; 1: all."
    )
    top_k: int = Field(0, ge=0, description="Only this many likeliest tokens; 0: all.")
    max_tokens: int = Field(256, ge=1, description="Tokens after which an answer is cut off.")


class PlayEntry(Params):
    """What is played, by which scheme, and its share of the episodes. Sections given here replace the common ones whole."""

    name: str | None = Field(None, min_length=1, description="What it is called; None: as its game.")
    game: Annotated[Choice[Game], component("game")] | None = Field(
        None, description="The rules. None: the scheme plays no game; then the entry needs a name."
    )
    scheme: Annotated[Choice[RoleScheme], component("scheme")] = Field(
        as_written("turn_based"), description="Who speaks when, and who is trained."
    )
    weight: float = Field(1.0, gt=0, description="Share of the episodes, relative to the other entries.")
    group_size: int = Field(1, ge=1, description="Episodes from the same start, for estimators that compare them.")
    roles: Roles | None = Field(None, description="In place of the common roles; None: those.")
    judges: Judges | None = Field(None, min_length=1, description="In place of the common judges; None: those.")
    rewards: RewardRule | None = Field(None, description="In place of the common rule; None: that one.")
    advantage: Advantage | None = Field(None, description="In place of the common estimator; None: that one.")
    records: Builder | None = Field(None, description="In place of the common builder; None: that one.")
    objective: Loss | None = Field(None, description="In place of the common objective; None: that one.")
    sampling: SamplingSpec | None = Field(None, description="In place of the common sampling; None: that one.")

    @property
    def title(self) -> str:
        """The entry's name, or its game's."""
        return self.name or (self.game.use if self.game else "")


class PhaseSpec(Params):
    """Some steps in which only some entries are played or only some policies trained."""

    steps: int = Field(ge=1, description="Steps that it lasts.")
    play: list[str] | None = Field(None, min_length=1, description="Entries that are played; None: all.")
    train: list[str] | None = Field(
        None,
        min_length=1,
        description="Policies that are trained, the others stay as they are; None: all trainable ones.",
    )
    refresh_reference: list[str] = Field(
        default_factory=list, description="Policies that are copied into their references when the phase ends."
    )


class BatchSpec(Params):
    """How much is played in a step."""

    size: int = Field(128, ge=1, description="Number of units; the last episodes in flight are kept whole.")
    unit: Literal["turns", "episodes", "groups"] = Field(
        "episodes", description="What size counts: trained turns, episodes, or groups of play.group_size episodes."
    )


class TrainSpec(Params):
    """How weights change."""

    steps: int = Field(ge=0, description="Passes of the loop: play, judge, estimate, update. 0: evaluate only.")
    epochs: int = Field(1, ge=1, description="Times a step's records are used.")
    minibatches: int = Field(1, ge=1, description="Optimizer steps in an epoch, each on its share of the records.")
    learning_rate: float = Field(1e-6, gt=0, description="Of AdamW, at its highest.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="After the warm-up: constant, or down to 0 at the end, in a line or a half cosine."
    )
    warmup_steps: int = Field(0, ge=0, description="Optimizer steps in which the learning rate rises from 0.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.95), description="AdamW's decay of its averages of gradients and of their squares."
    )
    eps: float = Field(1e-8, gt=0, description="AdamW's addition to the denominator.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's, on matrices only.")
    max_grad_norm: float = Field(1.0, gt=0, description="A larger gradient is scaled down to this norm.")
    token_budget: int = Field(
        4096,
        ge=1,
        description="Tokens of a micro-batch; changes memory and speed, not the result. Halved when memory runs short.",
    )
    activation_checkpointing: bool = Field(
        False,
        description="Keep only what enters each layer until the backward pass, and compute the rest again: a third of the memory "
        "or less, for about a quarter more operations.",
    )
    memory_share: float = Field(
        0.9,
        gt=0,
        le=1,
        description="On a CPU, the share of the machine's or its container's memory above which the process counts as short of "
        "it; 1: never (ours). On CUDA an allocation that fails tells.",
    )
    staleness: int = Field(
        0,
        ge=0,
        le=1,
        description="How many updates ago records may have been sampled. 0: strictly on policy. 1: while the weights learn from a "
        "step, a copy of them as they were plays the next; the objective has to weigh what they sampled.",
    )
    old_logprobs: Literal["sampler", "learner"] = Field(
        "sampler", description="Whose log-probabilities are the old ones: as sampled, or computed again by the learner."
    )
    seed: int = Field(0, ge=0, description="Of everything random.")
    threads: int | None = Field(None, ge=1, description="CPU threads of torch; None: its own choice.")
    failure_budget: int = Field(10, ge=0, description="Episodes of a run that may fail before it stops.")
    judge_seconds: float = Field(
        600.0, gt=0, description="Time after which a judge that has not answered stops the run."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if there is one.")


class EvaluateSpec(Params):
    """An evaluator and how often it runs. In a recipe one flat mapping: ``{use: NAME, …, every: 16}``."""

    evaluator: Annotated[Choice[Evaluator], component("evaluator")] = Field(description="What is measured.")
    every: int = Field(ge=1, description="Steps between evaluations; step 0 and the last are always evaluated.")

    @model_validator(mode="before")
    @classmethod
    def _from_flat(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return {"evaluator": raw}
        rest = {key: value for key, value in raw.items() if key != "every"}
        return {"evaluator": rest, **({"every": raw["every"]} if "every" in raw else {})}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {**self.evaluator.flat(), "every": self.every}


class CheckpointSpec(Params):
    """When checkpoints are written and which are kept."""

    every: int = Field(50, ge=1, description="Steps between checkpoints; step 0 and the last are always saved.")
    keep_last: int = Field(2, ge=1, description="How many of the newest are kept.")
    keep_every: int = Field(0, ge=0, description="Those of steps divisible by this are kept too; 0: none.")
    keep_best: str | None = Field(None, description="A metric; the checkpoint where it was lowest is kept too.")


class TranscriptSpec(Params):
    """Which steps' episodes are written in full."""

    every: int = Field(50, ge=1, description="Steps between those written; the last is always written.")
    keep_last: int = Field(20, ge=1, description="How many of the newest are kept.")
