"""Rewards of every kind of ending."""

import pytest

from sparring import GameInfo, Outcome
from sparring_judges.outcome import OutcomeJudge, OutcomeParams

INFO = GameInfo("g", ("a", "b"), "zero", (-2.0, 2.0), 4)
FORFEIT = Outcome.forfeit(INFO, 0, "no move")
SPIRAL = {"mode": "result", "illegal_self": -1.5, "illegal_other": 0.5}


@pytest.mark.parametrize(
    ("params", "outcome", "expected"),
    [
        ({}, Outcome.of_returns([2, -2]), (2, -2)),
        ({"scale": 0.5}, Outcome.of_returns([2, -2]), (1, -1)),
        ({"mode": "result"}, Outcome.of_returns([2, -2]), (1, -1)),
        ({"mode": "result", "draw": 0.1}, Outcome.of_returns([0, 0]), (0.1, 0.1)),
        ({}, FORFEIT, (-2, 2)),
        ({"mode": "result"}, FORFEIT, (-1, 1)),
        (SPIRAL, FORFEIT, (-1.5, 0.5)),
        (SPIRAL, Outcome.of_returns([2, -2]), (1, -1)),
        ({"truncated": -0.2}, Outcome.truncated(INFO, "long"), (-0.2, -0.2)),
        (SPIRAL, Outcome((3, 3), ("aborted", "aborted")), (0, 0)),
    ],
)
def test_values(params: dict[str, object], outcome: Outcome, expected: tuple[float, ...]) -> None:
    (verdict,) = OutcomeJudge(OutcomeParams(**params)).judge([{"outcome": outcome, "info": INFO}])  # type: ignore[arg-type]
    assert verdict.values == expected
