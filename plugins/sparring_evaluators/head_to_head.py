"""The evaluator `head_to_head`: matches against named opponents, seats swapped, with confidence intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from sparring import Choice, Episode, Game, ModelContext, Params, Player, SparringError, component
from sparring.evaluation import Evaluation
from sparring.interfaces import ModelSource
from sparring.play import Held

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class HeadToHeadParams(Params):
    game: Annotated[Choice[Game], component("game")] = Field(description="The game to play; two players.")
    players: list[Annotated[Choice[Player], component("player")]] = Field(
        default_factory=list, description="Opponents that are no policy: random, equilibrium, minimax, …"
    )
    models: dict[str, Annotated[Choice[ModelSource], component("model", unnamed=("pretrained", "path"))]] = Field(
        default_factory=dict,
        description="Opponents with weights of their own, by the name to log them under: a folder, a run, a checkpoint.",
    )
    policies: list[str] = Field(
        default_factory=list, description="Opponents that are other policies of the recipe, as they are now."
    )
    episodes: int = Field(200, ge=2, description="Matches against each opponent, half in either seat.")
    policy: str = Field("", description="Which policy; empty for the first trainable one.")

    @model_validator(mode="after")
    def _somebody(self) -> HeadToHeadParams:
        if not self.players and not self.models and not self.policies:
            raise ValueError("names no opponent; give 'players', 'models' or 'policies'")
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


class HeadToHead:
    """Win rate and mean return against named opponents."""

    def __init__(self, params: HeadToHeadParams) -> None:
        self.params = params
        self._game = params.game.make()
        if self._game.info.players != 2:
            raise SparringError(
                f"head_to_head needs a game of two players; {self._game.info.name} has {self._game.info.players}"
            )
        self._loaded: dict[str, Any] = {}

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        policy = self.params.policy or run.policies[0]
        opponents = {
            name: Held.by(name, choice.make(), self._game) for name, choice in by_name(self.params.players).items()
        }
        for name, choice in self.params.models.items():
            if name not in self._loaded:
                self._loaded[name] = choice.make().load(ModelContext(run.seed, _no_examples))
            opponents[name] = run.publish(name, self._loaded[name])
        opponents |= {name: run.held(name) for name in self.params.policies}
        found: dict[str, float] = {}
        for name, opponent in opponents.items():
            seats = [i % 2 for i in range(self.params.episodes)]
            roles = self._game.info.roles
            holders = [{roles[seat]: run.held(policy), roles[1 - seat]: opponent} for seat in seats]
            episodes = run.play(self._game, holders, f"head_to_head/{name}")
            for key, value in score(episodes, seats).items():
                found[f"eval/head_to_head/{self._game.info.name}/{name}/{key}"] = value
        return found


def by_name(players: Sequence[Choice[Player]]) -> dict[str, Choice[Player]]:
    """Players by the name to log them under: their component's, and from the second of a kind on its number."""
    named: dict[str, Choice[Player]] = {}
    count: Counter[str] = Counter()
    for choice in players:
        count[choice.use] += 1
        named[choice.use if count[choice.use] == 1 else f"{choice.use}_{count[choice.use]}"] = choice
    return named


def _no_examples(n: int) -> list[Any]:
    raise SparringError(
        "an opponent's model must be a finished one; 'tiny' is built for a run and has no weights of its own"
    )


def score(episodes: Sequence[Episode], seats: Sequence[int]) -> dict[str, float]:
    """Win rate with draws as a half and its Wilson interval, mean return with its normal one, both at 95 %."""
    n, z = len(episodes), 1.959964
    returns = [_returns(e)[seat] for e, seat in zip(episodes, seats, strict=True)]
    wins = sum(1.0 if r > 0 else 0.5 if r == 0 else 0.0 for r in returns)
    rate = wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    mean = math.fsum(returns) / n
    variance = math.fsum((r - mean) ** 2 for r in returns) / max(1, n - 1)
    offenders = [(e.facts.get("offender"), seat) for e, seat in zip(episodes, seats, strict=True)]
    return {
        "win_rate": rate, "win_rate_low": centre - half, "win_rate_high": centre + half,
        "mean_return": mean, "mean_return_error": z * math.sqrt(variance / n),
        "illegal_rate": sum(offender == seat for offender, seat in offenders) / n,
        # An endpoint that does not answer forfeits: what is won of it so says nothing about play.
        "opponent_illegal_rate": sum(offender == 1 - seat for offender, seat in offenders) / n,
    }  # fmt: skip


def _returns(episode: Episode) -> Sequence[float]:
    returns = episode.facts["returns"]
    assert isinstance(returns, list)
    return returns
