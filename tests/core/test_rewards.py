"""The declared combiner decides which reward parts count, not the order in which they were given."""

import pytest

from sparring.rewards import combine


@pytest.mark.parametrize(
    ("how", "names", "expected"),
    [
        ("sum", None, 1.5),
        ("sum", ["win"], 2.0),
        ("max", None, 2.0),
        ("gate", ["win", "format"], 1.5),
        ("gate", ["format", "win"], -0.5),
        ("ladder", ["bonus", "format", "win"], -0.5),
        ("sum", ["absent"], 0.0),
    ],
)
def test_combiners(how: str, names: list[str] | None, expected: float) -> None:
    assert combine({"win": 2.0, "format": -0.5, "bonus": 0.0}, how, names) == expected  # type: ignore[arg-type]
