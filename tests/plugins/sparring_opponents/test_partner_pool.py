"""Partners by the published vector and by hand, who is trained with whom, and what a recipe may not say."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from sparring import Match, RecipeError, SeededChance
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import Recipe, RecipeSource, load_recipe
from sparring_opponents.ranks import dense_ranks, rank_shares

TINY = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_examples: 64, warmup_steps: 60"
RECIPE = f"""
format: 1
policies:
  main: {{model: {TINY}}}}}
  ally: {{model: {TINY}, seed: 1}}}}
play:
  - {{name: alone, game: {{use: signalling, wording: terse}}, roles: {{sender: ally, receiver: ally}}}}
  - {{name: learns, game: {{use: signalling, wording: terse}}}}
opponents: {{use: partner_pool, learner: main, partners: [ally@0, ally@1, ally]}}
advantage: role_conditioned
objective: policy_gradient
sampling: {{max_tokens: 3}}
batch: {{size: 24}}
schedule: [{{train: [ally], play: [alone], steps: 2}}, {{train: [main], play: [learns], steps: 4}}]
train: {{steps: 6, learning_rate: 1.0e-2, threads: 1}}
"""
ROLES = ["sender", "receiver"]


def recipe(*sets: str) -> Recipe:
    return load_recipe(RecipeSource("test", RECIPE, "test"), load_plugins().registry, sets=sets)


def pool(*sets: str) -> Any:
    return recipe(*(f"opponents.{one}" for one in sets)).opponents.make()


def match(partner: str | int | None, total: float, role: str = "sender") -> Match:
    return Match("main", "signalling", partner, {role: total})


def test_ranks_are_dense_and_ties_share_one() -> None:
    assert dense_ranks([5, 1, 5, 3]) == [3, 1, 3, 2]
    assert rank_shares([2.0, 2.0], 3.0) == [0.5, 0.5]


@pytest.mark.parametrize("rank_by", ["inverse", "negative"])
def test_the_published_vector(rank_by: str) -> None:
    """Returns of 100, 60, 20 and 80 with four partners, exponent 3."""
    made = pool("choose=prioritized", f"rank_by={rank_by}", "partners=[ally@0, ally@1, ally]", "seat=first")
    assert made.shares([("a", "sender")] * 4) == [0.25] * 4  # nobody has been met
    for partner, total in zip(("a", "b", "c", "d"), (100, 60, 20, 80), strict=True):
        made._means[partner]["sender"] = total
    pairs = [(partner, "sender") for partner in "abcd"]
    assert made.shares(pairs) == pytest.approx([0.01, 0.27, 0.64, 0.08])


def test_below_zero_only_the_negative_prefers_the_worst() -> None:
    pairs = [("ally@0", "sender"), ("ally", "sender")]
    for rank_by, worst_first in (("negative", True), ("inverse", False)):
        made = pool("choose=prioritized", f"rank_by={rank_by}", "kappa=1")
        made.matches_ended([match("ally@0", -4.0), match("ally", 2.0)])
        shares = made.shares(pairs)
        assert (shares[0] > shares[1]) is worst_first


def test_means_by_partner_and_seat_by_hand() -> None:
    made = pool("choose=prioritized", "kappa=1", "memory=0.9")
    made.matches_ended([match("ally", 1.0), match("ally", 0.0), match("ally", 0.2, "receiver"), match("nobody", 9.0)])
    assert made.state_dict()["means"] == {"ally": {"sender": 0.5, "receiver": 0.2}}
    made.matches_ended([match("ally", 0.0)])
    assert made.state_dict()["means"]["ally"]["sender"] == pytest.approx(0.45)
    # Who has not been met counts as the mean of the others, 0.325: between the two, so ranks are 1, 3 and 2.
    pairs = [("ally", "sender"), ("ally", "receiver"), ("ally@0", "sender")]
    assert made.shares(pairs) == pytest.approx([1 / 6, 3 / 6, 2 / 6])


def test_draws_follow_the_shares_over_partners_and_seats_and_self_play() -> None:
    made = pool("choose=prioritized", "kappa=2", "self_play=0.2", "partners=[ally@0, ally]")
    made.matches_ended(
        [match("ally", 0.1), match("ally", 0.2, "receiver"), match("ally@0", 0.3), match("ally@0", 0.4, "receiver")]
    )
    found: Counter[tuple[Any, ...]] = Counter()
    for i in range(8000):
        found[tuple(made.assign("main", ROLES, 9, SeededChance("draw", i)).values())] += 1
    for holders, share in {
        (None, "ally"): 16, ("ally", None): 9, (None, "ally@0"): 4, ("ally@0", None): 1,
    }.items():  # fmt: skip
        assert abs(found[holders] / 8000 - 0.8 * share / 30) < 0.02, holders
    assert abs(found[None, None] / 8000 - 0.2) < 0.02


def test_uniform_draws_every_partner_in_every_seat_alike() -> None:
    made = pool()
    made.matches_ended([match("ally", 0.0), match("ally@0", 1.0)])
    found: Counter[tuple[Any, ...]] = Counter()
    for i in range(6000):
        found[tuple(made.assign("main", ROLES, 9, SeededChance("draw", i)).values())] += 1
    assert len(found) == 6
    assert all(abs(count / 6000 - 1 / 6) < 0.02 for count in found.values())


def test_only_the_learner_is_trained_and_partners_are_the_versions_named() -> None:
    run = assemble(recipe())
    for _ in range(2):
        _, episodes = run.step()
        assert {turn.holder for episode in episodes for turn in episode.turns} == {"ally"}
    kept = run.pool.state_dict()
    assert kept == ["ally@0", "ally@1"]
    before = {name: p.clone() for name, p in run.learners["ally"].loaded.model.named_parameters()}
    _, episodes = run.step()
    met = set()
    for episode in episodes:
        # A sender who says what is no symbol ends the match alone.
        assert [turn.trained for turn in episode.turns] == [turn.holder == "main" for turn in episode.turns]
        assert len({turn.holder for turn in episode.turns}) == len(episode.turns)
        met |= {(turn.role, turn.holder) for turn in episode.turns if not turn.trained}
    assert {holder for _, holder in met} == {"ally@0", "ally@1", "ally"}
    assert {role for role, _ in met} == set(ROLES)
    assert all(p.equal(before[name]) for name, p in run.learners["ally"].loaded.model.named_parameters())


def test_a_resumed_run_meets_the_same_partners_and_plays_the_same_games() -> None:
    sets = ("opponents.choose=prioritized",)
    whole = assemble(recipe(*sets))
    for _ in range(4):
        whole.step()
    state = json.loads(json.dumps(whole.state_dict()))
    assert state["components"]["opponents"]["means"]
    tensors = {name: {k: v.clone() for k, v in t.items()} for name, t in whole.tensors().items()}
    weights = {
        name: {k: p.detach().clone() for k, p in learner.loaded.model.named_parameters()}
        for name, learner in whole.learners.items()
    }
    resumed = assemble(recipe(*sets))
    resumed.load(state, tensors, weights)
    for _ in range(2):
        one, other = (
            [[(t.holder, t.role, t.text, t.reward) for t in episode.turns] for episode in run.step()[1]]
            for run in (whole, resumed)
        )
        assert one == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("opponents.learner=mian", "no policy named 'mian'; did you mean 'main'"),
        ("opponents.partners=[alley]", "no policy named 'alley'; did you mean 'ally'"),
        ("opponents.partners=[main@0]", "'main' is the learner itself"),
        ("opponents.partners=[ally@two]", "should end in a step, such as ally@0"),
        ("opponents.partners=[ally@3]", "not there yet when 'main' is first trained, in step 3"),
        ("policies.ally.trainable=false", "has one version only; write 'ally'"),
    ],
)
def test_what_contradicts_the_recipe_is_refused(change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(change)
