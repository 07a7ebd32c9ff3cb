"""The tracker `collapse_alarm`: says when a run stops learning in one of the ways in which self-play does.

Answers shrink to nothing while the gradient dies (SPIRAL's ablation without role-conditioned baselines), illegal moves come back,
every group ends alike so that nothing is left to learn from, every match ends in a draw, or the policy goes on beating itself while it loses to
opponents that do not change. Each is a comparison of a metric's last steps with its first or its best ones.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field

from sparring import Params, SparringError


class CollapseAlarmParams(Params):
    then: Literal["warn", "stop"] = Field(
        "warn", description="What follows an alarm: a line at the terminal, or also the end of the run."
    )
    window: int = Field(20, ge=1, description="Steps at the beginning and at the end that are compared (ours).")
    length: float = Field(0.2, ge=0, lt=1, description="Least share of its first length that an answer keeps (ours).")
    gradient: float = Field(
        0.01, ge=0, lt=1, description="Least share of its mean over the run that the gradient's norm keeps (ours)."
    )
    illegal: float = Field(0.2, gt=0, le=1, description="By how much illegal moves may become more frequent (ours).")
    zero_advantage: float = Field(0.95, gt=0, le=1, description="Most turns without any advantage (ours).")
    draw: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Most matches that end in a draw, if fewer did at first; 1: any number, for games that end so "
        "with good play (ours).",
    )
    win_rate: float = Field(
        0.15, gt=0, le=1, description="How far a win rate against a fixed opponent may fall below its best (ours)."
    )


@dataclass(slots=True)
class _Series:
    """What is kept of a metric: its mean over the first steps and over all, its last values, its best one."""

    window: int
    first: list[float] = field(default_factory=list)
    last: deque[float] = field(default_factory=deque)
    total: float = 0.0
    count: int = 0
    best: float = float("-inf")

    def add(self, value: float) -> None:
        if len(self.first) < self.window:
            self.first.append(value)
        self.last.append(value)
        if len(self.last) > self.window:
            self.last.popleft()
        self.total, self.count, self.best = self.total + value, self.count + 1, max(self.best, value)

    @property
    def settled(self) -> bool:
        """Whether the first and the last steps are different ones."""
        return self.count >= 2 * self.window

    @property
    def start(self) -> float:
        return sum(self.first) / len(self.first)

    @property
    def now(self) -> float:
        return sum(self.last) / len(self.last)

    @property
    def mean(self) -> float:
        return self.total / self.count


DRAWS = "facts/*/draw"
WIN_RATES = "eval/head_to_head/*/win_rate"


class CollapseAlarm:
    """Tells, with the numbers, when learning collapses: answers shrink, gradients vanish, illegal moves return, every advantage is
    zero, every match ends in a draw, or fixed opponents win again.

    An alarm is told once and again only after it has been silent. All are kept in the run folder's ``alarms.jsonl``. After a
    resume the earlier steps are read from ``metrics.jsonl``, so name this tracker after `jsonl`. With ``then: stop`` the run
    fails (exit status 1); its checkpoints stay.
    """

    def __init__(self, params: CollapseAlarmParams) -> None:
        self._params = params
        self._series: dict[str, _Series] = {}
        self._ringing: set[str] = set()
        self._path = Path()

    def open(self, folder: Path, resume_after: int | None) -> None:
        self._path = folder / "alarms.jsonl"
        metrics = folder / "metrics.jsonl"
        if resume_after is not None and metrics.exists():
            for line in metrics.read_text().splitlines():
                row = json.loads(line)
                if row["step"] <= resume_after:
                    self._add(row)
                    self._ringing = set(self._found())

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._add(metrics)
        found = self._found()
        for name in [name for name in found if name not in self._ringing]:
            with self._path.open("a") as file:
                file.write(json.dumps({"step": step, "metric": name, "evidence": found[name]}) + "\n")
            text = f"step {step}: {name}: {found[name]}"
            if self._params.then == "stop":
                raise SparringError(
                    f"{text} (collapse_alarm, then: stop). Checkpoints are whole: go on with --resume and other values, or then: warn"
                )
            print(f"warning: {text}", file=sys.stderr)
        self._ringing = set(found)

    def close(self) -> None:
        pass

    def _add(self, metrics: Mapping[str, float]) -> None:
        watched = ("completion_tokens/*", "grad_norm/*", "illegal_rate/*", "zero_advantage_rate", DRAWS, WIN_RATES)
        for name, value in metrics.items():
            if any(fnmatchcase(name, pattern) for pattern in watched):
                # Evaluations are rare: two of them stand for a window.
                window = 2 if fnmatchcase(name, WIN_RATES) else self._params.window
                self._series.setdefault(name, _Series(window)).add(value)

    def _found(self) -> dict[str, str]:
        """The metrics that show a collapse, each with its evidence."""
        return {name: evidence for name, series in self._series.items() for evidence in self._evidence(name, series)}

    def _evidence(self, name: str, series: _Series) -> Iterator[str]:
        limits = self._params
        if not series.settled:
            return
        match name.partition("/")[0]:
            case "completion_tokens" if series.now < limits.length * series.start:
                yield f"answers have {series.now:.3g} tokens, {series.start:.3g} in the first steps"
            case "grad_norm" if series.now < limits.gradient * series.mean:
                yield f"the gradient's norm is {series.now:.3g}, {series.mean:.3g} on average over the run"
            case "illegal_rate" if series.now > series.start + limits.illegal:
                yield f"{series.now:.1%} of moves are illegal, {series.start:.1%} in the first steps"
            case "zero_advantage_rate" if series.now > limits.zero_advantage:
                yield f"{series.now:.1%} of turns have no advantage: there is nothing to learn from"
            case "facts" if series.now > limits.draw > series.start:
                yield f"{series.now:.1%} of matches end in a draw, {series.start:.1%} in the first steps: nobody tries to win any more"
            case "eval" if series.now < series.best - limits.win_rate:
                yield f"{series.now:.1%} won of late, {series.best:.1%} at best: self-play no longer helps against others"
            case _:
                pass
