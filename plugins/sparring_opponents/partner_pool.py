"""Partners that do not learn, for one policy that does: a best response to a population, so that it plays well with strangers.

Fictitious co-play (FCP; Strouse et al. 2021, arXiv:2110.08176) draws evenly among the beginnings, middles and ends of several
self-played policies. Maximum entropy population-based training (MEP; Zhao et al. 2021, arXiv:2112.11701) draws those more often
with whom the learner does worse; that is ``choose: prioritized``, by the formula of ZSC-Eval's repository (f940869): for each partner
and seat a running mean ``m`` of the learner's returns, ``score = 1 / (m + 1e-6)``, and probabilities ``(rank / Σ rank)^kappa``
normalised, rank 1 for the least score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sparring import Chance, Choice, Match, MatchObserver, Opponent, OpponentSampler, Params, component
from sparring.interfaces import Stateful
from sparring.params import did_you_mean
from sparring.sections import as_written
from sparring_opponents.ranks import rank_shares
from sparring_opponents.seats import SEAT, Seat

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class PartnerPoolParams(Params):
    learner: str = Field(description="The policy that learns with the partners.")
    partners: list[str] = Field(
        min_length=1,
        description="Other policies of the recipe: NAME as it is now, or NAME@STEP as it was after that step, 0 for before training.",
    )
    choose: Literal["uniform", "prioritized"] = Field(
        "uniform",
        description="uniform draws partners evenly (FCP); prioritized draws those more often with whom less is won (MEP).",
    )
    kappa: float = Field(3.0, gt=0, description="Exponent of the rank, in prioritized.")
    memory: float = Field(
        0.95, ge=0, lt=1, description="How much of a mean return a further step leaves, in prioritized."
    )
    rank_by: Literal["inverse", "negative"] = Field(
        "negative",
        description="What is ranked, in prioritized: inverse is 1 / (m + 1e-6), as published; negative is -m, the same order for "
        "returns of 0 and more and the right one below (ours).",
    )
    self_play: float = Field(0.0, ge=0, lt=1, description="Share of episodes of the learner with itself as it is now.")
    seat: Seat = Field("random", description=SEAT)
    others: Annotated[Choice[OpponentSampler], component("opponents")] = Field(
        as_written("current"), description="The opponents of every other policy that is trained."
    )

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        known = list(recipe.policies)
        if self.learner not in known:
            near = did_you_mean(self.learner, known)
            return [("learner", f"no policy named '{self.learner}'{near} (there are: {', '.join(known)})")]
        if not recipe.policies[self.learner].trainable:
            return [("learner", f"policy '{self.learner}' is not trainable, so it cannot learn with anyone")]
        first = self._first_step(recipe)
        return [
            (f"partners.{n}", text) for n, one in enumerate(self.partners) for text in self._wrong(one, recipe, first)
        ]

    def _first_step(self, recipe: Recipe) -> int:
        """The step in which the learner is first trained."""
        trained = (step for step in range(1, recipe.train.steps + 1) if _trains(recipe, step, self.learner))
        return next(trained, recipe.train.steps + 1)

    def _wrong(self, partner: str, recipe: Recipe, first: int) -> Iterator[str]:
        name, at, version = partner.partition("@")
        if name not in recipe.policies:
            known = list(recipe.policies)
            yield f"no policy named '{name}'{did_you_mean(name, known)} (there are: {', '.join(known)})"
        elif name == self.learner:
            yield f"'{name}' is the learner itself; for its past versions use another sampler, such as uniform_pool or cole"
        elif at and not version.isdecimal():
            yield f"'{partner}' should end in a step, such as {name}@0"
        elif at and not recipe.policies[name].trainable:
            yield f"policy '{name}' is not trainable and has one version only; write '{name}'"
        elif at and int(version) >= first:
            yield (
                f"'{partner}' is not there yet when '{self.learner}' is first trained, in step {first}; "
                "name an earlier step, or train the learner later (see 'schedule')"
            )


class PartnerPool:
    """One policy learns with policies that do not, drawn evenly or by how badly it does with them; others as they like.

    Only the learner's seat is trained, and it may be any. Of a trained partner every version that is named is kept in memory,
    once: of one with an adapter the adapter alone, of another all weights.
    """

    def __init__(self, params: PartnerPoolParams) -> None:
        self.params = params
        self._others = params.others.make()
        #: partner -> role of the learner -> mean return of the learner
        self._means: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> Mapping[str, Opponent]:
        p = self.params
        if policy != p.learner:
            return self._others.assign(policy, roles, version, chance)
        seats = {"first": roles[:1], "last": roles[-1:]}.get(p.seat, roles)
        pairs = [(partner, seat) for partner in p.partners for seat in seats]
        if p.self_play and chance.pick([True, False], [p.self_play, 1 - p.self_play]):
            return dict.fromkeys(roles)
        partner, mine = chance.pick(pairs, self.shares(pairs))
        return {role: None if role == mine else partner for role in roles}

    def shares(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability of each pair of a partner and a role of the learner."""
        known = [mean for partner, role in pairs if (mean := self._means.get(partner, {}).get(role)) is not None]
        if self.params.choose == "uniform" or not known:
            return [1 / len(pairs)] * len(pairs)
        usual = fmean(known)  # of a pair that has not met
        means = [self._means.get(partner, {}).get(role, usual) for partner, role in pairs]
        inverse = self.params.rank_by == "inverse"
        return rank_shares([1 / (mean + 1e-6) if inverse else -mean for mean in means], self.params.kappa)

    def matches_ended(self, matches: Sequence[Match]) -> None:
        if isinstance(self._others, MatchObserver):
            self._others.matches_ended([match for match in matches if match.policy != self.params.learner])
        won: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for match in matches:
            if match.policy == self.params.learner and match.opponent in self.params.partners:
                for role, total in match.returns.items():
                    won[str(match.opponent), role].append(total)
        kept = self.params.memory
        for (partner, role), totals in won.items():
            mean, known = fmean(totals), self._means[partner].get(role)
            self._means[partner][role] = mean if known is None else kept * known + (1 - kept) * mean

    def members(self, policy: str) -> Sequence[int]:
        named = (partner.partition("@") for partner in self.params.partners)
        versions = {int(version) for name, _, version in named if name == policy and version}
        return sorted(versions | (set(self._others.members(policy)) if policy != self.params.learner else set()))

    def step_ended(self, policy: str, version: int) -> None:
        if policy != self.params.learner:
            self._others.step_ended(policy, version)

    def state_dict(self) -> dict[str, Any]:
        others = self._others.state_dict() if isinstance(self._others, Stateful) else {}
        return {"means": {partner: dict(means) for partner, means in self._means.items()}, "others": others}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._means = defaultdict(dict, {partner: dict(means) for partner, means in state["means"].items()})
        if isinstance(self._others, Stateful):
            self._others.load_state_dict(state["others"])


def _trains(recipe: Recipe, step: int, policy: str) -> bool:
    trained = recipe.phase(step)[0].train
    return trained is None or policy in trained
