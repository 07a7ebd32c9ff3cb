"""Past versions as members of a population, drawn by a meta-strategy over their payoff table: what `psro` and `population` share.

The two differ in when the policy becomes a member. The policy is trained against the meta-strategy over those there are, and goes
on from where it is.

All results come from training matches, so nothing is played that is not learned from. When a member is due, and the solver reads
payoffs, it is added once every cell of its row has enough recent matches; until then those that lack some are met first.
So no cell is solved for that has not been played. A row fades from step to step, for the policy that it is about changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from sparring import Chance, Match, Params
from sparring_opponents.meta_solvers import BLIND, MetaSolver, solve
from sparring_opponents.payoff_table import PayoffTable, Results
from sparring_opponents.seats import SEAT, Seat, opposite

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class MembersParams(Params):
    """Who is drawn, what is known of them and who leaves."""

    solver: MetaSolver = Field(
        "nash",
        description="What the opponents are drawn by. Of the payoffs: nash, an equilibrium; replicator, projected replicator dynamics; "
        "alpha_rank, evolution's stay. Of their age alone: fsp, all alike (fictitious self-play); delta_uniform, the newer ones "
        "alike; naive, the newest.",
    )
    delta: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="The share of members, the oldest, that delta_uniform never draws; None: 0.5 with that solver.",
    )
    size: int = Field(16, ge=2, description="Most members kept.")
    evict: Literal["least_drawn", "oldest"] = Field(
        "least_drawn", description="Who leaves a full population; of equals the oldest."
    )
    draw: Literal["episode", "collect"] = Field(
        "episode", description="Whether each episode's opponent is drawn, or one for all episodes of a step."
    )
    explore: float = Field(0.1, ge=0, le=1, description="Share of the draws that is even over all members (ours).")
    matches: float = Field(
        32, gt=0, description="Recent matches that every cell of a new row needs, if the solver reads payoffs (ours)."
    )
    memory: float = Field(
        0.9, ge=0, lt=1, description="How much of a match's weight in a row a further step leaves (ours)."
    )
    payoff: Literal["returns", "wins"] = Field(
        "returns", description="What a cell means: rewards a match, or 2 w - 1 with w the share of matches won."
    )
    self_play: float = Field(0.0, ge=0, lt=1, description="Share of the draws that is the policy as it is now.")
    policies: list[str] | None = Field(
        None,
        min_length=1,
        description="Policies that have a population; every other plays with itself as it is now. None: all.",
    )
    seat: Seat = Field("random", description=SEAT)

    @model_validator(mode="after")
    def _delta_has_its_solver(self) -> MembersParams:
        if self.delta is not None and self.solver != "delta_uniform":
            raise ValueError(f"'delta' is delta_uniform's; the solver is {self.solver}, which has none")
        return self

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        return [
            ("policies", f"no policy named '{name}' (there are: {', '.join(recipe.policies)})")
            for name in self.policies or ()
            if name not in recipe.policies
        ]


@dataclass(slots=True)
class Population:
    """One policy's members, and what has happened since the newest was added."""

    table: PayoffTable = field(default_factory=PayoffTable)
    results: Results = field(default_factory=Results)  # of the policy as it is now
    meta: list[float] = field(default_factory=lambda: [1.0])  # a weight for each member
    steps: int = 0  # in which a member was met
    win_rates: list[float] = field(default_factory=list)  # of the newest of those steps
    due: bool = False


