"""An alarm for each way in which self-play stops learning, and none in a run that learns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sparring import SparringError
from sparring.testing import play_episode
from sparring_games.tic_tac_toe import TicTacToe, TicTacToeParams
from sparring_judges.outcome import OutcomeJudge, OutcomeParams
from sparring_roles.turn_based import TurnBased, TurnBasedParams
from sparring_trackers.collapse_alarm import CollapseAlarm, CollapseAlarmParams
from sparring_trackers.jsonl import Jsonl, JsonlParams

HEALTHY = {
    "completion_tokens/kuhn_poker": 10.0, "grad_norm/main": 1.0, "illegal_rate/kuhn_poker": 0.05, "zero_advantage_rate": 0.2,
    "facts/kuhn_poker/draw": 0.1, "facts/kuhn_poker/other": 0.0,
    "eval/head_to_head/kuhn_poker/random/win_rate": 0.6,
}  # fmt: skip
COLLAPSES = {
    "completion_tokens/kuhn_poker": (1.5, "answers have 1.5 tokens, 10 in the first steps"),
    "grad_norm/main": (1e-4, "the gradient's norm is 0.0001"),
    "illegal_rate/kuhn_poker": (0.5, "32.0% of moves are illegal, 5.0% in the first steps"),
    "zero_advantage_rate": (1.0, "100.0% of turns have no advantage"),
    "facts/kuhn_poker/draw": (1.0, "100.0% of matches end in a draw, 10.0% in the first steps"),
    "eval/head_to_head/kuhn_poker/random/win_rate": (0.4, "40.0% won of late, 60.0% at best"),
}


def made(folder: Path, resume_after: int | None = None, **more: Any) -> CollapseAlarm:
    alarm = CollapseAlarm(CollapseAlarmParams(window=5, **more))
    alarm.open(folder, resume_after)
    return alarm


def log(alarm: CollapseAlarm, rows: Iterable[Mapping[str, float]], start: int = 1) -> None:
    for step, row in enumerate(rows, start):
        alarm.log(step, row)


def told(folder: Path) -> list[dict[str, Any]]:
    path = folder / "alarms.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_run_that_learns_is_left_alone(tmp_path: Path) -> None:
    rows = [{**HEALTHY, "completion_tokens/kuhn_poker": 10 - 0.1 * n, "grad_norm/main": 1 / (1 + n)} for n in range(50)]
    log(made(tmp_path), rows)
    assert told(tmp_path) == []


@pytest.mark.parametrize("metric", COLLAPSES)
def test_each_collapse_is_told_once_with_its_numbers(
    metric: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, evidence = COLLAPSES[metric]
    # A gradient must have been something for a while before its end shows against the mean of the run.
    log(made(tmp_path), [HEALTHY] * 30 + [{**HEALTHY, metric: value}] * 10)
    (alarm,) = told(tmp_path)
    assert alarm["metric"] == metric
    assert evidence in alarm["evidence"]
    assert 31 < alarm["step"] <= 35
    assert f"warning: step {alarm['step']}: {metric}: " in capsys.readouterr().err


def test_it_rings_again_only_after_it_was_silent(tmp_path: Path) -> None:
    bad = {**HEALTHY, "illegal_rate/kuhn_poker": 0.9}
    log(made(tmp_path), [HEALTHY] * 10 + [bad] * 10 + [HEALTHY] * 10 + [bad] * 10)
    assert len(told(tmp_path)) == 2


def test_draws_are_no_collapse_where_they_were_usual_or_are_meant(tmp_path: Path) -> None:
    always = [{**HEALTHY, "facts/kuhn_poker/draw": 1.0}] * 40
    log(made(tmp_path), always)
    log(made(tmp_path, draw=1.0), [HEALTHY] * 20 + always)
    # Every draw a step less than the bound, and other facts that are always so.
    log(
        made(tmp_path),
        [HEALTHY] * 20 + [{**HEALTHY, "facts/kuhn_poker/draw": 0.94, "facts/kuhn_poker/other": 1.0}] * 20,
    )
    assert told(tmp_path) == []


def test_the_draws_of_a_run_are_what_it_watches() -> None:
    """The scheme notes them for each match, and the step's share of them is the metric above."""
    game, scheme = TicTacToe(TicTacToeParams()), TurnBased(TurnBasedParams())
    judges = {"outcome": OutcomeJudge(OutcomeParams())}
    drawn = {"player_0": ["1", "3", "4", "8", "9"], "player_1": ["2", "5", "6", "7"]}
    won = {"player_0": ["1", "2", "3"], "player_1": ["4", "5"]}
    found = [play_episode(scheme, game, answers, judges=judges).facts["draw"] for answers in (drawn, won)]
    assert found == [True, False]


def test_it_may_stop_the_run(tmp_path: Path) -> None:
    alarm = made(tmp_path, then="stop")
    with pytest.raises(SparringError, match=r"step 1\d: zero_advantage_rate: .*then: stop\).*--resume"):
        log(alarm, [HEALTHY] * 10 + [{**HEALTHY, "zero_advantage_rate": 1.0}] * 10)


def test_a_resumed_run_still_knows_its_beginning(tmp_path: Path) -> None:
    rows = Jsonl(JsonlParams())
    rows.open(tmp_path, None)
    for step in range(1, 11):
        rows.log(step, HEALTHY)
    rows.log(11, {**HEALTHY, "completion_tokens/kuhn_poker": 999.0})  # after the checkpoint: taken again
    rows.close()
    log(made(tmp_path, 10), [{**HEALTHY, "completion_tokens/kuhn_poker": 1.0}] * 5, 11)
    assert [alarm["evidence"] for alarm in told(tmp_path)] == ["answers have 1 tokens, 10 in the first steps"]
