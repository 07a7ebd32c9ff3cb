"""The scheme `turn_based`: plays any game, one turn after another or several at once.

It owns what the rules leave open: what surrounds a move in an answer, how much of its log a player is shown, what an
illegal move costs, and when a match is cut off. Each player is a role, named by the game.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import Field

from sparring import (
    Game,
    GameError,
    GameInfo,
    Outcome,
    Params,
    RoleSpec,
    SparringError,
    State,
    Table,
    Turn,
    Verdict,
)
from sparring.errors import EpisodeError
from sparring_contracts import fault

if TYPE_CHECKING:
    from sparring.chat import Conversation

T = TypeVar("T")
_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_FORMATS = {"whole": "{}", "brackets": "[{}]", "boxed": "\\boxed{{{}}}"}


class TurnBasedParams(Params):
    once_per_role: ClassVar[bool] = True

    context: Literal["full", "first_last", "last"] = Field(
        "full",
        description="What of its log a player is shown: full is one growing conversation; first_last is the first and the newest "
        "entry, without its own answers (SPIRAL's tic-tac-toe); last is the newest entry alone.",
    )
    answer: Literal["whole", "brackets", "boxed"] = Field(
        "whole",
        description="Where in an answer the move stands: the whole public text, the last [move], or the last \\boxed{move}.",
    )
    system: str = Field("", description="A system message before the first observation; empty for none.")
    instruction: str = Field(
        "", description="A sentence added after the first observation, for example the answer's format."
    )
    retries: int = Field(
        0, ge=0, description="How often a player may answer again after an illegal move; then it forfeits."
    )
    max_turns: int | None = Field(
        None, ge=1, description="Turns after which a match is cut off; None: the game's own limit."
    )
    judge: str = Field("outcome", description="The judge, from the recipe's judges, that makes rewards of the outcome.")
    turn_judges: list[str] = Field(
        [], description="Judges that are asked about every turn; what each says is a reward part with its name."
    )


def told(moves: Sequence[Sequence[Sequence[object]]]) -> list[str]:
    """The moves of a match as an error gives them, so that it can be played again: player and text of each."""
    return [f"{player} {text}" for turn in moves for player, text in turn]


async def called(table: Table, info: GameInfo, call: Callable[[], T]) -> T:
    """What a game returns. A slow one is asked aside, and other matches go on."""
    return await table.aside(call) if info.slow else call()


@dataclass(slots=True)
class Seat:
    """One player's view of a match: its conversation and how far into its log it has read."""

    player: int
    role: str
    conversation: Conversation
    read: int = 0
    entries: int = 0


