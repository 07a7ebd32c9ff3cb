"""The evaluator `ratings`: everybody against everybody, a payoff matrix, and a rating of each with its uncertainty.

Ratings are those of Bradley and Terry (1952, "Rank analysis of incomplete block designs: I"): the log-odds that one beats
another is the difference of their strengths. A draw is half a win of each. They are told on the scale of chess, where 400 points
are odds of ten to one, relative to the mean of all; a difference says something within one game and one table alone. Where
strength is not one number, as among rock, paper and scissors, or matches are won by little and lost by much, as at poker,
where only wins and not chips are counted here, the payoff matrix is what to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sparring import Choice, Game, Params, Player, SparringError, component
from sparring.play import Held
from sparring_evaluators.head_to_head import by_name, score

if TYPE_CHECKING:
    from sparring.evaluation import Evaluation
    from sparring.recipe import Recipe

POINTS = 400 / np.log(10)  # of one unit of log-odds
_Z = 1.959964  # of a normal's middle 95 %


class RatingsParams(Params):
    game: Annotated[Choice[Game], component("game")] = Field(description="The game to play; two players.")
    versions: list[int | Literal["latest"]] = Field(
        [0, "latest"],
        min_length=1,
        description="Versions of the policy by training step, 0 for before training, or latest.",
    )
    players: list[Annotated[Choice[Player], component("player")]] = Field(
        default_factory=list, description="Members that are no policy: random, equilibrium, minimax, …"
    )
    policies: list[str] = Field(
        default_factory=list, description="Members that are other policies of the recipe, as they are now."
    )
    episodes: int = Field(100, ge=2, description="Matches of each pair, half in either seat.")
    policy: str = Field("", description="Whose versions; empty for the first trainable policy.")
    prior: float = Field(
        1.0,
        gt=0,
        description="Imagined draws of each member with the mean, which keep one that never lost finite (ours).",
    )

    @model_validator(mode="after")
    def _several(self) -> RatingsParams:
        if len(self.versions) + len(self.players) + len(self.policies) < 2:
            raise ValueError("names one member alone; give at least two among 'versions', 'players' and 'policies'")
        if len(set(self.versions)) < len(self.versions):
            raise ValueError(f"'versions' names one twice: {self.versions}")
        return self

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for number, choice in enumerate(self.players):
            try:
                Held.by(choice.use, choice.make(), self.game.make())
            except SparringError as error:
                found.append((f"players.{number}", str(error)))
        known = ", ".join(recipe.policies)
        return found + [
            ("policies", f"no policy named '{name}' (there are: {known})")
            for name in self.policies
            if name not in recipe.policies
        ]


class Ratings:
    """Plays all pairs of versions, players and policies; a payoff matrix and a rating of each with its interval."""

    def __init__(self, params: RatingsParams) -> None:
        self.params = params
        self._game = params.game.make()
        if self._game.info.players != 2:
            raise SparringError(
                f"ratings needs a game of two players; {self._game.info.name} has {self._game.info.players}"
            )

    def members(self) -> Sequence[int]:
        return [version for version in self.params.versions if version != "latest"]

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        members = self._seated(run)
        names = list(members)
        where = f"eval/ratings/{self._game.info.name}"
        found: dict[str, float] = {}
        results: list[Result] = []
        roles = self._game.info.roles
        for (i, one), (j, other) in combinations(enumerate(names), 2):
            seats = [k % 2 for k in range(self.params.episodes)]
            holders = [{roles[seat]: members[one], roles[1 - seat]: members[other]} for seat in seats]
            episodes = run.play(self._game, holders, f"ratings/{one}/{other}")
            for mine, theirs, sat in ((one, other, seats), (other, one, [1 - seat for seat in seats])):
                told = score(episodes, sat)
                for key in ("mean_return", "mean_return_error"):
                    found[f"{where}/{mine}/against/{theirs}/{key}"] = told[key]
            results.append(Result(j, i, told["win_rate"] * len(seats), len(seats)))
        points, half = bradley_terry(len(names), results, self.params.prior)
        for name, rating, width in zip(names, points, half, strict=True):
            found[f"{where}/{name}/rating"] = float(rating)
            found[f"{where}/{name}/rating_error"] = float(width)
        return found

    def _seated(self, run: Evaluation) -> dict[str, Held]:
        policy = self.params.policy or run.policies[0]
        members: dict[str, Held] = {}
        for version in self.params.versions:
            if version == "latest" or version == run.step:
                members[f"{policy}_latest"] = run.held(policy)
            elif version < run.step:
                members[f"{policy}_{version}"] = run.held(policy, version)
        members |= {name: run.held(name) for name in self.params.policies}
        seated = by_name(self.params.players).items()
        return members | {name: Held.by(name, choice.make(), self._game) for name, choice in seated}


@dataclass(frozen=True, slots=True)
class Result:
    """What member ``one`` got of ``matches`` against ``other``: ``wins``, a draw as half of one."""

    one: int
    other: int
    wins: float
    matches: int


def bradley_terry(
    members: int, results: Sequence[Result], prior: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratings in points around their mean, and half the width of each one's 95 % interval.

    The most likely strengths, by Newton's method; the likelihood has one peak, and ``prior`` draws with the mean make it finite.
    Intervals are those of the normal distribution with the curvature at the peak.
    """
    wins = np.zeros((members, members))
    for result in results:
        wins[result.one, result.other] += result.wins
        wins[result.other, result.one] += result.matches - result.wins
    matches = wins + wins.T
    strengths = np.zeros(members)

    def slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
        expected = 1 / (1 + np.exp(x[None, :] - x[:, None]))
        found: NDArray[np.float64] = (wins - matches * expected).sum(1) + prior * (0.5 - 1 / (1 + np.exp(-x)))
        return found

    def curvature(x: NDArray[np.float64]) -> NDArray[np.float64]:
        p = 1 / (1 + np.exp(x[None, :] - x[:, None]))
        weight = matches * p * (1 - p)
        own = 1 / (1 + np.exp(-x))
        return np.diag(weight.sum(1) + prior * own * (1 - own)) - weight

    for _ in range(100):
        step = np.linalg.solve(curvature(strengths), slope(strengths))
        # Far from the peak a whole step may overshoot; one unit of log-odds never does.
        strengths = strengths + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    spread = np.linalg.inv(curvature(strengths))
    # Of each strength minus the mean of all.
    centred = np.eye(members) - 1 / members
    deviation = np.sqrt(np.diag(centred @ spread @ centred.T))
    return POINTS * (strengths - strengths.mean()), POINTS * _Z * deviation


def table(metrics: Mapping[str, float], game: str) -> str:
    """The logged ratings of a game, best first, beside the payoff matrix: mean returns of rows against columns."""
    rated: dict[str, dict[str, float]] = {}
    payoffs: dict[tuple[str, str], float] = {}
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[:3] == ["eval", "ratings", game] and len(parts) == 5:
            rated.setdefault(parts[3], {})[parts[4]] = value
        elif parts[:3] == ["eval", "ratings", game] and parts[-1] == "mean_return":
            payoffs[parts[3], parts[5]] = value
    if not rated:
        raise SparringError(f"no ratings of {game!r} are among these metrics")
    order = sorted(rated, key=lambda name: -rated[name]["rating"])
    lines = [["", "rating", *order]]
    for row in order:
        cells = (payoffs.get((row, column)) for column in order)
        told = f"{rated[row]['rating']:+.0f} ± {rated[row]['rating_error']:.0f}"
        lines.append([row, told, *("–" if cell is None else f"{cell:+.2f}" for cell in cells)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