class Members:
    """Past versions of the policy, drawn by a meta-strategy. ``due`` says when the policy becomes one."""

    def __init__(self, params: MembersParams) -> None:
        self.params = params
        self._populations: defaultdict[str, Population] = defaultdict(Population)
        self._drawn: dict[str, tuple[int, int | None]] = {}  # at which version, and who: with draw: collect

    def due(self, population: Population, version: int) -> bool:
        """Whether the policy, trained up to ``version``, is to become a member."""
        raise NotImplementedError

    def remembered(self) -> int:
        """How many steps' win rates `due` wants to see."""
        return 0

    def assign(self, policy: str, roles: Sequence[str], version: int, chance: Chance) -> Mapping[str, int | None]:
        if not self._populated(policy):
            return dict.fromkeys(roles)
        if self.params.draw == "episode":
            return opposite(self._draw(policy, chance), roles, self.params.seat, chance)
        # Versions are steps: the first episode of a collect draws for all of it.
        if self._drawn.get(policy, (-1, None))[0] != version:
            self._drawn[policy] = (version, self._draw(policy, chance))
        return opposite(self._drawn[policy][1], roles, self.params.seat, chance)

    def _draw(self, policy: str, chance: Chance) -> int | None:
        population, p = self._populations[policy], self.params
        if population.due and (lacking := self._lacking(population)):
            return chance.pick(lacking)
        even = p.explore / len(population.meta)
        weights = [(1 - p.self_play) * ((1 - p.explore) * share + even) for share in population.meta]
        return chance.pick([None, *population.table.members], [p.self_play, *weights])

    def _populated(self, policy: str) -> bool:
        return self.params.policies is None or policy in self.params.policies

    def _lacking(self, population: Population) -> list[int]:
        """Members that a new row has too few matches with."""
        if self.params.solver in BLIND:
            return []
        members, results = population.table.members, population.results
        return [member for member in members if results.matches(member) < self.params.matches]

    def matches_ended(self, matches: Sequence[Match]) -> None:
        by_policy: defaultdict[str, list[tuple[int, Match]]] = defaultdict(list)
        for match in matches:
            met = match.opponent
            if not isinstance(met, int) or not self._populated(match.policy):
                continue
            if met in self._populations[match.policy].table.members:
                by_policy[match.policy].append((met, match))
        for policy, mine in by_policy.items():
            population = self._populations[policy]
            if not population.due:  # what is being completed is not forgotten meanwhile, or it might never be complete
                population.results.fade(self.params.memory)
            scores: defaultdict[int, list[float]] = defaultdict(list)
            for member, match in mine:
                won = fmean(match.returns.values())
                score = 0.5 if won == 0 else float(won > 0)
                scores[member].append(score)
                value = won if self.params.payoff == "returns" else 2 * score - 1
                population.results.add(member, f"{match.game}/{'+'.join(sorted(match.returns))}", value)
            population.steps += 1
            self._note_win_rate(population, scores)

    def _note_win_rate(self, population: Population, scores: Mapping[int, Sequence[float]]) -> None:
        """Of a step against the meta-strategy: members weigh as it does, however often each was met; nothing if none of its was."""
        shares = dict(zip(population.table.members, population.meta, strict=True))
        met = sum(shares[member] for member in scores)
        if self.remembered() and met > 0:
            rate = sum(shares[member] * fmean(values) for member, values in scores.items()) / met
            population.win_rates = [*population.win_rates, rate][-self.remembered() :]

    def members(self, policy: str) -> list[int]:
        return list(self._populations[policy].table.members) if self._populated(policy) else []

    def step_ended(self, policy: str, version: int) -> None:
        if not self._populated(policy):
            return
        population = self._populations[policy]
        # A policy that has met nobody since it became a member has not changed since.
        population.due = population.due or (population.steps > 0 and self.due(population, version))
        if population.due and not self._lacking(population):
            self._add(population, version)

    def _add(self, population: Population, version: int) -> None:
        table, p = population.table, self.params
        if len(table.members) == p.size:
            drawn = population.meta if p.evict == "least_drawn" else [0.0] * p.size
            table.remove(min(range(p.size), key=lambda i: (drawn[i], i)))
        table.add(version, [population.results.cell(member) for member in table.members])
        population.results = Results()
        population.steps, population.win_rates, population.due = 0, [], False
        population.meta = solve(p.solver, table.payoffs(), p.delta)

    def state_dict(self) -> dict[str, Any]:
        return {
            policy: {
                "table": known.table.state_dict(), "results": known.results.state_dict(), "meta": known.meta,
                "steps": known.steps, "win_rates": known.win_rates, "due": known.due,
            }
            for policy, known in self._populations.items()
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._populations.clear()
        for policy, saved in state.items():
            known = self._populations[policy]
            known.table.load_state_dict(saved["table"])
            known.results.load_state_dict(saved["results"])
            known.meta, known.win_rates = list(saved["meta"]), list(saved["win_rates"])
            known.steps, known.due = int(saved["steps"]), bool(saved["due"])
