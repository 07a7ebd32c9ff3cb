"""The tracker `jsonl`: ``metrics.jsonl``, one flat JSON object a step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from sparring import Params


class JsonlParams(Params):
    pass


class Jsonl:
    """``metrics.jsonl`` in the run folder: one flat JSON object a step."""

    def __init__(self, params: JsonlParams) -> None:
        self._file: IO[str] | None = None

    def open(self, folder: Path, resume_after: int | None) -> None:
        path = folder / "metrics.jsonl"
        if resume_after is not None and path.exists():
            kept = [
                line
                for line in path.read_text().splitlines()
                if _step(line) is not None and (_step(line) or 0) <= resume_after
            ]
            aside = path.with_suffix(".tmp")
            aside.write_text("".join(f"{line}\n" for line in kept))
            os.replace(aside, path)
        self._file = path.open("a")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        assert self._file is not None
        row = {"step": step, **{name: metrics[name] for name in sorted(metrics) if name != "step"}}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _step(line: str) -> int | None:
    """The step of a row; None for a torn one, which a killed run may leave at the end."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
