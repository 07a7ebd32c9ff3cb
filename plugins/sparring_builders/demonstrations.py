"""The builder `demonstrations`: answers to imitate, given ones, players' moves or the policy's own best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from sparring import DemonstrationRecord, Episode, Params, RecordKind, Turn
from sparring.build import answer_positions

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class DemonstrationsParams(Params):
    record: ClassVar[RecordKind] = "demonstration"

    of: Literal["given", "sampled", "players"] = Field(
        "given",
        description="given: answers that the scheme wrote. sampled: the policy's own whose reward is high enough "
        "(rejection sampling). players: moves of roles that players hold, for the first policy to imitate: random ones show "
        "it the format and nothing of strategy.",
    )
    min_reward: float = Field(0.0, description="Own answers with a lower reward are left out.")
    policy: str | None = Field(None, description="Who imitates players: the recipe's first policy, by its name.")

    @model_validator(mode="after")
    def _players_are_imitated_by_somebody(self) -> DemonstrationsParams:
        if (self.of == "players") != (self.policy is not None):
            raise ValueError("'policy' says who imitates players: it goes with 'of: players', and that needs it")
        return self

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """What players say is kept in the tokens of the first policy, so no other one can learn from it."""
        first = next(iter(recipe.policies))
        if self.policy is None or self.policy == first:
            return []
        return [("policy", f"only the first policy, '{first}', can imitate players; got '{self.policy}'")]


class Demonstrations:
    """Answers to imitate: those the scheme gave, or the policy's own that were rewarded."""

    def __init__(self, params: DemonstrationsParams) -> None:
        self.params = params

    def build(self, episodes: Sequence[Episode]) -> list[DemonstrationRecord]:
        records = []
        for episode in episodes:
            for turn in episode.turns:
                if self._wanted(turn):
                    row = episode.rows[turn.row]
                    positions = answer_positions(row, [turn], ("sampled" if self.params.of == "sampled" else "given",))
                    tokens = row.tokens[: positions[-1] + 1]
                    policy = self.params.policy or turn.holder
                    records.append(DemonstrationRecord(policy, tokens, positions, episode.number, turn.labels))
        return records

    def _wanted(self, turn: Turn) -> bool:
        if self.params.of == "players":
            return turn.version < 0 and "demonstration" not in turn.labels
        if self.params.of == "given":
            return bool(turn.labels.get("demonstration"))
        return turn.trained and turn.reward >= self.params.min_reward
