"""Preference pairs: the best and the worst of several trajectories, or a demonstration and the policy's own answer."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from sparring import Episode, Params, PreferenceRecord, RecordKind, SparringError, Trajectory, Turn
from sparring.build import answer_positions, row_of

Key = tuple[str | int | float | bool, ...]


class PairsParams(Params):
    record: ClassVar[RecordKind] = "preference"

    key: list[str] = Field(
        ["start", "role"],
        description="Labels whose equality makes trajectories comparable: the same task, for example.",
    )
    min_margin: float = Field(
        0.0, ge=0, description="Pairs whose returns differ by no more than this are left out, in reward units."
    )
    win: Literal["hard", "bradley_terry"] = Field(
        "hard",
        description="How likely an answer wins: hard: the better one always. bradley_terry: the mean over its group, itself "
        "included, of the logistic function of how much better it scored (SPPO).",
    )
    scale: float = Field(1.0, gt=0, description="Multiplies score differences in bradley_terry.")


class Pairs:
    """The best and the worst trajectory of each group, by return (max-min)."""

    def __init__(self, params: PairsParams) -> None:
        self.params = params

    def build(self, episodes: Sequence[Episode]) -> list[PreferenceRecord]:
        groups: dict[tuple[str, Key], list[tuple[Episode, Trajectory]]] = defaultdict(list)
        for episode in episodes:
            for trajectory in episode.trajectories():
                key = _key(trajectory.turns[0], self.params.key)
                groups[trajectory.turns[0].holder, key].append((episode, trajectory))
        records = []
        for (policy, _), group in groups.items():
            returns = [trajectory.total for _, trajectory in group]
            # Of equals the first, so that the same episodes give the same pairs.
            best, worst = returns.index(max(returns)), returns.index(min(returns))
            if returns[best] - returns[worst] <= self.params.min_margin:
                continue
            wins = (1.0, 0.0)
            if self.params.win == "bradley_terry":
                rates = win_rates(returns, self.params.scale)
                wins = rates[best], rates[worst]
            chosen, rejected = (_row(episode, trajectory.turns) for episode, trajectory in (group[best], group[worst]))
            if chosen == rejected:
                continue  # the same words fared differently, against other answers: nothing to prefer
            episode, trajectory = group[best]
            records.append(
                PreferenceRecord(
                    policy, chosen[0], rejected[0], chosen[1], rejected[1], *wins, returns[best] - returns[worst],
                    episode.number, trajectory.turns[0].labels,
                )
            )  # fmt: skip
        return records


class DataPairsParams(Params):
    record: ClassVar[RecordKind] = "preference"

    key: list[str] = Field(["episode", "role"], description="Labels that an answer and its demonstration share.")
    history: int = Field(
        1, ge=1, description="Steps whose pairs are trained on: 2 adds those of the step before, as SPIN's paper does."
    )


class DataPairs:
    """A demonstration preferred to each of the policy's own answers to the same prompt (SPIN)."""

    def __init__(self, params: DataPairsParams) -> None:
        self.params = params
        self._steps: deque[list[PreferenceRecord]] = deque(maxlen=params.history)

    def build(self, episodes: Sequence[Episode]) -> list[PreferenceRecord]:
        self._steps.append([record for episode in episodes for record in self._pairs(episode)])
        return [record for step in self._steps for record in step]

    def _pairs(self, episode: Episode) -> Iterator[PreferenceRecord]:
        given = {
            _key(turn, self.params.key, episode): turn for turn in episode.turns if turn.labels.get("demonstration")
        }
        for turn in episode.turns:
            real = given.get(_key(turn, self.params.key, episode))
            if not turn.trained or real is None:
                continue
            chosen, rejected = _row(episode, [real]), _row(episode, [turn])
            if chosen != rejected:
                yield PreferenceRecord(
                    turn.holder,
                    chosen[0],
                    rejected[0],
                    chosen[1],
                    rejected[1],
                    episode=episode.number,
                    labels=turn.labels,
                )

    def state_dict(self) -> dict[str, Any]:
        return {"steps": [[dataclasses.asdict(record) for record in step] for step in self._steps]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps.clear()
        self._steps.extend([PreferenceRecord(**record) for record in step] for step in state["steps"])


def win_rates(scores: Sequence[float], scale: float = 1.0) -> list[float]:
    """Bradley-Terry probability that each answer wins against a random one of the group, itself included.

    Wu et al. 2024 (SPPO), arXiv:2405.00675, section 5.1 and its repository's `compute_prob`.
    """
    return [math.fsum(1 / (1 + math.exp(scale * (b - a))) for b in scores) / len(scores) for a in scores]


def _row(episode: Episode, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
    """Tokens up to the last one that the answers wrote, and the places of those."""
    row = row_of(episode, turns)
    if row is None:
        raise SparringError(
            f"episode {episode.number}: the context of {turns[0].role} was rewritten between its turns, so they are no one "
            "answer that could be preferred; play with `context: full`"
        )
    positions = answer_positions(row, turns, ("sampled", "given"))
    return row.tokens[: positions[-1] + 1], positions


def _key(turn: Turn, names: Sequence[str], episode: Episode | None = None) -> Key:
    labels = {**turn.labels, "episode": episode.number} if episode else turn.labels
    for name in names:
        if name not in labels:
            raise SparringError(f"pairs are keyed by {name!r}, which turns of {turn.role} lack ({', '.join(labels)})")
    return tuple(labels[name] for name in names)
