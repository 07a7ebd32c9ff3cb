"""The estimator `population_entropy`: advantages of rewards to which is added how unlike the population a turn is.

``r' = r + weight · (-log π̄(a | s))``, where π̄ is the mean of the members' probabilities of what was said, the policy's own among them:
maximum entropy population-based training (MEP; Zhao et al. 2021, arXiv:2112.11701). Members are paid for doing what the
others would not, which keeps their conventions apart. As in ZSC-Eval's repository (f940869) π̄ counts as no less than 1e-5, and the
bonus reaches the advantages only: rewards are logged, and told to the opponent sampler, without it.

Ours: a move that the game refused has no bonus. Among all texts nonsense is the least likely, and a population that was paid for it learned
nothing else; the papers' actions are all legal. And what was said is the public text of the turn, as a whole answer after the tokens that the policy had read, so all members are asked
about the same string, and about no thoughts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sparring import AdvantageEstimator, Choice, Params, Scorer, SparringError, Trajectory, Turn, component
from sparring.interfaces import Stateful
from sparring.sections import as_written

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class PopulationEntropyParams(Params):
    members: list[str] = Field(
        min_length=1,
        description="Policies of the population, as they are now; they share a tokenizer. Whoever is paid is one of them.",
    )
    weight: float = Field(0.01, ge=0, description="Of the bonus, in reward units for each nat (the paper's alpha).")
    floor: float = Field(
        1e-5, gt=0, lt=1, description="Least mean probability that is counted, so that no bonus is huge."
    )
    of: Annotated[Choice[AdvantageEstimator], component("estimator")] = Field(
        as_written("role_conditioned"), description="The estimator that makes advantages of the rewards with the bonus."
    )

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        known = ", ".join(recipe.policies)
        return [
            (f"members.{number}", f"no policy named '{name}' (there are: {known})")
            for number, name in enumerate(self.members)
            if name not in recipe.policies
        ]


class PopulationEntropy:
    """Another estimator's advantages, of rewards with a bonus for what the population would not have said (MEP)."""

    def __init__(self, params: PopulationEntropyParams) -> None:
        self.params = params
        self._inner = params.of.make()
        self._score: Scorer | None = None

    def attach(self, scorer: Scorer) -> None:
        self._score = scorer
        if attach := getattr(self._inner, "attach", None):
            attach(scorer)

    def estimate(self, trajectories: Sequence[Trajectory]) -> Sequence[Sequence[float]]:
        bonuses = iter(self._bonuses(trajectories))
        shaped = [
            replace(trajectory, turns=[replace(t, reward=t.reward + next(bonuses)) for t in trajectory.turns])
            for trajectory in trajectories
        ]
        return self._inner.estimate(shaped)

    def _bonuses(self, trajectories: Sequence[Trajectory]) -> list[float]:
        """The bonus of each turn, in order."""
        said = [(_context(trajectory, turn), turn) for trajectory in trajectories for turn in trajectory.turns]
        strangers = {turn.holder for _, turn in said} - set(self.params.members)
        if strangers:
            raise SparringError(
                f"population_entropy pays the members {', '.join(self.params.members)}, and was given turns of "
                f"{', '.join(sorted(strangers))}; name the policy among 'members', or give its entry another 'advantage'"
            )
        # Positions of small games come again and again, and are asked about once.
        different = list(dict.fromkeys((context, turn.public) for context, turn in said))
        mean = dict(zip(different, self._probabilities(different), strict=True))
        p = self.params
        return [
            0.0 if turn.labels.get("legal") is False else -p.weight * math.log(max(p.floor, mean[context, turn.public]))
            for context, turn in said
        ]

    def _probabilities(self, answers: Sequence[tuple[Sequence[int], str]]) -> list[float]:
        """The members' mean probability of each answer."""
        if self._score is None:
            raise SparringError("population_entropy needs the run's generator: its attach(scorer) was not called")
        scores = [self._score(member, answers) for member in self.params.members]
        return [math.fsum(map(math.exp, column)) / len(column) for column in zip(*scores, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict() if isinstance(self._inner, Stateful) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if isinstance(self._inner, Stateful):
            self._inner.load_state_dict(state)


def _context(trajectory: Trajectory, turn: Turn) -> tuple[int, ...]:
    """The tokens after which a turn was said."""
    return tuple(trajectory.rows[turn.row].tokens[: turn.start])
