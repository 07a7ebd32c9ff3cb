"""Builders on hand-written episodes."""

from __future__ import annotations

import json

import pytest

from sparring import Episode, Span, SparringError, Turn
from sparring.records import Row
from sparring_builders.demonstrations import Demonstrations, DemonstrationsParams
from sparring_builders.pairs import DataPairs, DataPairsParams, Pairs, PairsParams, win_rates

PROMPT = [1, 2, 3]


def answered(number: int, answer: list[int], reward: float, *, trained: bool = True, start: int = 0) -> Episode:
    """An episode of one prompt and one sampled answer."""
    row = Row([*PROMPT, *answer, 99])  # a later prompt stands behind the answer
    turn = Turn(
        "solver", "main", 0, 0, len(PROMPT), [Span("sampled", answer, [-0.5] * len(answer))], "", "",
        trained=trained, labels={"start": start, "role": "solver", "entry": 0}, reward=reward,
    )  # fmt: skip
    row.turns.append(turn)
    return Episode(number, 1, 0, "task", [row], [turn])


def test_a_pair_is_the_best_and_the_worst_of_a_group() -> None:
    episodes = [answered(i, [10 + i, 20], r) for i, r in enumerate([0.5, 1.0, -1.0, 1.0])]
    (pair,) = Pairs(PairsParams()).build(episodes)
    assert pair.chosen == [1, 2, 3, 11, 20]
    assert pair.rejected == [1, 2, 3, 12, 20]
    assert pair.chosen_positions == pair.rejected_positions == [3, 4]
    assert (pair.chosen_win, pair.rejected_win, pair.margin, pair.episode) == (1.0, 0.0, 2.0, 1)


def test_win_rates_are_those_of_the_sppo_repository() -> None:
    expected = [0.600651, 0.399349, 0.223599, 0.5, 0.776401]
    assert win_rates([1, 0, -1, 0.5, 2]) == pytest.approx(expected, abs=1e-6)
    episodes = [answered(i, [10 + i], r) for i, r in enumerate([1, 0, -1, 0.5, 2])]
    (pair,) = Pairs(PairsParams(win="bradley_terry")).build(episodes)
    assert (pair.chosen_win, pair.rejected_win) == pytest.approx((expected[4], expected[2]), abs=1e-6)


def test_equal_returns_equal_words_and_other_groups_make_no_pair() -> None:
    builder = Pairs(PairsParams())
    assert builder.build([answered(0, [5], 1.0), answered(1, [6], 1.0)]) == []
    assert builder.build([answered(0, [5], 1.0), answered(1, [5], -1.0)]) == []
    assert builder.build([answered(0, [5], 1.0), answered(1, [6], -1.0, start=1)]) == []
    assert builder.build([answered(0, [5], 1.0), answered(1, [6], -1.0, trained=False)]) == []
    assert Pairs(PairsParams(min_margin=2.0)).build([answered(0, [5], 1.0), answered(1, [6], -1.0)]) == []


def test_a_label_that_turns_lack_is_named() -> None:
    with pytest.raises(SparringError, match="'task', which turns of solver lack"):
        Pairs(PairsParams(key=["task"])).build([answered(0, [5], 1.0)])


def with_demonstration(*, trained: bool = True) -> Episode:
    episode = answered(4, [7, 8], 0.0, trained=trained)
    row = Row([*PROMPT, 30, 31])
    turn = Turn(
        "solver", "main", 0, 1, len(PROMPT), [Span("given", [30, 31])], "", "", trained=False,
        labels={"start": 0, "role": "solver", "entry": 0, **({"demonstration": True} if trained else {})},
    )  # fmt: skip
    row.turns.append(turn)
    episode.rows.append(row)
    episode.turns.append(turn)
    return episode


def test_a_demonstration_is_preferred_to_the_policys_own_answer() -> None:
    (pair,) = DataPairs(DataPairsParams()).build([with_demonstration()])
    assert pair.chosen == [1, 2, 3, 30, 31]
    assert pair.rejected == [1, 2, 3, 7, 8]
    assert DataPairs(DataPairsParams()).build([with_demonstration(trained=False)]) == []


def test_demonstrations_are_given_or_the_policys_best() -> None:
    (given,) = Demonstrations(DemonstrationsParams()).build([with_demonstration()])
    assert (given.tokens, given.positions) == ([1, 2, 3, 30, 31], [3, 4])
    own = [answered(0, [5], 1.0), answered(1, [6], 0.2)]
    (best,) = Demonstrations(DemonstrationsParams(of="sampled", min_reward=0.5)).build(own)
    assert (best.tokens, best.episode) == ([1, 2, 3, 5], 0)


def test_pairs_of_the_step_before_are_trained_on_again_also_after_a_resume() -> None:
    builder = DataPairs(DataPairsParams(history=2))
    sizes = [len(builder.build([with_demonstration()] * n)) for n in (1, 2, 3)]
    assert sizes == [1, 3, 5]
    again = DataPairs(DataPairsParams(history=2))
    again.load_state_dict(json.loads(json.dumps(builder.state_dict())))
    assert again.build([]) == builder.build([])
    assert len(again.build([])) == 0
