"""The evaluator `cross_play`: one role as it was at some step against another as it was at another, for every pair.

In self-play both sides move, and a score that stays flat can hide that both got better, or both worse. So an entry of
the recipe is played with its two roles held by chosen versions, all pairs on the same starts, and facts that its scheme notes are
counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, model_validator

from sparring import Episode, Params, SparringError
from sparring.evaluation import Evaluation
from sparring.play import Held

Version = int | Literal["latest"]
_Z = 1.959964  # of a normal's middle 95 %


class CrossPlayParams(Params):
    entry: str = Field(min_length=1, description="The entry of `play:`, by its name.")
    roles: tuple[str, str] = Field(description="The two roles: of the matrix's rows, and of its columns.")
    facts: list[str] = Field(
        min_length=1,
        description="Facts of an episode, true or false, that are counted; an episode without one does not count.",
    )
    versions: list[Version] = Field(
        [0, "latest"], min_length=1, description="Versions by training step, 0 for before training, or latest."
    )
    episodes: int = Field(200, ge=1, description="Episodes of each pair.")

    @model_validator(mode="after")
    def _differ(self) -> CrossPlayParams:
        if self.roles[0] == self.roles[1]:
            raise ValueError(f"'roles' names {self.roles[0]!r} twice; name the two roles that meet")
        if len(set(self.versions)) < len(self.versions):
            raise ValueError(f"'versions' names one twice: {self.versions}")
        return self


class CrossPlay:
    """Plays an entry with its roles held by versions of their policies, and counts facts for each pair."""

    def __init__(self, params: CrossPlayParams) -> None:
        self.params = params

    def members(self) -> Sequence[int]:
        return [version for version in self.params.versions if version != "latest"]

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        found: dict[str, float] = {}
        played: dict[tuple[Held, Held], list[Episode]] = {}
        rows, columns = (self._seats(run, role) for role in self.params.roles)
        for row, row_held in rows.items():
            for column, column_held in columns.items():
                pair = (row_held, column_held)
                if pair not in played:  # before training, version 0 is the latest
                    holders = dict(zip(self.params.roles, pair, strict=True))
                    played[pair] = run.play_entry(self.params.entry, [holders] * self.params.episodes, "cross_play")
                for fact in self.params.facts:
                    for key, value in share(played[pair], fact).items():
                        found[f"eval/cross_play/{self.params.entry}/{fact}/{row}/{column}/{key}"] = value
        return found

    def _seats(self, run: Evaluation, role: str) -> dict[str, Held]:
        """Who sits on a role, by the name to log it under: each version it is to be played with."""
        entry = next((entry for entry in run.entries if entry.name == self.params.entry), None)
        if entry is None or role not in entry.roles:
            known = {entry.name: list(entry.roles) for entry in run.entries}
            raise SparringError(
                f"cross_play: no entry {self.params.entry!r} with a role {role!r} (entries and their roles: {known})"
            )
        policy = entry.roles[role].name
        if policy not in run.policies:
            return {role: entry.roles[role]}
        now = run.held(policy)
        return {
            f"{role}_{version}": now if version in ("latest", run.step) else run.held(policy, int(version))
            for version in self.params.versions
            if version == "latest" or version <= run.step
        }


def share(episodes: Sequence[Episode], fact: str) -> dict[str, float]:
    """How often ``fact`` is true among episodes that have it, with its Wilson interval at 95 %. Empty if none has it."""
    noted = [episode.facts[fact] for episode in episodes if fact in episode.facts]
    if not noted:
        return {}
    if not all(isinstance(value, bool) for value in noted):
        wrong = next(value for value in noted if not isinstance(value, bool))
        raise SparringError(f"cross_play counts facts that are true or false; {fact!r} is {wrong!r}")
    n = len(noted)
    rate = sum(map(bool, noted)) / n
    centre = (rate + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z * math.sqrt(rate * (1 - rate) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return {"mean": rate, "low": max(0.0, centre - half), "high": min(1.0, centre + half)}


def matrix(metrics: Mapping[str, float], entry: str, fact: str) -> str:
    """The logged numbers of one fact as a table of percentages, the first role down and the second across."""
    cells: dict[str, dict[str, dict[str, float]]] = {}
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[:4] == ["eval", "cross_play", entry, fact] and len(parts) == 7:
            cells.setdefault(parts[4], {}).setdefault(parts[5], {})[parts[6]] = value
    if not cells:
        raise SparringError(f"no cross-play of {entry!r} with the fact {fact!r} is among these metrics")
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    lines = [[fact, *columns]]
    for row, found in cells.items():
        shown = (found.get(column) for column in columns)
        lines.append(
            [
                row,
                *(f"{100 * c['mean']:.1f} [{100 * c['low']:.1f}, {100 * c['high']:.1f}]" if c else "–" for c in shown),
            ]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
