"""A plugin of toys: enough components of every kind for a recipe, none of which does anything."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import Field

from sparring import Choice, Game, Judge, Params, RoleSpec, component, hookimpl
from sparring.plugins import load_plugins
from sparring.recipe import Recipe, RecipeSource, load_recipe
from sparring.registry import Registry

if TYPE_CHECKING:
    from sparring.recipe import Recipe as RecipeType

RECIPE = """\
# A toy recipe.
format: 1
policies:
  main: {model: small}
play:
  - {game: {use: cards, rounds: 2}, group_size: 2}
  - {game: dice, weight: 2}
advantage: plain
objective: loss
train: {steps: 3, learning_rate: 1e-6}
evaluate: [{use: measure, game: cards, every: 2}]
smoke: {train.steps: 1, play.0.game.rounds: 1}
"""


class ScaleParams(Params):
    scale: float = Field(1.0, gt=0, description="Multiplies everything.")


class CardsParams(Params):
    rounds: int = Field(1, ge=1, description="Hands in a match.")
    name: str = Field("cards", description="What it is called.")


class PathParams(Params):
    path: str = Field(description="A folder.")
    revision: str = Field("main", description="Which version of it.")


class SumParams(Params):
    judges: list[Annotated[Choice[Judge], component("judge")]] = Field(min_length=1, description="What is added up.")


class MeasureParams(Params):
    game: Annotated[Choice[Game], component("game")] = Field(description="The game to measure in.")


class GroupParams(Params):
    """Parameters that contradict a recipe without groups."""

    baseline: str = Field("mean", description="Of the group.")

    def contradictions(self, recipe: RecipeType) -> list[tuple[str, str]]:
        alone = [entry.title for entry in recipe.play if entry.group_size == 1]
        return [("baseline", f"needs groups, but play.group_size of {', '.join(alone)} is 1")] if alone else []


class Made:
    """A toy component. It keeps its parameters."""

    def __init__(self, params: Params) -> None:
        self.params = params


class ToyGame(Made):
    """A game of two."""

    info = SimpleNamespace(name="toy", roles=("player_0", "player_1"))


class ToyScheme(Made):
    """Everybody plays."""

    def roles(self, game: Game) -> list[RoleSpec]:
        return [RoleSpec(role) for role in game.info.roles]


class ToyModel(Made):
    def where(self) -> str:
        return "under the table"


class Toys:
    """The plugin. A method for each hook, made from what it registers."""

    __name__ = "toys"


def _hook(name: str, *rows: tuple[str, Callable[[Any], Any], type[Params]]) -> None:
    def register_all(self: Toys, register: Any) -> None:
        for row in rows:
            register(*row)

    register_all.__name__ = name
    setattr(Toys, name, hookimpl(register_all))


_hook("sparring_register_games", ("cards", ToyGame, CardsParams), ("dice", ToyGame, ScaleParams))
_hook("sparring_register_role_schemes", ("turn_based", ToyScheme, ScaleParams))
_hook("sparring_register_judges", ("outcome", Made, ScaleParams), ("weighted_sum", Made, SumParams))
_hook("sparring_register_advantage_estimators", ("plain", Made, ScaleParams), ("grouped", Made, GroupParams))
_hook("sparring_register_record_builders", ("policy_gradient", Made, ScaleParams))
_hook("sparring_register_objectives", ("loss", Made, ScaleParams))
_hook("sparring_register_opponent_samplers", ("current", Made, ScaleParams))
_hook("sparring_register_curricula", ("constant", Made, ScaleParams))
_hook("sparring_register_players", ("random", Made, ScaleParams))
_hook("sparring_register_models", ("small", ToyModel, ScaleParams), ("pretrained", ToyModel, PathParams))
_hook("sparring_register_generators", ("transformers", Made, ScaleParams))
_hook("sparring_register_evaluators", ("measure", Made, MeasureParams))
_hook("sparring_register_trackers", ("jsonl", Made, ScaleParams))


@pytest.fixture(name="toys")
def _toys() -> Toys:
    return Toys()


@pytest.fixture(name="toy_registry")
def _toy_registry(toys: Toys) -> Registry:
    return load_plugins(modules=[toys], entry_points=False).registry


@pytest.fixture(name="toy_recipe")
def _toy_recipe() -> str:
    return RECIPE


@pytest.fixture
def load(toy_registry: Registry) -> Callable[..., Recipe]:
    """``load(text, sets=…, smoke=…)`` of a recipe of toys in ``toy.yaml``."""

    def call(text: str = RECIPE, **options: Any) -> Recipe:
        return load_recipe(RecipeSource("toy", text, "toy.yaml"), toy_registry, **options)

    return call
