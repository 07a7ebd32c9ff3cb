"""Every bundled recipe is right, and its smoke block runs."""

import math
from pathlib import Path

import pytest

from sparring.errors import RecipeError
from sparring.plugins import Host, load_plugins
from sparring.recipe import Recipe, RecipeSource, find_recipe, list_recipes, load_recipe
from sparring.run import Run

NAMES = [info.name for info in list_recipes(load_plugins().recipe_packages)]


def load(source: RecipeSource, host: Host, *, smoke: bool = False, sets: tuple[str, ...] = ()) -> Recipe:
    """The recipe; where it needs an extra that is not installed the test is skipped with the line that says so."""
    try:
        return load_recipe(source, host.registry, smoke=smoke, sets=sets)
    except RecipeError as error:
        if all("pip install 'sparring[" in problem.message for problem in error.problems):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_recipe_is_right_and_says_what_it_is(name: str) -> None:
    host = load_plugins()
    source = find_recipe(name, host.recipe_packages)
    assert source.text.startswith("# ")
    load(source, host)


@pytest.mark.parametrize("name", NAMES)
def test_a_smoke_block_trains(name: str, tmp_path: Path) -> None:
    host = load_plugins()
    source = find_recipe(name, host.recipe_packages)
    recipe = load(source, host, smoke=True, sets=("train.threads=1", "trackers=[jsonl]"))
    result = Run(recipe, source.text, host, tmp_path / "run").train()
    assert result.finished
    losses = [value for name, value in result.metrics.items() if name.startswith("loss/")]
    # A model that knows nothing may fail at every task of two small steps; then there is nothing to learn from.
    assert losses or result.metrics["zero_advantage_rate"] == 1
    assert all(map(math.isfinite, losses))
    assert result.metrics["episodes_failed"] == 0
