"""Ratings by hand and in the limit, and a whole table of players whose order is known."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sparring import Choice, RecipeError, Sampling
from sparring.evaluation import Evaluation
from sparring.examples import MessageChat
from sparring.play import Hall
from sparring.plugins import load_plugins
from sparring.pool import Pool
from sparring.recipe import RecipeSource, load_recipe
from sparring_evaluators.ratings import Ratings, RatingsParams, Result, bradley_terry, table
from sparring_games.tic_tac_toe import TicTacToe
from sparring_roles.turn_based import TurnBased, TurnBasedParams

PRIOR = 1e-6  # next to none


def test_two_members_by_hand() -> None:
    """Three wins of four are odds of three to one; the difference has variance 1 / (n p q) in log-odds."""
    points, half = bradley_terry(2, [Result(0, 1, 3.0, 4)], PRIOR)
    assert points[0] - points[1] == pytest.approx(400 * math.log10(3), abs=1e-3)
    # Around their mean each has half the difference, so half its deviation.
    deviation = math.sqrt(1 / (4 * 0.75 * 0.25)) * 400 / math.log(10)
    assert half == pytest.approx(1.959964 * deviation / 2, rel=1e-4)


def test_the_likeliest_strengths_are_found_among_many() -> None:
    strengths = np.array([0.0, 1.5, -2.0, 0.7])
    results = [
        Result(i, j, 1000 / (1 + math.exp(strengths[j] - strengths[i])), 1000) for i in range(4) for j in range(i)
    ]
    points, _ = bradley_terry(4, results, PRIOR)
    assert points * math.log(10) / 400 == pytest.approx(strengths - strengths.mean(), abs=1e-5)


@pytest.mark.parametrize("matches", [1, 100, 10_000])
def test_whoever_never_lost_is_rated_finitely_and_higher_the_more_it_played(matches: int) -> None:
    points, half = bradley_terry(2, [Result(0, 1, float(matches), matches)], 1.0)
    assert 0 < points[0] < 3000
    assert np.isfinite(half).all()
    # At the peak the slope is zero: wins beyond the expected ones equal the prior's pull to the mean.
    x = points[0] * math.log(10) / 400
    assert matches * (1 - 1 / (1 + math.exp(-2 * x))) == pytest.approx(1 / (1 + math.exp(-x)) - 0.5, rel=1e-6)


def test_rock_paper_scissors_has_no_order() -> None:
    points, _ = bradley_terry(3, [Result(0, 1, 10, 10), Result(1, 2, 10, 10), Result(2, 0, 10, 10)], 1.0)
    assert points == pytest.approx(0, abs=1e-6)


class NeverAsked:
    def release(self) -> None:
        pass


def test_players_of_known_strength_come_out_in_their_order() -> None:
    registry = load_plugins().registry
    chat = MessageChat()
    game: Any = TicTacToe(registry.get("game", "tic_tac_toe").params())  # type: ignore[operator]
    hall = Hall(NeverAsked(), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]
    entry: Any = SimpleNamespace(
        game=game, scheme=TurnBased(TurnBasedParams()), sampling=Sampling(), judges={}, roles={}
    )
    run = Evaluation(0, 0, hall, ["main"], [entry], Pool(hall.generator))

    def choice(kind: str, name: str) -> Any:
        component = registry.get(kind, name)  # type: ignore[arg-type]
        return Choice(name, component.params(), component)

    params = RatingsParams.model_construct(
        game=choice("game", "tic_tac_toe"), versions=[], policies=[], episodes=40, policy="", prior=1.0,
        players=[choice("player", "random"), choice("player", "minimax"), choice("player", "random")],
    )  # fmt: skip
    found = Ratings(params).evaluate(run)
    where = "eval/ratings/tic_tac_toe"
    assert found[f"{where}/minimax/rating"] > found[f"{where}/random/rating"] + 200
    assert found[f"{where}/minimax/against/random/mean_return"] > 0.8
    assert found[f"{where}/minimax/against/random/mean_return"] == pytest.approx(
        -found[f"{where}/random/against/minimax/mean_return"]
    )
    lines = table(found, "tic_tac_toe").splitlines()
    assert [line.split()[0] for line in lines][:2] == ["rating", "minimax"]
    assert {line.split()[0] for line in lines[2:]} == {"random", "random_2"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("versions: [0]", "names one member alone"),
        ("versions: [0, 0]", "names one twice"),
        ("players: [minimax]", r"players\.0: the player minimax plays .* kuhn_poker is none"),
        ("policies: [mian]", r"no policy named 'mian' \(there are: main\)"),
    ],
)
def test_tables_that_cannot_be_played_are_refused(given: str, message: str) -> None:
    text = (
        "format: 1\npolicies: {main: {model: tiny}}\nplay: [{game: kuhn_poker}]\nobjective: policy_gradient\n"
        f"train: {{steps: 1}}\nevaluate: [{{use: ratings, game: kuhn_poker, {given}, every: 1}}]\n"
    )
    with pytest.raises(RecipeError, match=message):
        load_recipe(RecipeSource("mine", text, "mine.yaml"), load_plugins().registry)
