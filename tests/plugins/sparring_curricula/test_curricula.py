"""Shares of entries: against hand-computed values, and in a run that is resumed."""

import json
import math
from collections.abc import Sequence

import pytest

from sparring import Curriculum, RecipeError, Span, Turn
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.records import Episode, Row
from sparring.testing import make
from sparring.trainer import Trainer


def episode(advantages: Sequence[float], reward: float = 1.0, tokens: int = 1) -> Episode:
    """An episode of one role whose turns have these advantages; the return stands on the last."""
    turns = [
        Turn("a", "main", 0, 0, 0, [Span("sampled", [1] * tokens)], "", "", trained=True, advantage=advantage)
        for advantage in advantages
    ]
    turns[-1].reward = reward
    return Episode(0, 1, 0, "g", [Row([])], turns)


def curriculum(name: str, **params: object) -> Curriculum:
    made: Curriculum = make("curriculum", name, **params)
    return made


def shares(made: Curriculum, given: Sequence[float]) -> list[float]:
    weights = made.weights(given)
    return [weight / sum(weights) for weight in weights]


def test_before_anything_was_played_the_recipes_weights_stand() -> None:
    for name in ("constant", "equal_tokens", "learning_gain"):
        assert shares(curriculum(name), [3.0, 1.0]) == [0.75, 0.25]


def test_gain_follows_the_mean_absolute_advantage_by_a_moving_average() -> None:
    made = curriculum("learning_gain", rate=0.5, temperature=0.5, floor=0.2, relative=False)
    made.step_ended([[episode([0.3, -0.5])], [episode([0.0, 0.0])]])  # values 0.4 and 0
    made.step_ended([[episode([0.2])], [episode([0.1])]])  # values 0.3 and 0.05
    pull = math.exp((0.05 - 0.3) / 0.5)
    expected = 0.2 * 0.5 + 0.8 / (1 + pull)
    assert shares(made, [1.0, 1.0]) == pytest.approx([expected, 1 - expected])


def test_games_of_other_stakes_compare() -> None:
    """Advantages and returns ten times as large are the same gain."""
    made = curriculum("learning_gain")
    made.step_ended([[episode([0.5], reward=1.0)], [episode([5.0], reward=-10.0)]])
    assert shares(made, [1.0, 1.0]) == pytest.approx([0.5, 0.5])


def test_what_was_never_played_is_taken_to_be_as_good_as_the_best() -> None:
    made = curriculum("learning_gain", floor=0.1, relative=False)
    made.step_ended([[episode([0.7])], [episode([0.0])], []])
    first, second, third = shares(made, [1.0, 1.0, 1.0])
    assert first == third > second > 0.1 / 3


def test_nothing_learned_anywhere_leaves_the_weights() -> None:
    made = curriculum("learning_gain")
    made.step_ended([[episode([0.0], reward=0.0)], [episode([0.0])]])
    assert shares(made, [3.0, 1.0]) == pytest.approx([0.75, 0.25])


def test_entries_of_long_answers_are_begun_less_often_until_tokens_are_equal() -> None:
    made = curriculum("equal_tokens", memory=0.0, most=100)
    made.step_ended([[episode([1.0], tokens=10)] * 4, [episode([1.0, 1.0], tokens=15)] * 4])
    short, long = shares(made, [1.0, 1.0])
    assert short * 10 == pytest.approx(long * 30)
    bounded = curriculum("equal_tokens", memory=0.0, most=1.2)
    bounded.step_ended([[episode([1.0], tokens=10)], [episode([1.0], tokens=30)]])
    assert shares(bounded, [1.0, 1.0]) == pytest.approx([1.2 / (1.2 + 1 / 1.2), 1 / 1.2 / (1.2 + 1 / 1.2)])


RECIPE = """
format: 1
policies:
  main: {{model: {{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 1, warmup_steps: 20}}}}
play:
  - {{name: one, game: {{use: kuhn_poker, wording: terse}}, weight: 3}}
  - {{name: two, game: {{use: nim, pile_sizes: [1, 2]}}, sampling: {{max_tokens: 12}}}}
advantage: role_conditioned
objective: policy_gradient
sampling: {{max_tokens: 3}}
batch: {{size: 16}}
curriculum: {curriculum}
train: {{steps: 6, learning_rate: 1.0e-2, threads: 1}}
"""


def trainer(curriculum: str) -> Trainer:
    text = RECIPE.format(curriculum=curriculum)
    return assemble(load_recipe(RecipeSource("test", text, "test"), load_plugins().registry))


def test_shares_of_a_constant_curriculum_are_exact() -> None:
    metrics, _ = trainer("constant").step()
    assert metrics["play_share/one"] == 0.75
    assert metrics["play_share/two"] == 0.25


@pytest.mark.parametrize(
    "curriculum", ["{use: learning_gain, rate: 1, temperature: 0.05}", "{use: equal_tokens, memory: 0}"]
)
def test_shares_move_and_a_resumed_run_has_the_same(curriculum: str) -> None:
    whole = trainer(curriculum)
    begun = [whole.step()[0]["play_share/one"] for _ in range(2)]
    assert begun[0] == 0.75
    assert begun[1] != 0.75
    state = json.loads(json.dumps(whole.state_dict()))
    tensors = {name: {k: v.clone() for k, v in t.items()} for name, t in whole.tensors().items()}
    weights = {"main": {n: p.detach().clone() for n, p in whole.learners["main"].loaded.model.named_parameters()}}
    resumed = trainer(curriculum)
    resumed.load(state, tensors, weights)
    for _ in range(2):
        a, b = whole.step()[1], resumed.step()[1]
        assert [(e.entry, [turn.text for turn in e.turns]) for e in a] == [
            (e.entry, [turn.text for turn in e.turns]) for e in b
        ]


def test_a_curriculum_over_a_single_entry_is_refused() -> None:
    text = RECIPE.format(curriculum="learning_gain").replace(
        "  - {name: two, game: {use: nim, pile_sizes: [1, 2]}, sampling: {max_tokens: 12}}\n", ""
    )
    with pytest.raises(RecipeError, match=r"curriculum: 'play' has one entry"):
        load_recipe(RecipeSource("test", text, "test"), load_plugins().registry)
