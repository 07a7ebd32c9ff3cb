"""Episodes come back from their file as they were."""

from pathlib import Path

from sparring import Span, Turn, transcripts
from sparring.records import Episode, Row


def episode(number: int) -> Episode:
    turn = Turn(
        "player_0", "main", 3, 0, 2, [Span("sampled", [7, 8], [-0.1, -0.25])], "bet", "bet", "a thought", labels={"game": "g"},
        rewards={"outcome": 1.5}, reward=1.5, advantage=0.5,
    )  # fmt: skip
    return Episode(number, 4, 0, "g", [Row([5, 6, 7, 8], [turn], 0)], [turn], {"returns": [1.5, -1.5]})


def test_a_round_trip_changes_nothing(tmp_path: Path) -> None:
    before = [episode(0), episode(1)]
    after = transcripts.read(transcripts.write(tmp_path, 4, before))
    assert [repr(e) for e in after] == [repr(e) for e in before]
    assert after[0].rows[0].turns[0] is after[0].turns[0]


def test_files_of_later_steps_are_dropped_and_old_ones_leave(tmp_path: Path) -> None:
    for step in range(1, 6):
        transcripts.write(tmp_path, step, [episode(step)])
    transcripts.drop_after(tmp_path, 4)
    transcripts.retain(tmp_path, keep_last=2)
    names = sorted(path.name for path in (tmp_path / "episodes").iterdir())
    assert names == ["step-000003.jsonl.zst", "step-000004.jsonl.zst"]
