"""NashConv on every bundled game that can be solved, against OpenSpiel's own policies and published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from sparring import Choice, Sampling
from sparring.evaluation import Evaluation
from sparring.examples import MessageChat
from sparring.play import Hall
from sparring.plugins import load_plugins
from sparring.pool import Pool
from sparring_evaluators.nash_conv import NashConv, NashConvParams
from sparring_roles.turn_based import TurnBased, TurnBasedParams


class Habit:
    """A generator that scores answers by their place among a position's, which are asked for in turn."""

    def __init__(self, logprobs: Sequence[float]) -> None:
        self.logprobs = logprobs

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        found: list[list[float]] = []
        place, before = 0, None
        for context, _ in rows:
            place, before = (place + 1 if context is before else 0), context
            found.append([self.logprobs[min(place, len(self.logprobs) - 1)]])
        return found


def evaluated(logprobs: Sequence[float], name: str, **params: Any) -> dict[str, float]:
    component = load_plugins().registry.get("game", name)
    made = component.params(**params)
    game = component.factory(made)
    chat, generator = MessageChat(), Habit(logprobs)
    hall = Hall(generator, {"main": chat}, "main")  # type: ignore[arg-type, dict-item]  # both do what is asked of them
    entry: Any = SimpleNamespace(game=game, scheme=TurnBased(TurnBasedParams()), sampling=Sampling())
    run = Evaluation(0, 0, hall, ["main"], [entry], Pool(hall.generator))
    choice: Choice[Any] = Choice(name, made, component)
    evaluator = NashConv(NashConvParams.model_construct(game=choice, mode="scored", samples=1, policy="", bootstrap=0))
    return {key.rsplit("/", 1)[1]: value for key, value in evaluator.evaluate(run).items()}


#: game, parameters, NashConv of uniform play, NashConv of always taking the first legal action (None: not published)
GAMES: list[Any] = [
    ("leduc_poker", {}, 4.747222, 2.0),
    ("leduc_poker", {"suits": False, "wording": "terse"}, 4.747222, 2.0),
    ("liars_dice", {"dice_sides": 4}, 1.310119, None),
    ("goofspiel", {"num_cards": 3}, 1.333333, None),
    ("goofspiel", {"num_cards": 4}, 1.416667, None),
    ("three_player_kuhn", {}, 2.0625, None),
]


@pytest.mark.parametrize(("name", "params", "uniform", "first"), GAMES)
def test_uniform_play_loses_what_openspiel_says(
    name: str, params: dict[str, Any], uniform: float, first: float | None
) -> None:
    found = evaluated([0.0], name, **params)
    assert found["last"] == pytest.approx(uniform, abs=1e-6)
    assert found["uniform"] == pytest.approx(uniform, abs=1e-6)
    assert found["average"] == pytest.approx(uniform, abs=1e-6)


@pytest.mark.parametrize(("name", "params", "uniform", "first"), GAMES)
def test_a_habit_loses_what_openspiel_says(
    name: str, params: dict[str, Any], uniform: float, first: float | None
) -> None:
    """Of always the first legal action, which ties every action to its number in the twin."""
    import pyspiel
    from open_spiel.python.algorithms import exploitability
    from open_spiel.python.policy import TabularPolicy

    component = load_plugins().registry.get("game", name)
    game = component.factory(component.params(**params))
    other = pyspiel.load_game(game.info.twin.game)
    habit = TabularPolicy(other)
    for row, mask in zip(habit.action_probability_array, habit.legal_actions_mask, strict=True):
        row[:] = 0
        row[list(mask).index(1)] = 1
    expected = exploitability.nash_conv(other, habit)
    if first is not None:
        assert expected == pytest.approx(first)
    assert evaluated([0.0, -800.0], name, **params)["last"] == pytest.approx(expected, abs=1e-6)
