"""The table of returns with players whose conventions are known, and the gap by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sparring import RecipeError
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.testing import chosen
from sparring_evaluators.zero_shot import ZeroShot, ZeroShotParams
from sparring_games.signalling import Signalling, SignallingParams

#: Objects in the order in which symbols a, b, c and d mean them.
CONVENTIONS = {"ann": "0123", "bob": "0132", "cy@4": "1032"}


class Run:
    """As much of an evaluation as is asked: matches by convention, on every object in turn."""

    def __init__(self, step: int = 9) -> None:
        self.step = step
        self.tags: list[str] = []

    def held(self, policy: str, version: int | None = None) -> str:
        return policy if version is None else f"{policy}@{version}"

    def play(self, game: Any, holders: Any, tag: str) -> list[Any]:
        self.tags.append(tag)
        played = []
        for number, held in enumerate(holders):
            seen = str(number // 2 % 4)
            symbol = CONVENTIONS[held["sender"]].index(seen)
            right = float(CONVENTIONS[held["receiver"]][symbol] == seen)
            played.append(type("Episode", (), {"facts": {"returns": [right, right], "offender": None}}))
        return played


def params(**given: Any) -> ZeroShotParams:
    return ZeroShotParams(game=chosen("game", Signalling(SignallingParams())), episodes=80, **given)


def evaluated(run: Run | None = None, **given: Any) -> dict[str, float]:
    made: Any = ZeroShot(params(**given))
    return dict(made.evaluate(run or Run()))


def test_the_gap_is_the_diagonal_less_the_rest() -> None:
    """ann and bob agree on two objects of four, bob and cy on two, ann and cy on none."""
    run = Run()
    found = evaluated(run, agents=["ann", "bob", "cy@4"])
    where = "eval/zero_shot/signalling"
    assert found[f"{where}/ann/with/bob/mean_return"] == 0.5
    assert found[f"{where}/ann/with/cy@4/mean_return"] == 0
    assert found[f"{where}/bob/mean_return"] == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert found[f"{where}/self_play"] == 1
    assert found[f"{where}/cross_play"] == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert found[f"{where}/gap"] == pytest.approx(2 / 3)
    assert len(run.tags) == 6  # every pair once


def test_agents_with_given_partners_and_proximity_to_best_responses() -> None:
    found = evaluated(agents=["ann"], partners=["bob", "cy@4"], best_responses={"bob": "bob"}, name="pool")
    assert found["eval/zero_shot/pool/ann/mean_return"] == 0.25
    assert found["eval/zero_shot/pool/ann/br_proximity"] == 0.5
    assert not any(key.endswith("gap") for key in found)


def test_versions_are_kept_and_played_once_they_are_there() -> None:
    made = ZeroShot(params(agents=["ann", "cy@4"], partners=["ann@0"]))
    assert made.members() == [0, 4]
    early = evaluated(Run(step=2), agents=["ann", "cy@4"])
    assert not any("cy" in key for key in early)


RECIPE = """
format: 1
policies: {main: {model: tiny}}
play: [{game: signalling}]
objective: policy_gradient
train: {steps: 1}
evaluate: [{use: zero_shot, game: signalling, agents: [main], every: 1}]
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("evaluate.0.agents=[man]", "'man' is no policy"),
        ("evaluate.0.partners=[main@x]", "'main@x' is no policy"),
        ("evaluate.0.best_responses={other: main}", "'best_responses' names 'other'"),
    ],
)
def test_names_that_nobody_has_are_refused(change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(RecipeSource("test", RECIPE, "test"), load_plugins().registry, sets=[change])
