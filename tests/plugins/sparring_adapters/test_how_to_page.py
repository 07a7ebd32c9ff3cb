"""The page about other collections: its entries load, and say what they are said to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe

PAGE = Path(__file__).parents[3] / "docs/how_to/play_other_collections.md"
REST: dict[str, Any] = {
    "format": 1,
    "policies": {"main": {"model": {"use": "tiny", "warmup_steps": 0, "warmup_examples": 2}}},
    "advantage": "plain",
    "objective": "policy_gradient",
    "train": {"steps": 0},
}
ENTRIES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["play"][0]["game"]["use"])
def test_an_entry_of_the_page_can_be_played(entry: dict[str, Any]) -> None:
    """One match of the policy as it begins, whose moves may be illegal: that is an outcome, not an error."""
    needs = entry["play"][0]["game"]["use"]
    pytest.importorskip("pyspiel" if needs == "openspiel" else needs, reason="its games need it: make install-games")
    recipe = load_recipe(RecipeSource("page", yaml.safe_dump({**REST, **entry}), "page"), load_plugins().registry)
    trainer = assemble(recipe)
    (playing,) = trainer.entries
    (episode,) = trainer.hall.play([playing.plan(0, 0, playing.roles, ("page",))], 0)
    assert not episode.error
    assert playing.game is not None
    assert len(episode.facts["returns"]) == playing.game.info.players  # type: ignore[arg-type]  # a fact of any kind
