"""The scheme `staged`: plays a game whose matches have stages, and keeps what a player does in each apart.

The game's states say which ``stage`` the next moves belong to. A player's turns in a stage are a trajectory of their own, in a
conversation that goes on from the one before, and are labelled with the stage and with the ``side`` of the player, its role
without a number. So an estimator may treat stages by different rules, as Vision-Zero does (arXiv:2509.25541): clues are paid
by the votes they bring, votes by whether they are right.

Where the game's `Outcome` has ``<stage>_<player>`` in its detail, that is what the stage pays the player; any other stage pays
what the judge makes of the outcome. Each is put on the player's last turn of the stage. When a match is forfeited, the judge's
values go to each player's last turn, and nothing else is paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sparring import Game, Outcome, RoleSpec, SparringError, State, Table, Turn, Verdict
from sparring_roles.turn_based import Seat, TurnBased, TurnBasedParams

if TYPE_CHECKING:
    from sparring.chat import Conversation


class StagedParams(TurnBasedParams):
    context: Literal["full"] = Field("full", description="A conversation grows; a stage goes on from the one before.")


@dataclass(slots=True)
class StagedSeat(Seat):
    stage: str = ""
    last: dict[str, Turn] = field(default_factory=dict)  # of each stage


class Staged(TurnBased):
    """Plays a game in stages: turns carry their stage's label, and each stage is a trajectory paid by itself."""

    def __init__(self, params: StagedParams) -> None:
        super().__init__(params)

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is None:
            raise SparringError("staged plays a game in stages, such as undercover; give the entry one")
        return super().roles(game)

    def seat(self, player: int, role: str, conversation: Conversation) -> StagedSeat:
        return StagedSeat(player, role, conversation)

    def look(self, seat: Seat, state: State, fresh: Conversation | None = None) -> None:
        assert isinstance(seat, StagedSeat)
        stage = getattr(state, "stage", None)
        if not isinstance(stage, str):
            raise SparringError(f"staged plays games whose states have a `stage`; {type(state).__name__} has none")
        if seat.stage and stage != seat.stage:
            seat.conversation = seat.conversation.fork()
        seat.stage = stage
        super().look(seat, state, fresh)

    async def speak(self, table: Table, seat: Seat, state: State) -> Turn:
        assert isinstance(seat, StagedSeat)
        turn = await super().speak(table, seat, state)
        table.label(turn, stage=seat.stage, side=seat.role.rpartition("_")[0] or seat.role)
        seat.last[seat.stage] = turn
        return turn

    def pay(
        self, table: Table, seats: Sequence[Seat], last: Mapping[int, Turn], outcome: Outcome, verdict: Verdict
    ) -> None:
        if outcome.offender is not None:
            super().pay(table, seats, last, outcome, verdict)
            return
        told = dict(outcome.detail)
        for seat in seats:
            assert isinstance(seat, StagedSeat)
            for stage, turn in seat.last.items():
                value = told.pop(f"{stage}_{seat.player}", verdict.values[seat.player])
                table.reward(turn, self.params.judge, float(value))
        table.note(**told)
