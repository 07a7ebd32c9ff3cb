"""`sparring profile` accounts for the whole step."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sparring_cli import main
from sparring_cli.profile import _parts

METRICS = {
    "seconds/play": 5.0, "seconds/judge": 0.5, "seconds/estimate": 0.25, "seconds/build": 0.25, "seconds/update": 4.0,
    "seconds/publish": 0.125, "seconds/model/sample": 3.0, "seconds/model/forward": 1.0, "seconds/model/backward": 2.0,
    "seconds/model/optimizer": 0.5,
}  # fmt: skip


def test_the_parts_are_the_step() -> None:
    parts = _parts(METRICS, {"prefill": 1.0, "decode": 1.5})
    assert parts["play", "rest of the generator"] == 0.5
    assert parts["play", "games and schemes"] == 2.0
    assert parts["learn", "rest of the update"] == 0.5
    assert sum(parts.values()) == sum(METRICS[f"seconds/{verb}"] for verb in ("play", "judge", "estimate", "build", "update", "publish"))  # fmt: skip


def test_a_generator_that_says_nothing_is_one_part() -> None:
    parts = _parts(METRICS, {})
    assert [part for stage, part in parts if stage == "play"] == ["rest of the generator", "games and schemes"]
    assert parts["play", "rest of the generator"] == 3.0


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    chart = tmp_path_factory.mktemp("profile") / "chart.png"
    result = CliRunner().invoke(
        main, ["profile", "kuhn_poker/quickstart", "--smoke", "--steps", "2", "--chart", str(chart)]
    )
    assert result.exit_code == 0, result.output
    return result.output, chart


def test_every_stage_is_in_the_table(printed: tuple[str, Path]) -> None:
    for word in ("prefill", "decode", "games and schemes", "estimate", "backward", "publish", "GFLOP/s"):
        assert word in printed[0]
    shares = [float(line.split()[-1][:-1]) for line in printed[0].splitlines() if line.endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_the_chart_is_a_picture(printed: tuple[str, Path]) -> None:
    assert printed[1].read_bytes().startswith(b"\x89PNG")
