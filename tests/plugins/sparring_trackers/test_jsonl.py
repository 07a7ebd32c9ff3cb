"""``metrics.jsonl`` after a crash holds nothing torn and nothing of steps that are taken again."""

import json
from pathlib import Path

from sparring_trackers.jsonl import Jsonl, JsonlParams


def test_rows_are_flat_and_in_order(tmp_path: Path) -> None:
    tracker = Jsonl(JsonlParams())
    tracker.open(tmp_path, None)
    tracker.log(1, {"b": 2.0, "a": 1.0, "step": 1})
    tracker.close()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "a": 1.0, "b": 2.0}\n'


def test_resume_drops_later_steps_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 1}\n{"step": 2}\n{"step": 3, "a')
    tracker = Jsonl(JsonlParams())
    tracker.open(tmp_path, 1)
    tracker.log(2, {"a": 5.0})
    tracker.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 0},
        {"step": 1},
        {"step": 2, "a": 5.0},
    ]
