"""Pay for how a turn was answered."""

from typing import Any

import pytest

from sparring_judges.conduct import Conduct, ConductParams

CASES = [(True, True), (True, False), (False, True), (False, False)]  # formatted, legal


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"formatted": 1.5}, [1.5, 1.5, 0, 0]),
        ({"legal": 1.0, "illegal": -1.0}, [1, -1, 1, -1]),
        ({"formatted": 1.5, "unformatted": -0.5, "legal": 1.0, "illegal": -1.0}, [2.5, 0.5, 0.5, -1.5]),
        ({}, [0, 0, 0, 0]),
    ],
)
def test_format_and_legality_are_paid_apart(params: dict[str, Any], expected: list[float]) -> None:
    items = [{"formatted": formatted, "legal": legal} for formatted, legal in CASES]
    verdicts = Conduct(ConductParams(**params)).judge(items)
    assert [verdict.values for verdict in verdicts] == [(value,) for value in expected]
