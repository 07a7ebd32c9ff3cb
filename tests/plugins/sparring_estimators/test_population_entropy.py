"""The bonus by hand, and in a run by the members' own probabilities of what was said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from sparring import AdvantageEstimator, SparringError, Trajectory, Turn
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.records import Row, Span
from sparring.testing import check_estimator, chosen
from sparring_estimators.plain import Plain, PlainParams
from sparring_estimators.population_entropy import PopulationEntropy, PopulationEntropyParams
from sparring_estimators.role_conditioned import RoleConditioned, RoleConditionedParams

#: What each member gives to an answer, whatever was before it.
THINK = {"one": {"x": 0.5, "y": 0.1}, "two": {"x": 0.25, "y": 1e-12}}


def scorer(policy: str, answers: Sequence[tuple[Sequence[int], str]]) -> list[float]:
    return [math.log(THINK[policy][text]) for _, text in answers]


def said(text: str, reward: float, holder: str = "one", episode: int = 0) -> Trajectory:
    labels: dict[str, Any] = {"game": "g", "role": "r", "start": episode, "entry": 0}
    turn = Turn("r", holder, 0, 0, 2, [Span("sampled", [7], [-1.0])], text, text, labels=labels, reward=reward)
    return Trajectory(episode, "r", [turn], [Row([1, 2, 7])])


def estimator(inner: AdvantageEstimator | None = None, members: Sequence[str] = ("one", "two")) -> PopulationEntropy:
    of = chosen("estimator", inner or Plain(PlainParams()))
    made = PopulationEntropy(PopulationEntropyParams(members=list(members), weight=0.1, of=of))
    made.attach(scorer)
    return made


def role_conditioned() -> RoleConditioned:
    return RoleConditioned(RoleConditionedParams())


def test_the_bonus_by_hand() -> None:
    """π̄(x) = 0.375 and π̄(y) = 0.05: the plain estimator gives back the return."""
    found = estimator().estimate([said("x", 1.0), said("y", 0.0)])
    assert found[0] == pytest.approx([1.0 - 0.1 * math.log(0.375)])
    assert found[1] == pytest.approx([-0.1 * math.log(0.05)])


def test_the_mean_counts_as_no_less_than_the_floor() -> None:
    found = estimator(members=["two"]).estimate([said("y", 0.0, holder="two")])
    assert found == [pytest.approx([-0.1 * math.log(1e-5)])]


def test_a_move_that_the_game_refused_has_no_bonus() -> None:
    refused = said("y", -1.0)
    refused.turns[0].labels["legal"] = False
    assert estimator().estimate([refused]) == [[-1.0]]


def test_rewards_stay_as_they_were_and_equal_answers_are_asked_about_once() -> None:
    made, asked = estimator(), []

    def counting(policy: str, answers: Sequence[tuple[Sequence[int], str]]) -> list[float]:
        asked.append((policy, list(answers)))
        return scorer(policy, answers)

    made.attach(counting)
    given = [said("x", 1.0, episode=number) for number in range(5)]
    made.estimate(given)
    assert asked == [("one", [((1, 2), "x")]), ("two", [((1, 2), "x")])]
    assert [t.turns[0].reward for t in given] == [1.0] * 5


def test_it_keeps_the_contract_of_estimators_and_the_memory_of_the_inner_one() -> None:
    batches = [[said("xy"[(k + n) % 2], float(k % 3), episode=k) for k in range(6)] for n in range(3)]
    check_estimator(estimator(role_conditioned()), batches=batches)
    made, twin = estimator(role_conditioned()), estimator(role_conditioned())
    made.estimate(batches[0])
    twin.load_state_dict(json.loads(json.dumps(made.state_dict())))
    assert twin.estimate(batches[1]) == made.estimate(batches[1])


def test_whoever_is_no_member_is_not_paid() -> None:
    with pytest.raises(SparringError, match="pays the members one, two, and was given turns of three"):
        estimator().estimate([said("x", 0.0, holder="three")])


TINY = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_examples: 64, warmup_steps: 60"
RECIPE = f"""
format: 1
policies:
  one: {{model: {TINY}, seed: 1}}}}
  two: {{model: {TINY}, seed: 2}}}}
play: [{{game: {{use: signalling, wording: terse}}}}]
advantage: {{use: population_entropy, members: [one, two], weight: 0.5, of: plain}}
objective: policy_gradient
sampling: {{max_tokens: 3}}
batch: {{size: 12}}
train: {{steps: 1, learning_rate: 1.0e-2, threads: 1}}
"""


def test_in_a_run_it_is_the_mean_probability_of_the_policies_as_they_sampled() -> None:
    run = assemble(load_recipe(RecipeSource("test", RECIPE, "test"), load_plugins().registry))
    told: dict[tuple[tuple[int, ...], str], list[float]] = {}
    # Of an answer that ended by itself, as tokens: asked for beforehand, since a step changes the weights.
    whole = run.generator.score

    def noting(policy: str, rows: Any) -> Any:
        scores = whole(policy, rows)
        for (context, tokens), row in zip(rows, scores, strict=True):
            told.setdefault((tuple(context), run.hall.chats[policy].decode(tokens)), []).append(math.exp(sum(row)))
        return scores

    run.generator.score = noting  # type: ignore[method-assign]
    _, episodes = run.step()
    turns = [(episode.rows[turn.row], turn) for episode in episodes for turn in episode.turns]
    assert len(turns) == 24
    for row, turn in turns:
        both = told[tuple(row.tokens[: turn.start]), turn.public]
        assert len(both) == 2
        assert both[0] != both[1]  # they began with weights of their own
        bonus = -0.5 * math.log(max(1e-5, sum(both) / 2)) if turn.labels["legal"] else 0.0
        assert turn.advantage == pytest.approx(turn.reward + bonus)
        (span,) = turn.spans
        if turn.finish == "stop" and span.tokens == run.hall.chats["one"].answer(turn.public):
            assert both[0] == pytest.approx(math.exp(sum(span.logprobs)), rel=1e-4)
