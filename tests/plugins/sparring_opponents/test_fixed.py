"""Opponents that never learn, and a policy that learns only against another one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sparring import RecipeError, SeededChance
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe, resolved
from sparring.trainer import Trainer

RECIPE = """
format: 1
policies:
  main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 30}}
  still: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 30}, trainable: false}
  other: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 30}}
play: [{game: {use: kuhn_poker, wording: terse}}]
objective: policy_gradient
sampling: {max_tokens: 3}
batch: {size: 200}
train: {steps: 6, learning_rate: 1.0e-2, threads: 1}
"""
AMONG = (
    "{use: fixed, among: [equilibrium, {holder: {use: random}, weight: 2}, {holder: still, weight: 5}], self_play: 0.2}"
)


def trainer(opponents: str, more: str = "") -> Trainer:
    text = f"{RECIPE}opponents: {opponents}\n{more}"
    recipe = load_recipe(RecipeSource("test", text, "test"), load_plugins().registry)
    again = load_recipe(RecipeSource("again", resolved(recipe), "again"), load_plugins().registry)
    assert again.opponents == recipe.opponents  # it is written as it is read
    return assemble(recipe)


def weights(run: Trainer, policy: str) -> list[Any]:
    models = {name: learner.loaded.model for name, learner in run.learners.items()}
    return [p.detach().clone() for p in models[policy].parameters()]


def test_opponents_are_drawn_by_weight_and_only_the_learner_is_trained() -> None:
    run = trainer(AMONG)
    drawn = [run.opponents.assign("main", ["player_0", "player_1"], 0, SeededChance(n)) for n in range(4000)]
    met = Counter(next((o for o in assigned.values() if o is not None), None) for assigned in drawn)
    shares = {one if one is None or isinstance(one, str) else one[0]: count / 4000 for one, count in met.items()}  # type: ignore[index]
    assert shares.keys() == {None, "equilibrium", "random", "still"}
    expected = {None: 0.2, "equilibrium": 0.1, "random": 0.2, "still": 0.5}
    assert all(abs(shares[name] - share) < 0.035 for name, share in expected.items())
    assert abs(sum(assigned["player_0"] is None for assigned in drawn) / 4000 - 0.6) < 0.035  # half, and self-play
    _, episodes = run.step()
    turns = [turn for episode in episodes for turn in episode.turns]
    assert {turn.holder for turn in turns} == {"main", "equilibrium", "random", "still"}
    assert all(turn.trained == (turn.holder == "main") for turn in turns)


def test_a_policy_that_is_trained_is_no_fixed_opponent() -> None:
    with pytest.raises(RecipeError, match=r"opponents\.among\.0\.holder: policy 'other' is trained"):
        trainer("{use: fixed, among: [other]}")
    with pytest.raises(RecipeError, match=r"no policy or player named 'ramdom'; did you mean 'random'"):
        trainer("{use: fixed, among: [ramdom]}")


def test_an_opponent_that_cannot_play_the_game_stops_the_run_with_its_reason() -> None:
    run = trainer("{use: fixed, among: [minimax]}")
    with pytest.raises(Exception, match=r"minimax plays .* kuhn_poker is none"):
        run.step()


EXPLOIT = """
roles: {player_0: other, player_1: other}
"""


def test_an_exploiter_meets_the_target_as_it_is_and_the_target_does_not_learn_from_it() -> None:
    run = trainer("{use: exploiter, exploiter: other, target: main}", EXPLOIT)
    main, other = weights(run, "main"), weights(run, "other")
    _, episodes = run.step()
    for episode in episodes:
        assert {turn.holder for turn in episode.turns} <= {"main", "other"}
        assert all(turn.trained == (turn.holder == "other") for turn in episode.turns)
    assert {turn.holder for episode in episodes for turn in episode.turns} == {"main", "other"}
    assert {turn.role for e in episodes for turn in e.turns if turn.trained} == {"player_0", "player_1"}
    assert all(bool((a == b).all()) for a, b in zip(main, weights(run, "main"), strict=True))
    assert not all(bool((a == b).all()) for a, b in zip(other, weights(run, "other"), strict=True))


def test_the_other_policies_of_an_exploiter_have_opponents_of_their_own() -> None:
    run = trainer(
        "{use: exploiter, exploiter: other, target: main, others: {use: prioritized, every: 1, self_play: 0.0}}"
    )
    _, episodes = run.step()
    assert {turn.holder for episode in episodes for turn in episode.turns} == {"main", "main@0"}
    assert run.opponents.members("main") == [0, 1]
    assert run.opponents.members("other") == []
    again = trainer("{use: exploiter, exploiter: other, target: main, others: {use: prioritized, every: 1}}")
    again.opponents.load_state_dict(run.state_dict()["components"]["opponents"])  # type: ignore[attr-defined]
    assert again.opponents.members("main") == [0, 1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("exploiter: othre, target: main", r"opponents\.exploiter: no policy named 'othre'"),
        ("exploiter: still, target: main", r"'still' is not trainable"),
        ("exploiter: other, target: other", r"opponents\.target: 'other' is the exploiter itself"),
    ],
)
def test_an_exploiter_that_makes_no_sense_is_refused(names: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        trainer(f"{{use: exploiter, {names}}}")
