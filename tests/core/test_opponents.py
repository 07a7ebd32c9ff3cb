"""Past versions in a run: they are met, the sampler is told how it went, and a resume meets the same ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from sparring import Match, MatchObserver
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.records import Episode
from sparring.trainer import Trainer

RECIPE = """
format: 1
policies:
  main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}}
play: [{game: {use: kuhn_poker, wording: terse}}]
advantage: role_conditioned
objective: policy_gradient
sampling: {max_tokens: 3}
batch: {size: 16}
train: {steps: 6, learning_rate: 1.0e-2, threads: 1}
"""
SAMPLERS = [
    "{use: prioritized, every: 2, size: 2}",
    "{use: delayed, every: 2}",
    "{use: uniform_pool, every: 2, size: 2}",
    "{use: rating_matched, every: 2, size: 2, self_play: 0.2}",
    "{use: psro, every: 1, size: 3, matches: 4}",
    # A member every other step: the win rate of two steps is there, and the second is after the most steps.
    "{use: population, solver: fsp, window: 2, least_steps: 1, most_steps: 1, size: 3}",
    "{use: cole, every: 2, size: 2}",
]


def trainer(opponents: str) -> Trainer:
    text = f"{RECIPE}opponents: {opponents}\n"
    return assemble(load_recipe(RecipeSource("test", text, "test"), load_plugins().registry))


def played(episodes: Sequence[Episode]) -> list[list[tuple[str, str, float]]]:
    return [[(turn.holder, turn.text, turn.reward) for turn in episode.turns] for episode in episodes]


@pytest.mark.parametrize("opponents", SAMPLERS)
def test_a_resumed_run_meets_the_same_opponents_and_plays_the_same_games(opponents: str) -> None:
    whole = trainer(opponents)
    for _ in range(3):
        whole.step()
    state = json.loads(json.dumps(whole.state_dict()))
    tensors = {name: {k: v.clone() for k, v in t.items()} for name, t in whole.tensors().items()}
    model = whole.learners["main"].loaded.model
    weights = {"main": {name: p.detach().clone() for name, p in model.named_parameters()}}
    resumed = trainer(opponents)
    resumed.load(state, tensors, weights)
    for _ in range(3):
        a, b = whole.step()[1], resumed.step()[1]
        assert any("@" in turn.holder for episode in a for turn in episode.turns)
        assert played(a) == played(b)


def test_the_sampler_is_told_how_every_match_ended_and_whom_it_was_with(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer("{use: prioritized, every: 2, self_play: 0.3}")
    told: list[Match] = []
    monkeypatch.setattr(type(run.opponents), "matches_ended", lambda self, matches: told.extend(matches))
    _, episodes = run.step()
    expected = []
    for episode in episodes:
        # Every hand has a move of both players.
        holders = {turn.role: turn.holder for turn in episode.turns}
        mine = dict.fromkeys((role for role, holder in holders.items() if holder == "main"), 0.0)
        for turn in episode.turns:
            if turn.role in mine:
                mine[turn.role] += turn.reward
        expected.append(Match("main", "kuhn_poker", 0 if "main@0" in holders.values() else None, mine))
    assert told == expected
    assert {match.opponent for match in told} == {0, None}


def test_results_of_one_policy_are_no_results_of_another() -> None:
    """Two policies are trained against their own past in one run: each has its pool, and resumes with it."""
    two = RECIPE.replace("play: [", "  other: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}}\nplay: [").replace(
        "wording: terse}}]", "wording: terse}}, {name: b, game: {use: kuhn_poker, wording: terse}, roles: {player_0: other, player_1: other}}]"
    )  # fmt: skip
    text = f"{two}opponents: {{use: prioritized, every: 2, self_play: 0.0, memory: 0.0}}\n"
    run = assemble(load_recipe(RecipeSource("test", text, "test"), load_plugins().registry))
    sampler = run.opponents
    assert isinstance(sampler, MatchObserver)
    sampler.matches_ended([Match("main", "kuhn_poker", 0, {"player_0": 1.0})])
    sampler.matches_ended([Match("other", "kuhn_poker", 0, {"player_0": -1.0})])
    won = run.state_dict()["components"]["opponents"]["won"]
    assert won == {"main": [(0, 1.0)], "other": [(0, 0.0)]}
    _, episodes = run.step()
    for episode in episodes:
        assert {turn.holder for turn in episode.turns} in ({"main", "main@0"}, {"other", "other@0"})
    assert {turn.holder.partition("@")[0] for episode in episodes for turn in episode.turns} == {"main", "other"}
