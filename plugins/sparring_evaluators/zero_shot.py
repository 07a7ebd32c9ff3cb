"""The evaluator `zero_shot`: every agent with every partner it has not learned with, in both seats.

In a game in which all get the same, a policy that learned with itself alone shares conventions with itself and with nobody else. So
what it gets with itself is held against what it gets with strangers: the *cross-play gap*, mean of the diagonal less mean of the
rest, of the table of mean returns (the measure of Hu et al. 2020, "Other-Play", arXiv:2003.02979). With ``partners`` given, the rows
are how well agents do with each of them and on average, in the way that FCP and MEP are judged.

*BR-proximity* (ZSC-Eval) divides what an agent gets with a partner by what that partner's own best response gets, here a policy of the
recipe that you name as such in ``best_responses``: for a self-played policy that has converged, itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from sparring import Choice, Game, Params, SparringError, component
from sparring_evaluators.head_to_head import score

if TYPE_CHECKING:
    from sparring.evaluation import Evaluation
    from sparring.play import Held
    from sparring.recipe import Recipe


class ZeroShotParams(Params):
    game: Annotated[Choice[Game], component("game")] = Field(description="The game to play; two players.")
    agents: list[str] = Field(
        min_length=1, description="Policies: NAME as it is now, or NAME@STEP as it was after that step."
    )
    partners: list[str] = Field(
        default_factory=list, description="Policies they are to play with, named alike; none: the agents themselves."
    )
    best_responses: dict[str, str] = Field(
        default_factory=dict,
        description="For partners by name the policy that is its best response; agents are then compared with it.",
    )
    episodes: int = Field(100, ge=2, description="Matches of each pair, half in either seat.")
    name: str = Field("", description="What to log it under, if a recipe has several; empty: the game's name.")

    @model_validator(mode="after")
    def _known(self) -> ZeroShotParams:
        lacking = [name for name in self.best_responses if name not in (self.partners or self.agents)]
        if lacking:
            raise ValueError(f"'best_responses' names {lacking[0]!r}, which is not among the partners")
        return self

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        known = ", ".join(recipe.policies)
        lists = {"agents": self.agents, "partners": self.partners, "best_responses": list(self.best_responses.values())}
        return [
            (key, f"'{one}' is no policy, and no version NAME@STEP of a trained one (policies: {known})")
            for key, names in lists.items()
            for one in names
            if not _is_member(one, recipe)
        ]


def _is_member(one: str, recipe: Recipe) -> bool:
    name, at, version = one.partition("@")
    return name in recipe.policies and (not at or (version.isdecimal() and recipe.policies[name].trainable))


class ZeroShot:
    """Mean returns of all agents with all partners, seats swapped, and the cross-play gap."""

    def __init__(self, params: ZeroShotParams) -> None:
        self.params = params
        self._game = params.game.make()
        if self._game.info.players != 2:
            raise SparringError(
                f"zero_shot needs a game of two players; {self._game.info.name} has {self._game.info.players}"
            )

    def members(self) -> Sequence[int]:
        named = [*self.params.agents, *self.params.partners, *self.params.best_responses.values()]
        return sorted({int(version) for _, at, version in (one.partition("@") for one in named) if at})

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        p = self.params
        where = f"eval/zero_shot/{p.name or self._game.info.name}"
        agents = [one for one in p.agents if _there(one, run)]
        partners = [one for one in p.partners or p.agents if _there(one, run)]
        found: dict[str, float] = {}
        with_partner: dict[tuple[str, str], float] = {}
        for agent in agents:
            for partner in partners:
                # Of agents among themselves a pair is one, whoever is called the agent.
                if (partner, agent) in with_partner and not p.partners:
                    with_partner[agent, partner] = with_partner[partner, agent]
                    continue
                mean, error = self._mean(run, agent, partner)
                with_partner[agent, partner] = mean
                found[f"{where}/{agent}/with/{partner}/mean_return"] = mean
                found[f"{where}/{agent}/with/{partner}/mean_return_error"] = error
            if partners:
                found[f"{where}/{agent}/mean_return"] = fmean(with_partner[agent, partner] for partner in partners)
        if not p.partners and len(agents) > 1:
            alone = fmean(with_partner[one, one] for one in agents)
            across = fmean(mean for (one, other), mean in with_partner.items() if one != other)
            found |= {f"{where}/self_play": alone, f"{where}/cross_play": across, f"{where}/gap": alone - across}
        responses = {
            partner: other for partner, other in p.best_responses.items() if partner in partners and _there(other, run)
        }
        best = {partner: self._mean(run, other, partner)[0] for partner, other in responses.items()}
        reached = {partner: most for partner, most in best.items() if most > 0}  # a share of nothing says nothing
        for agent in agents if reached else ():
            shares = [with_partner[agent, partner] / most for partner, most in reached.items()]
            found[f"{where}/{agent}/br_proximity"] = fmean(shares)
        return found

    def _mean(self, run: Evaluation, agent: str, partner: str) -> tuple[float, float]:
        """The mean return of a pair, and half the width of its 95 % interval."""
        one, other = _held(agent, run), _held(partner, run)
        seats = [number % 2 for number in range(self.params.episodes)]
        roles = self._game.info.roles
        holders = [{roles[seat]: one, roles[1 - seat]: other} for seat in seats]
        told = score(run.play(self._game, holders, f"zero_shot/{agent}/{partner}"), seats)
        return told["mean_return"], told["mean_return_error"]


def _there(one: str, run: Evaluation) -> bool:
    """Whether a version has been trained already."""
    _, at, version = one.partition("@")
    return not at or int(version) <= run.step


def _held(one: str, run: Evaluation) -> Held:
    name, at, version = one.partition("@")
    return run.held(name) if not at or int(version) == run.step else run.held(name, int(version))
