"""Full transcripts: ``episodes/step-000010.jsonl.zst``, one episode a line, with every token of every row."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import zstandard

from sparring.records import Episode, Row, Span, Turn


def _path(folder: Path, step: int) -> Path:
    return folder / "episodes" / f"step-{step:06d}.jsonl.zst"


def write(folder: Path, step: int, episodes: Sequence[Episode]) -> Path:
    """Write the episodes of ``step``; a reader never sees half a file."""
    path = _path(folder, step)
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as packed:
        for episode in episodes:
            data = as_json(episode)
            del data["additions"]  # what was committed is in checkpoints
            packed.write((json.dumps(data) + "\n").encode())
    os.replace(aside, path)
    return path


def read(path: Path) -> list[Episode]:
    """The episodes of a file, as they were."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as unpacked:
        return [from_json(json.loads(line)) for line in io.TextIOWrapper(unpacked, encoding="utf-8")]


def retain(folder: Path, keep_last: int) -> None:
    """Remove all but the newest ``keep_last`` files."""
    for path in sorted((folder / "episodes").glob("step-*.jsonl.zst"))[:-keep_last]:
        path.unlink()


def drop_after(folder: Path, step: int) -> None:
    """Remove files of later steps: a resumed run takes them again."""
    for path in (folder / "episodes").glob("step-*.jsonl.zst"):
        if path > _path(folder, step):
            path.unlink()


def as_json(episode: Episode) -> dict[str, object]:
    """All of an episode, as JSON values."""
    data = {f.name: getattr(episode, f.name) for f in dataclasses.fields(episode) if f.name not in ("rows", "turns")}
    data["rows"] = [{"tokens": row.tokens, "trajectory": row.trajectory} for row in episode.rows]
    data["turns"] = [dataclasses.asdict(turn) for turn in episode.turns]
    return data


def from_json(data: dict[str, object]) -> Episode:
    """The episode that `as_json` wrote."""
    rows = [Row(**row) for row in data.pop("rows")]  # type: ignore[attr-defined]  # written by as_json
    turns = []
    for raw in data.pop("turns"):  # type: ignore[attr-defined]
        turn = Turn(**{**raw, "spans": [Span(**span) for span in raw["spans"]]})
        turns.append(turn)
        rows[turn.row].turns.append(turn)
    return Episode(rows=rows, turns=turns, **data)  # type: ignore[arg-type]
