"""The builder `demonstrations`: answers to imitate, given ones or the policy's own best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from sparring import DemonstrationRecord, Episode, Params, RecordKind
from sparring.build import answer_positions


class DemonstrationsParams(Params):
    record: ClassVar[RecordKind] = "demonstration"

    of: Literal["given", "sampled"] = Field(
        "given",
        description="given: answers that the scheme wrote. sampled: the policy's own whose reward is high enough "
        "(rejection sampling).",
    )
    min_reward: float = Field(0.0, description="Own answers with a lower reward are left out.")


class Demonstrations:
    """Answers to imitate: those the scheme gave, or the policy's own that were rewarded."""

    def __init__(self, params: DemonstrationsParams) -> None:
        self.params = params

    def build(self, episodes: Sequence[Episode]) -> list[DemonstrationRecord]:
        records = []
        for episode in episodes:
            for turn in episode.turns:
                if self.params.of == "given":
                    wanted = bool(turn.labels.get("demonstration"))
                else:
                    wanted = turn.trained and turn.reward >= self.params.min_reward
                if wanted:
                    row = episode.rows[turn.row]
                    positions = answer_positions(row, [turn], (self.params.of,))
                    tokens = row.tokens[: positions[-1] + 1]
                    records.append(DemonstrationRecord(turn.holder, tokens, positions, episode.number, turn.labels))
        return records
