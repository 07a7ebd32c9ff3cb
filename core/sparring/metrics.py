"""Names, units and meaning of every logged number, as data.

A metric is logged under a name such as ``reward/GAME/ROLE``. A `Metric` declares a pattern in which
``*`` stands for one segment. Components declare theirs when they register; what the core logs is `CORE` below.
The reference page of metrics is generated from these rows, and a test holds every logged name against them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """``pattern`` with ``*`` for one segment, ``unit`` (``""`` for a plain number), one sentence of ``meaning``."""

    pattern: str
    unit: str
    meaning: str

    def matches(self, name: str) -> bool:
        mine, theirs = self.pattern.split("/"), name.split("/")
        return len(mine) == len(theirs) and all(a in ("*", b) for a, b in zip(mine, theirs, strict=True))


CORE: tuple[Metric, ...] = (
    Metric("step", "steps", "Number of finished passes of the loop; 0 is before training."),
    Metric("episodes", "episodes", "Episodes finished since the run began."),
    Metric("turns", "turns", "Trained turns since the run began."),
    Metric("episodes_failed", "episodes", "Episodes given up since the run began because something in them raised."),
    Metric("reward/*/*", "reward", "Mean return of the role in the game, after judges and the combiner."),
    Metric(
        "advantage/*/*/mean",
        "reward",
        "Mean advantage over the role's trajectories; near zero with a fitting baseline.",
    ),
    Metric("advantage/*/*/std", "reward", "Standard deviation of the same advantages."),
    Metric(
        "play_share/*", "share", "Share of the step's episodes that are of the entry of play, where there are several."
    ),
    Metric("illegal_rate/*", "share", "Share of the game's turns that were no legal move."),
    Metric("illegal_rate/*/*", "share", "The same of one role's turns."),
    Metric(
        "player_unanswered_rate/*/*",
        "share",
        "Share of the turns of a player outside the run, such as a model behind a URL, that it did not answer.",
    ),
    Metric(
        "player_illegal_rate/*/*", "share", "Share of the same turns that were no legal move, unanswered ones included."
    ),
    Metric("facts/*/*", "", "Mean of a number that the game's scheme noted, over the episodes that have it."),
    Metric("truncated_rate/*", "share", "Share of the game's turns cut off by max_tokens."),
    Metric("turns_per_episode/*", "turns", "Mean number of turns in an episode of the game."),
    Metric("completion_tokens/*", "tokens", "Mean number of sampled tokens in a turn of the game."),
    Metric("zero_advantage_rate", "share", "Share of trained turns with advantage exactly zero."),
    Metric("loss/*", "", "Objective of the policy, averaged over the step's optimizer steps."),
    Metric("grad_norm/*", "", "Norm of the policy's gradient before clipping, averaged likewise."),
    Metric("learning_rate/*", "", "Learning rate of the policy's last optimizer step."),
    Metric(
        "token_budget/*",
        "tokens",
        "Most tokens of the policy's micro-batches; less than the recipe's once memory ran short.",
    ),
    Metric(
        "kl/*", "nats per token", "Mean estimated KL divergence of the policy from its reference at trained tokens."
    ),
    Metric(
        "entropy/*",
        "nats per token",
        "Mean of minus the log-probability of trained tokens: an estimate of the policy's entropy.",
    ),
    Metric("clip_rate/*", "share", "Share of trained tokens whose ratio was clipped."),
    Metric("ratio_max/*", "", "Largest ratio of the trained to the sampling policy at a trained token."),
    Metric(
        "logprob_gap/*",
        "nats",
        "Largest difference between the sampler's and the learner's log-probability, before the update.",
    ),
    Metric("tokens/sampled", "tokens", "Tokens sampled in the step."),
    Metric("tokens/rows", "tokens", "Tokens of the step's rows as they were played."),
    Metric("tokens/trained", "tokens", "Tokens of those rows that were trained, an epoch."),
    Metric(
        "tokens/computed",
        "tokens",
        "Tokens the learner ran forward and backward after sharing equal prefixes, an epoch.",
    ),
    Metric(
        "seconds/*",
        "seconds",
        "Wall time of a verb of the step: plan, play, judge, estimate, build, update, publish, evaluate, save.",
    ),
    Metric("seconds/model/*", "seconds", "Wall time inside the model: sample, forward, backward, optimizer."),
    Metric(
        "framework_share",
        "share",
        "Share of the step's wall time spent outside the model's sampling, forward, backward and optimizer.",
    ),
)


def undeclared(names: Iterable[str], declared: Iterable[Metric]) -> list[str]:
    """The names that no declared metric matches."""
    rows = tuple(declared)
    return [name for name in names if not any(row.matches(name) for row in rows)]
