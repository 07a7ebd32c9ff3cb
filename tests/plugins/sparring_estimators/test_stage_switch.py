"""Iterative self-play and verified decisions: switching by thresholds, against sequences worked out by hand."""

import json
from typing import Any

import pytest

from sparring import SparringError, Trajectory, Turn
from sparring.testing import make
from sparring_estimators.stage_switch import StageSwitch

RIGHT, WRONG, ABSTAINED = 1.0, -1.0, -0.5
INNER = {
    "self_play": {"use": "role_conditioned", "key": ["side"], "update": "episode"},
    "verified": {"use": "group_relative", "key": ["start"]},
}


def trajectory(stage: str, reward: float, *, side: str = "civilian", episode: int = 0) -> Trajectory:
    labels: dict[str, Any] = {"stage": stage, "side": side, "start": episode, "game": "g", "role": side}
    turns = [Turn(side, "main", 0, 0, 0, [], "", "", labels=labels, reward=reward)]
    return Trajectory(episode, side, turns)


def step(estimator: StageSwitch, *votes: float) -> list[float]:
    """One step: a game with a clue that earned 0.1, and these votes."""
    return [a for (a,) in estimator.estimate([trajectory("clue", 0.1), *(trajectory("decision", v) for v in votes)])]


def estimator(**params: Any) -> StageSwitch:
    made: StageSwitch = make("estimator", "stage_switch", **INNER, **params)
    return made


def test_without_correction_perfect_decisions_take_45_steps_to_be_too_easy() -> None:
    made = estimator()
    for _ in range(44):
        step(made, RIGHT, RIGHT)
    assert made.stage == "decision"
    assert made.accuracy == pytest.approx(1 - 0.95**44)
    step(made, RIGHT, RIGHT)
    assert made.stage == "clue"


def test_it_stays_in_a_stage_for_the_least_steps_and_goes_back_when_deciding_is_hard() -> None:
    made = estimator(bias_correct=True, least_steps=3, decay=0.5)
    seen = []
    for _ in range(5):
        step(made, RIGHT)
        seen.append(made.stage)
    assert seen == ["decision"] * 3 + ["clue"] * 2
    # 1 - accuracy is 1/2 after one wrong step, more than 0.4, but the third step in the stage is not over.
    step(made, WRONG)
    assert made.stage == "clue"
    step(made, WRONG)
    assert made.stage == "decision"


def test_abstaining_alone_switches_back() -> None:
    made = estimator(bias_correct=True, least_steps=1, decay=0.0, hard_error=1.0, hard_abstained=0.5)
    step(made, RIGHT)
    step(made, RIGHT, RIGHT)
    assert made.stage == "clue"
    step(made, RIGHT, ABSTAINED)
    assert made.stage == "decision"


def test_only_the_stage_in_hand_is_trained() -> None:
    made = estimator(bias_correct=True, least_steps=1)
    clue, right, wrong = step(made, RIGHT, WRONG)
    assert (clue, right, wrong) == (0, pytest.approx(1), pytest.approx(-1))
    made.stage = "clue"
    clue, *votes = step(made, RIGHT, RIGHT)
    assert clue == pytest.approx(0.95 * 0.1)  # the baseline goes to 0.005 first
    assert votes == [0, 0]


def test_the_card_of_group_normalised_decisions() -> None:
    rewards = [1, 1, -0.5, -1, 1, -1, 1, -0.5]
    expected = [0.980196, 0.980196, -0.700140, -1.260252, 0.980196, -1.260252, 0.980196, -0.700140]
    _, *votes = step(estimator(), *rewards)
    assert votes == pytest.approx(expected, abs=1e-6)


def test_civilians_of_a_game_update_their_baseline_once() -> None:
    made = make("estimator", "role_conditioned", key=["side"], update="episode")
    rewards = [0.022222, 0.122222, 0.122222]
    found = made.estimate([trajectory("clue", r) for r in rewards])
    baseline = 0.05 * sum(rewards) / 3
    assert made.baselines == {("civilian",): pytest.approx(baseline)}
    assert [a for (a,) in found] == pytest.approx([r - baseline for r in rewards])


def test_resuming_goes_on_exactly() -> None:
    one, other = (
        estimator(least_steps=2, bias_correct=True, decay=0.5),
        estimator(least_steps=2, bias_correct=True, decay=0.5),
    )
    votes = [(RIGHT,), (RIGHT,), (RIGHT,), (WRONG,), (WRONG, ABSTAINED), (RIGHT,), (RIGHT,), (WRONG,)]
    for given in votes[:4]:
        step(one, *given)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for given in votes[4:]:
        assert step(one, *given) == step(other, *given)
        assert one.state_dict() == other.state_dict()


def test_a_turn_without_a_stage_is_named() -> None:
    with pytest.raises(
        SparringError, match=r"knows the stages clue, decision; role 'civilian' in episode 3 has 'bluff'"
    ):
        estimator().estimate([trajectory("bluff", 0.0, episode=3)])