class TurnBased:
    """Plays any game: turn order, retries of illegal moves, forfeits, turn limits, context.

    The outcome's reward of a player is put on its last turn; estimators hand it back to the earlier ones.
    """

    def __init__(self, params: TurnBasedParams) -> None:
        self.params = params

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is None:
            raise SparringError("turn_based plays a game; give the entry one, or a scheme that needs none")
        return [RoleSpec(role) for role in game.info.roles]

    # ---- what a player sees and says; also used where positions are evaluated without being played ---------------------

    def answer_text(self, action: str) -> str:
        """An answer that is read as ``action``."""
        return _FORMATS[self.params.answer].format(action)

    def move_text(self, answer: str) -> str:
        """The move in a public answer; what cannot be found is the answer itself, which the game will then refuse."""
        if self.params.answer == "whole":
            return answer.strip()
        pattern = _BOX if self.params.answer == "boxed" else _BRACKETS
        found = pattern.findall(answer)
        return found[-1].strip() if found else answer.strip()

    def formatted(self, answer: str) -> bool:
        """Whether a public answer has a move where it should stand."""
        if self.params.answer == "whole":
            return bool(answer.strip())
        found = (_BOX if self.params.answer == "boxed" else _BRACKETS).findall(answer)
        return bool(found and found[-1].strip())

    def seat(self, player: int, role: str, conversation: Conversation) -> Seat:
        return Seat(player, role, conversation)

    def position(self, seat: Seat, state: State) -> list[int]:
        """The tokens on which the seat would now be asked for its move."""
        fresh = None
        if self.params.context != "full":
            fresh = type(seat.conversation)(seat.conversation.chat, seat.role, system=self.params.system)
        self.look(seat, state, fresh)
        return list(seat.conversation.context())

    def look(self, seat: Seat, state: State, fresh: Conversation | None = None) -> None:
        """Tell a seat what is new in its log. With a rewritten context, ``fresh`` is the conversation to tell it in."""
        log = state.observe(seat.player)
        if len(log) < seat.entries:
            raise GameError(f"the log of player {seat.player} became shorter: {len(log)} entries after {seat.entries}")
        first = seat.read == 0
        seat.entries = len(log)
        if fresh is None:
            new = log[seat.read :]
        else:
            seat.conversation = fresh
            new = log[-1:] if self.params.context == "last" or len(log) == 1 else [log[0], log[-1]]
        seat.read = len(log)
        if new:
            seat.conversation.say("\n".join(new))
        if self.params.instruction and (first or fresh is not None):
            seat.conversation.say(self.params.instruction)

    # ---- play ------------------------------------------------------------------------------------------------------------

    async def play(self, table: Table) -> None:
        game = table.game
        info = game.info
        last: dict[int, Turn] = {}
        moves: list[list[list[object]]] = []
        try:
            state = await called(table, info, lambda: game.new_state(table.chance))
            seats = [
                self.seat(p, role, table.conversation(role, system=self.params.system))
                for p, role in enumerate(info.roles)
            ]
            outcome = await self._match(table, state, seats, last, moves)
        except GameError as error:
            raise GameError(f"{error}; moves so far {told(moves)}") from error
        except SparringError:
            raise
        except Exception as error:  # a game, or what it wraps, may raise anything
            raise EpisodeError(f"{type(error).__name__}: {error}; moves so far {told(moves)}") from error
        verdict = await table.judge(self.params.judge, outcome=outcome, info=info)
        self.pay(table, seats, last, outcome, verdict)
        table.note(
            returns=list(outcome.returns),
            kinds=list(outcome.kinds),
            draw=all(kind == "draw" for kind in outcome.kinds),
            offender=outcome.offender,
            reason=outcome.reason,
            moves=moves,
        )

    async def _match(
        self,
        table: Table,
        state: State,
        seats: list[Seat],
        last: dict[int, Turn],
        moves: list[list[list[object]]],
    ) -> Outcome:
        """Play to the end, a forfeit or the limit. ``last`` and ``moves`` are filled. Raises `GameError` for what the game
        does not do as it declares."""
        info = state.info
        taken, limit = 0, self.params.max_turns or sys.maxsize
        while players := state.to_act():
            if taken >= limit:
                return Outcome.truncated(info, f"no end after {limit} turns")
            if taken >= info.max_turns:
                raise GameError(f"it has not ended after max_turns={info.max_turns} moves")
            if len(players) == 1:  # awaited as it is: a task for each turn costs as much as the game does
                answers = [await self.ask(table, seats[players[0]], state)]
            else:
                answers = await asyncio.gather(*(self.ask(table, seats[p], state) for p in players))
            forfeit, texts = await self._agree(
                table, info, state, seats, dict(zip(players, answers, strict=True)), last
            )
            if forfeit:
                return forfeit
            taken += len(players)
            moves.append([[p, text] for p, text in texts.items()])
        outcome = state.outcome()
        if wrong := fault(info, outcome):
            raise GameError(wrong)
        return outcome

    def pay(
        self, table: Table, seats: Sequence[Seat], last: Mapping[int, Turn], outcome: Outcome, verdict: Verdict
    ) -> None:
        """Put rewards on turns; ``last`` is each player's last one."""
        for player, turn in last.items():
            table.reward(turn, self.params.judge, verdict.values[player])

    async def ask(self, table: Table, seat: Seat, state: State) -> Turn:
        """Tell a seat what is new, and have it answer."""
        fresh = None
        if self.params.context != "full":
            fresh = table.conversation(seat.role, system=self.params.system, like=seat.conversation)
        self.look(seat, state, fresh)
        return await self.speak(table, seat, state)

    async def speak(self, table: Table, seat: Seat, state: State) -> Turn:
        """Have a seat answer what it was told."""
        return (await table.act(seat.role, seat.conversation, state=state, write=self.answer_text))[0]

    async def _agree(
        self,
        table: Table,
        info: GameInfo,
        state: State,
        seats: list[Seat],
        answers: dict[int, Turn],
        last: dict[int, Turn],
    ) -> tuple[Outcome | None, dict[int, str]]:
        """Apply the answers, asking again for illegal ones. An outcome is a forfeit."""
        for attempt in range(self.params.retries + 1):
            last.update(answers)
            silent = [p for p, turn in answers.items() if turn.labels.get("answered") is False]
            if silent:
                for p in silent:
                    table.label(answers[p], legal=False)
                return Outcome.forfeit(info, silent[0], f"{info.roles[silent[0]]}: it did not answer"), {}
            texts = {p: self.move_text(turn.public) for p, turn in answers.items()}
            read = await called(table, info, partial(state.apply, texts))
            if set(read) != set(texts):
                raise GameError(f"apply answered for players {sorted(read)}, not {sorted(texts)}")
            wrong = {p: move for p, move in read.items() if not move.legal}
            for p, move in wrong.items():
                if texts[p] in (state.legal_actions(p) or ()):
                    raise GameError(f"it lists {texts[p]!r} as legal for player {p} but refuses it: {move.reason}")
            for p, turn in answers.items():
                # In a simultaneous turn only the offender's answer is illegal; the others are asked again with their answers kept.
                table.label(turn, legal=p not in wrong)
            await self._pay_turns(table, list(answers.values()))
            if not wrong:
                return None, {p: move.action or "" for p, move in read.items()}
            if attempt == self.params.retries:
                offender = min(wrong)
                return Outcome.forfeit(info, offender, f"{info.roles[offender]}: {wrong[offender].reason}"), {}
            for p, move in wrong.items():
                seats[p].conversation.say(f"Illegal move: {move.reason}")
                answers[p] = await self.speak(table, seats[p], state)
        raise AssertionError("the loop returns")

    async def _pay_turns(self, table: Table, turns: Sequence[Turn]) -> None:
        """Ask the turn judges about those that they have not been asked about."""
        for name in self.params.turn_judges:
            new = [turn for turn in turns if name not in turn.rewards]
            verdicts = await asyncio.gather(
                *(table.judge(name, legal=turn.labels["legal"], formatted=self.formatted(turn.public)) for turn in new)
            )
            for turn, verdict in zip(new, verdicts, strict=True):
                table.reward(turn, name, verdict.values[0])
