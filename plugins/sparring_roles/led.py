"""The scheme `led`: each player of a game is two roles, a strategist that says what to do and an executor that does it.

HCSP (arXiv:2505.04317) splits a player so, in drone volleyball: a strategy chooses among skills, and skills move the drones. Skills are
learned first, the strategy is trained against a population while they are frozen, then both together. Here both are language
models: the strategist reads what its player is told and answers with a plan, in the answer format; the executor reads the
same and then the plan, and its answer is the move. An executor is called like its player, so that evaluators and players of the game
take its seat; the strategist of ``player_0`` is ``player_0_strategist``.

What they are paid is the judge's value of the outcome, each on its last turn; with ``obedience`` the executor is instead paid for every
turn, 1 if its move is the plan and -1 if not: that is how it learns to carry plans out, whoever makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sparring import Game, Outcome, RoleSpec, SparringError, State, Table, Turn, Verdict
from sparring_roles.turn_based import Seat, TurnBased, TurnBasedParams

if TYPE_CHECKING:
    from sparring.chat import Conversation

OBEDIENCE = "obedience"  # the reward part of an executor that is paid for carrying plans out


class LedParams(TurnBasedParams):
    context: Literal["full"] = Field("full", description="Conversations grow, the strategist's and the executor's.")
    plan: str = Field("Plan: {plan}", pattern=r"\{plan\}", description="How the executor is told the plan.")
    executor: Literal["outcome", "obedience"] = Field(
        "outcome", description="What the executor is paid for: how the match ended, or that its moves are the plans."
    )


@dataclass(slots=True)
class LedSeat(Seat):
    """An executor's seat, with its strategist's."""

    strategist: Seat | None = None  # None where positions are evaluated without being played
    planned: Turn | None = None
    plan: str = ""
    moves: int = 0
    obeyed: int = 0


class Led(TurnBased):
    """Plays any game with two roles for each player: one says a plan, the other makes the move (HCSP's two levels)."""

    params: LedParams

    def __init__(self, params: LedParams) -> None:
        super().__init__(params)

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is None:
            raise SparringError("led plays a game, each player of which is led by a strategist; give the entry one")
        return [RoleSpec(name) for role in game.info.roles for name in (strategist_of(role), role)]

    def seat(self, player: int, role: str, conversation: Conversation) -> LedSeat:
        return LedSeat(player, role, conversation)

    def position(self, seat: Seat, state: State) -> list[int]:
        raise SparringError(
            "led has no single answer to a position, since each move depends on a plan; measure its policies by matches, for "
            "example with head_to_head"
        )

    async def ask(self, table: Table, seat: Seat, state: State) -> Turn:
        assert isinstance(seat, LedSeat)
        role = strategist_of(seat.role)
        if seat.strategist is None:
            seat.strategist = Seat(seat.player, role, table.conversation(role, system=self.params.system))
        self.look(seat.strategist, state)
        (seat.planned,) = await table.act(
            role, seat.strategist.conversation, state=state, player=seat.player, write=self.answer_text
        )
        seat.plan = self.move_text(seat.planned.public)
        self.look(seat, state)
        seat.conversation.say(self.params.plan.format(plan=seat.plan))
        return await self.speak(table, seat, state)

    async def speak(self, table: Table, seat: Seat, state: State) -> Turn:
        assert isinstance(seat, LedSeat)
        turn = await super().speak(table, seat, state)
        obeyed = self.move_text(turn.public) == seat.plan
        table.label(turn, obeyed=obeyed)
        seat.moves += 1
        seat.obeyed += obeyed
        if self.params.executor == "obedience":
            table.reward(turn, OBEDIENCE, 1.0 if obeyed else -1.0)
        return turn

    def pay(
        self, table: Table, seats: Sequence[Seat], last: Mapping[int, Turn], outcome: Outcome, verdict: Verdict
    ) -> None:
        if self.params.executor == "outcome":
            super().pay(table, seats, last, outcome, verdict)
        led = [seat for seat in seats if isinstance(seat, LedSeat)]
        for seat in led:
            if seat.planned is not None:
                table.reward(seat.planned, self.params.judge, verdict.values[seat.player])
        table.note(obeyed=sum(seat.obeyed for seat in led) / max(1, sum(seat.moves for seat in led)))


def strategist_of(role: str) -> str:
    return f"{role}_strategist"
