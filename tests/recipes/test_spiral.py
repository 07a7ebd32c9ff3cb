"""The SPIRAL recipes do in small what they say they do: batches of turns, two epochs, the paper's rewards and contexts."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.records import Episode
from sparring.trainer import Trainer

Played = tuple[str, Trainer, list[tuple[dict[str, float], list[Episode]]]]


@pytest.fixture(scope="module", params=["kuhn_poker/spiral", "kuhn_poker/spiral_repository", "tic_tac_toe/spiral"])
def played(request: pytest.FixtureRequest) -> Played:
    """Two steps of a recipe's smoke block, with a model that is smaller still."""
    host = load_plugins()
    small = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 40, warmup_examples: 256}"
    source = find_recipe(request.param, host.recipe_packages)
    sets = [f"policies.main.model={small}", "train.threads=1"]
    trainer = assemble(load_recipe(source, host.registry, smoke=True, sets=sets))
    return request.param, trainer, [trainer.step() for _ in range(trainer.recipe.train.steps)]


def test_a_batch_has_at_least_its_number_of_trained_turns(played: Played) -> None:
    _, trainer, steps = played
    trained = [sum(turn.trained for episode in episodes for turn in episode.turns) for _, episodes in steps]
    assert all(count >= trainer.recipe.batch.size for count in trained)
    assert trainer.counters.turns == sum(trained) == steps[-1][0]["turns"]
    assert trainer.counters.episodes_failed == 0


def test_every_batch_is_used_twice(played: Played) -> None:
    _, trainer, steps = played
    assert trainer.learners["main"].state_dict()["updates"] == 2 * len(steps)
    for metrics, _ in steps:
        assert math.isfinite(metrics["loss/main"])
        assert metrics["grad_norm/main"] > 0
        assert metrics["ratio_max/main"] >= 1
        assert 0 <= metrics["clip_rate/main"] <= 1


def test_rewards_are_the_papers_or_its_repositorys(played: Played) -> None:
    name, _, steps = played
    offends, other = (-1.5, 0.5) if name.endswith("repository") else (-1.0, 1.0)
    endings: Counter[str] = Counter()
    for episode in (episode for _, episodes in steps for episode in episodes):
        last = {turn.role: turn for turn in episode.turns}
        offender = episode.facts["offender"]
        kinds = dict(zip(("player_0", "player_1"), episode.facts["kinds"], strict=True))  # type: ignore[call-overload]
        for role, turn in last.items():
            if offender is None:
                expected = {"win": 1.0, "loss": -1.0, "draw": 0.0, "truncated": 0.0}[kinds[role]]
            else:
                expected = offends if role == f"player_{offender}" else other
            assert turn.reward == expected
        assert not any(turn.reward for turn in episode.turns if turn not in last.values())
        endings["legal" if offender is None else "illegal"] += 1
    assert endings["illegal"]


def test_contexts_are_the_games_own(played: Played) -> None:
    """Kuhn poker is one conversation; in tic-tac-toe each turn stands alone behind the rules and the board."""
    name, trainer, steps = played
    game = name.partition("/")[0]
    chat = trainer.hall.chats["main"]
    longest = 0
    for episode in (episode for _, episodes in steps for episode in episodes):
        roles = [row.turns[0].role for row in episode.rows]
        if game == "kuhn_poker":
            assert len(set(roles)) == len(roles)
        else:
            assert all(len(row.turns) == 1 for row in episode.rows)
        assert len({(row.trajectory, row.turns[0].role) for row in episode.rows}) == len(set(roles))
        for row in episode.rows:
            assert chat.decode(row.tokens).count("put your final action inside \\boxed{}.") == 1
            assert all(turn.tokens <= 16 for turn in row.turns)
        longest = max(longest, max(map(roles.count, roles)), *(len(row.turns) for row in episode.rows))
    assert longest > 1


def test_win_rates_are_shares_of_the_matches(played: Played) -> None:
    name, trainer, _ = played
    game = name.partition("/")[0]
    found = trainer.evaluate(final=True)
    opponents = ["random"] if game == "kuhn_poker" else ["random", "minimax"]
    assert [name for name in found if name.endswith("/win_rate")] == [
        f"eval/head_to_head/{game}/{opponent}/win_rate" for opponent in opponents
    ]
    assert all(0 <= found[name] * 16 <= 16 for name in found if name.endswith("/win_rate"))
    # Nobody wins against it.
    assert found.get("eval/head_to_head/tic_tac_toe/minimax/win_rate", 0.0) <= 0.5
