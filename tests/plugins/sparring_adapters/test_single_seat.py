"""Environments that are reset and stepped, as one-player games: repeatable, apart from each other, and their failures named."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from sparring import GameError, SeededChance
from sparring.errors import EpisodeError
from sparring.testing import check_game
from sparring_adapters.generators import Generators
from sparring_adapters.single_seat import RefusedError, SingleSeat, SingleSeatParams


class Dice:
    """Guess what the global generators draw: seeded as such libraries are, and drawing again at every step."""

    limit = 4

    def reset(self, seed: int) -> str:
        random.seed(seed)
        np.random.seed(seed)
        self.turn, self.closed = 0, 0
        return f"start {random.randint(1, 6)}"

    def step(self, action: str) -> tuple[str, float, bool, bool, Mapping[str, Any]]:
        if action == "refuse":
            raise RefusedError("that is\nno guess")
        if action == "die":
            raise ConnectionError("the\nenvironment is gone")
        self.turn += 1
        shown = random.randint(1, 6) + int(np.random.randint(0, 6))
        won = action == str(shown)
        return f"it was {shown}", 1.0 if won else -0.25, won, self.turn == self.limit, {}

    def sample(self) -> str | None:
        return str(random.randint(1, 11))

    def close(self) -> None:
        self.closed += 1


def dice(make: Any = Dice, **params: Any) -> SingleSeat:
    return SingleSeat("dice", SingleSeatParams(**params), make, max_turns=4)


def test_it_is_a_sound_game() -> None:
    check_game(dice(), episodes=40)


def test_episodes_side_by_side_do_not_disturb_each_other_nor_the_run() -> None:
    game = dice()
    alone = [game.new_state(SeededChance(seed)) for seed in (1, 2)]
    for state in alone:
        while state.to_act():
            state.apply({0: "0"})
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    mixed = [game.new_state(SeededChance(seed)) for seed in (1, 2)]
    while mixed[0].to_act():
        for state in mixed:
            state.sample_action(0, SeededChance(9))
            state.apply({0: "0"})
    assert [s.observe(0) for s in mixed] == [s.observe(0) for s in alone]
    assert alone[0].observe(0) != alone[1].observe(0)
    assert (random.random(), np.random.random()) == expected


def test_a_start_is_drawn_by_the_runs_own_chance() -> None:
    game = SingleSeat("dice", SingleSeatParams(), Dice, starts=3)
    starts = {game.new_state(SeededChance(seed)).start for seed in range(40)}
    assert starts == {0, 1, 2}
    assert game.new_state(SeededChance("x")).observe(0) == game.new_state(SeededChance("x")).observe(0)


def test_rewards_of_steps_add_up_to_the_return() -> None:
    game = dice()
    state = game.new_state(SeededChance(0))
    paid = []
    while state.to_act():
        state.apply({0: "0"})
        paid += state.rewards()
    assert paid == [-0.25] * 4
    assert state.outcome().returns == (-1.0,)


def test_cut_off_by_the_environment_is_not_ended() -> None:
    state = dice().new_state(SeededChance(0))
    while state.to_act():
        state.apply({0: "0"})
    assert state.outcome().kinds == ("truncated",)

    class Counting(Dice):
        def step(self, action: str) -> tuple[str, float, bool, bool, Mapping[str, Any]]:
            told, reward, over, cut, info = super().step(action)
            return told, reward, over or cut, cut, info

    state = dice(Counting).new_state(SeededChance(0))
    while state.to_act():
        state.apply({0: "0"})
    assert state.outcome().kinds == ("loss",)
    assert state.outcome().returns == (-1.0,)


def test_a_refused_action_is_an_illegal_move_that_changes_nothing() -> None:
    state = dice().new_state(SeededChance(0))
    before = state.snapshot(), state.observe(0)
    move = state.apply({0: "refuse"})[0]
    assert (move.action, move.reason) == (None, "that is no guess")
    assert (state.snapshot(), state.observe(0)) == before
    assert state.apply({0: "3"})[0].action == "3"


def test_an_environment_that_dies_fails_its_episode_by_name() -> None:
    state = dice().new_state(SeededChance(0))
    state.apply({0: "0"})
    with pytest.raises(
        EpisodeError, match=r"dice, start \d+, after 1 moves: .* step: ConnectionError: the environment is gone$"
    ):
        state.apply({0: "die"})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (("told", float("nan"), False, False, {}), "its reward is nan"),
        (("told", None, False, False, {}), "TypeError"),
        ((b"told", 0.0, False, False, {}), "not a text"),
        (("told", 0.0), "ValueError"),
        (None, "TypeError"),
    ],
)
def test_rubbish_fails_the_episode(answer: Any, why: str) -> None:
    class Rubbish(Dice):
        def step(self, action: str) -> Any:
            return answer

    state = dice(Rubbish).new_state(SeededChance(0))
    with pytest.raises(EpisodeError, match=why):
        state.apply({0: "1"})
    assert state.observe(0) == dice(Rubbish).new_state(SeededChance(0)).observe(0)


def test_what_does_not_repeat_itself_cannot_be_copied() -> None:
    fresh = iter(range(100))

    class Forgetful(Dice):
        def reset(self, seed: int) -> str:
            return super().reset(next(fresh))

    state = dice(Forgetful).new_state(SeededChance(0))
    state.apply({0: "0"})
    with pytest.raises(GameError, match="does not repeat itself"):
        state.clone().apply({0: "0"})


def test_an_environment_is_closed_when_its_match_is_over() -> None:
    made: list[Dice] = []

    def make() -> Dice:
        made.append(Dice())
        return made[-1]

    state = dice(make).new_state(SeededChance(0))
    state.apply({0: "0"})
    assert made[0].closed == 0
    while state.to_act():
        state.apply({0: "0"})
    assert made[0].closed == 1


def test_moves_of_the_recipe_go_before_the_environments_own() -> None:
    class Silent(Dice):
        def sample(self) -> str | None:
            return None

    state = dice(Silent, moves=("7", "8")).new_state(SeededChance(0))
    assert {state.sample_action(0, SeededChance(n)) for n in range(20)} == {"7", "8"}
    with pytest.raises(GameError, match="give the game some with 'moves'"):
        dice(Silent).new_state(SeededChance(0)).sample_action(0, SeededChance(0))


def test_lending_survives_an_error() -> None:
    mine = Generators(1)

    def fail() -> None:
        with mine.lent():
            raise ValueError(str(random.random()))

    random.seed(3)
    with pytest.raises(ValueError, match="0"):
        fail()
    assert random.random() == random.Random(3).random()
