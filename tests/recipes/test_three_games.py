"""Three games in one run: each gets its share of the matches, and a baseline for each of its roles."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest

from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.records import Episode
from sparring.trainer import Trainer

GAMES = ("kuhn_poker", "simple_negotiation", "tic_tac_toe")
SMALL = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 40, warmup_examples: 256}"


@pytest.fixture(scope="module", params=["spiral/three_games", "spiral/three_games_cpu"])
def played(request: pytest.FixtureRequest) -> tuple[str, Trainer, list[Episode]]:
    """Two steps of a recipe's smoke block, with a model that is smaller still."""
    host = load_plugins()
    source = find_recipe(request.param, host.recipe_packages)
    sets = [f"policies.main.model={SMALL}", "train.threads=1"]
    trainer = assemble(load_recipe(source, host.registry, smoke=True, sets=sets))
    return request.param, trainer, [episode for _ in range(2) for episode in trainer.step()[1]]


def test_each_game_gets_its_share(played: tuple[str, Trainer, list[Episode]]) -> None:
    """Two hands of Kuhn poker for each match of the others in the tiny run; equal ones at the paper's scale."""
    recipe, trainer, episodes = played
    counts = Counter(episode.game for episode in episodes)
    weights: dict[str, float] = defaultdict(float)
    for entry in trainer.entries:
        assert entry.game is not None
        weights[entry.game.info.name] += entry.weight
    assert set(counts) == set(weights) == set(GAMES)
    assert weights["kuhn_poker"] == (2 if recipe.endswith("cpu") else 1) * weights["tic_tac_toe"]
    assert weights["tic_tac_toe"] == weights["simple_negotiation"]
    shares = [counts[game] / weights[game] for game in GAMES]
    assert max(shares) - min(shares) <= 1


def test_random_play_holds_one_seat_of_half_the_matches_of_the_tiny_run(
    played: tuple[str, Trainer, list[Episode]],
) -> None:
    recipe, trainer, episodes = played
    for game in GAMES:
        holders = [trainer.entries[episode.entry].roles for episode in episodes if episode.game == game]
        against = Counter(role for roles in holders for role, held in roles.items() if held.name == "random")
        if game == "kuhn_poker" or not recipe.endswith("cpu"):
            assert not against
        else:
            assert against["player_0"] + against["player_1"] == len(holders) / 2
            assert against["player_0"] == against["player_1"]
    assert not any(turn.trained for episode in episodes for turn in episode.turns if turn.holder == "random")


def test_each_game_and_role_has_a_baseline(played: tuple[str, Trainer, list[Episode]]) -> None:
    """Returns of the smoke steps, folded in by hand in the order of the episodes; against random play apart."""
    recipe, trainer, episodes = played
    estimators = {id(entry.estimator): entry.estimator for entry in trainer.entries}
    assert len(estimators) == 1
    (estimator,) = estimators.values()
    expected: dict[tuple[int | str, str], float] = {}
    for episode in episodes:
        for trajectory in episode.trajectories():
            key = (episode.entry if recipe.endswith("cpu") else episode.game, trajectory.role)
            expected[key] = 0.95 * expected.get(key, 0.0) + 0.05 * trajectory.total
    found = estimator.state_dict()["baselines"]  # type: ignore[attr-defined]
    assert {tuple(json.loads(key)): value for key, value in found.items()} == pytest.approx(expected)


def test_every_game_is_learned_from(played: tuple[str, Trainer, list[Episode]]) -> None:
    _, _, episodes = played
    for game in GAMES:
        assert any(turn.advantage for episode in episodes if episode.game == game for turn in episode.turns)
