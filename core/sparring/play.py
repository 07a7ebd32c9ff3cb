"""Playing: many episodes as coroutines, all their turns in one batch.

Episodes run on an event loop of their own. When every one of them waits, the loop is about to sleep; that is the
moment to answer all that was asked: judgements first, then one generator call with every turn of every episode.
Nothing depends on the clock, so a step plays the same way each time.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparring.chance import Chance, SeededChance, key_of
from sparring.chat import ChatFormat, Conversation
from sparring.errors import EpisodeError, GameError, GenerationError, SparringError
from sparring.game import Game, State
from sparring.interfaces import Completion, Generator, Judge, Player, Request, RoleScheme, Sampling, Verdict
from sparring.records import Episode, Row, Span, Turn
from sparring.thoughts import split


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a role in one episode: a player, or a policy's published weights."""

    name: str  # as shown: "main", "main@40", "random"
    version: int = -1
    player: Player | None = None
    trained: bool = False


@dataclass(frozen=True, slots=True)
class EpisodePlan:
    """One episode to play. ``start`` numbers what it shares with the other episodes of its group: every chance event."""

    number: int
    entry: int
    game: Game
    scheme: RoleScheme
    holders: Mapping[str, Held]
    judges: Mapping[str, Judge]
    sampling: Sampling
    start: int
    key: tuple[object, ...]  # of the run: seed, and what sets evaluation apart from training


class _IdleSelector(selectors.DefaultSelector):
    """Tells when an event loop would sleep: asyncio selects without a timeout only if nothing is ready to run."""

    def __init__(self, on_idle: Callable[[], bool]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if (timeout is None or timeout > 0) and self._on_idle():
            timeout = 0
        return super().select(timeout)


@dataclass(slots=True)
class _Asked:
    request: Request
    future: asyncio.Future[Completion]


class EpisodeTable:
    """The `Table` of one episode: see `sparring.interfaces.Table`."""

    def __init__(self, plan: EpisodePlan, hall: Hall, step: int) -> None:
        self._plan, self._hall = plan, hall
        self._chance = SeededChance(*plan.key, "start", plan.start)
        self.episode = Episode(plan.number, step, plan.entry, plan.game.info.name, [], [])
        self._trajectories = 0

    @property
    def chance(self) -> Chance:
        return self._chance

    @property
    def game(self) -> Game:
        return self._plan.game

    def conversation(self, role: str, *, system: str = "", like: Conversation | None = None) -> Conversation:
        made = Conversation(self._hall.chat(self._plan.holders[role]), role, system=system)
        if like is not None:
            made.trajectory = like.trajectory
        return made

    def _seat(self, conversation: Conversation) -> Row:
        """The row of a conversation, which is given its place when it is first acted on."""
        if conversation.row < 0:
            if conversation.trajectory < 0:
                conversation.trajectory = self._trajectories
                self._trajectories += 1
            conversation.row = len(self.episode.rows)
            self.episode.rows.append(Row(conversation.tokens, trajectory=conversation.trajectory))
        return self.episode.rows[conversation.row]

    async def act(
        self,
        role: str,
        conversation: Conversation,
        *,
        n: int = 1,
        state: State | None = None,
        write: Callable[[str], str] = str,
        tag: str = "",
        **sampling: Any,
    ) -> list[Turn]:
        held = self._plan.holders[role]
        context = conversation.context()
        forks = [conversation] if n == 1 else [conversation.fork() for _ in range(n)]
        number = len(self.episode.turns)
        if held.player is not None:
            if state is None:
                raise SparringError(f"role {role!r} is held by the player {held.name!r}, which needs a state to act on")
            player = self._plan.game.info.roles.index(role)
            texts = [
                write(
                    held.player.act(
                        player, state, SeededChance(*self._plan.key, "player", self._plan.number, number, i)
                    )
                )
                for i in range(n)
            ]
            return [
                self._take(held, role, fork, Span("given", fork.chat.answer(text)), text, True, tag)
                for fork, text in zip(forks, texts, strict=True)
            ]
        settings = self._plan.sampling
        if sampling:
            settings = Sampling(**{**{f: getattr(settings, f) for f in Sampling.__slots__}, **sampling})
        asked = [
            self._hall.ask(Request(held.name, context, key_of(*self._plan.key, self._plan.number, number, i), settings))
            for i in range(n)
        ]
        turns = []
        for fork, future in zip(forks, asked, strict=True):
            done = await future
            ended = done.finish == "stop"
            span = Span("sampled", list(done.tokens), list(done.logprobs))
            turns.append(self._take(held, role, fork, span, fork.chat.decode(done.tokens), ended, tag))
        return turns

    def _take(
        self, held: Held, role: str, conversation: Conversation, span: Span, text: str, ended: bool, tag: str
    ) -> Turn:
        row = self._seat(conversation)
        start = conversation.add(span.tokens, ended)
        public, private = split(text)
        turn = Turn(
            role, held.name, held.version, conversation.row, start, [span], text, public, private,
            finish="stop" if ended else "length", trained=held.trained,
            labels={"game": self.episode.game, "role": role, "start": self._plan.start, "entry": self._plan.entry},
        )  # fmt: skip
        if tag:
            turn.labels["tag"] = tag
        row.turns.append(turn)
        self.episode.turns.append(turn)
        return turn

    async def judge(self, name: str, **fields: Any) -> Verdict:
        if name not in self._plan.judges:
            raise SparringError(
                f"the scheme asks for a judge called {name!r}; the recipe's judges are {', '.join(self._plan.judges) or 'none'}"
            )
        return await self._hall.ask_judge(self._plan.judges[name], fields)

    def reward(self, turn: Turn, part: str, value: float) -> None:
        turn.rewards[part] = turn.rewards.get(part, 0.0) + value

    def label(self, turn: Turn, **labels: str | float | bool) -> None:
        turn.labels.update(labels)

    def note(self, **facts: object) -> None:
        self.episode.facts.update(facts)


@dataclass(slots=True)
class Hall:
    """Where episodes are played: one generator for all tables.

    ``chats`` are by policy name; ``default`` is the one whose tokens a player's conversation is kept in.
    ``sampling_seconds`` and ``sampled_tokens`` count what the generator did.
    """

    generator: Generator
    chats: Mapping[str, ChatFormat]
    default: str
    sampling_seconds: float = 0.0
    sampled_tokens: int = 0
    _asked: list[_Asked] = field(default_factory=list)
    _judgements: list[tuple[Judge, Mapping[str, Any], asyncio.Future[Verdict]]] = field(default_factory=list)

    def chat(self, held: Held) -> ChatFormat:
        return self.chats[self.default if held.player is not None else held.name.partition("@")[0]]

    def ask(self, request: Request) -> asyncio.Future[Completion]:
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(request, future))
        return future

    def ask_judge(self, judge: Judge, fields: Mapping[str, Any]) -> asyncio.Future[Verdict]:
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._judgements.append((judge, fields, future))
        return future

    def play(
        self,
        plans: Sequence[EpisodePlan],
        step: int,
        more: Callable[[Sequence[Episode]], Sequence[EpisodePlan]] | None = None,
    ) -> list[Episode]:
        """Play ``plans`` to their end; episodes come back in the order of their plans.

        Whenever an episode has ended ``more(finished)`` may add plans. An episode that raises is kept with its
        ``error``; a `GameError` or a generator's failure stops everything, since it would come again.
        """
        self._asked.clear()
        self._judgements.clear()
        selector = _IdleSelector(self._answer)
        loop = asyncio.SelectorEventLoop(selector)
        try:
            return loop.run_until_complete(self._run(plans, step, more))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _run(
        self, plans: Sequence[EpisodePlan], step: int, more: Callable[[Sequence[Episode]], Sequence[EpisodePlan]] | None
    ) -> list[Episode]:
        tables: list[EpisodeTable] = []
        live: dict[
            asyncio.Task[None], None
        ] = {}  # a set in the order of starting, so that what happens is the same each time

        def start(new: Sequence[EpisodePlan]) -> None:
            for plan in new:
                table = EpisodeTable(plan, self, step)
                tables.append(table)
                live[asyncio.ensure_future(_play_one(plan, table))] = None

        start(plans)
        try:
            while live:
                done, _ = await asyncio.wait(live, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in live if task in done]:
                    del live[task]
                    task.result()
                if more is not None:
                    finished = [table.episode for table in tables if table.episode.facts.get("ended")]
                    start(more(finished))
        finally:
            for task in live:
                task.cancel()
            await asyncio.gather(*live, return_exceptions=True)
        for table in tables:
            table.episode.facts.pop("ended", None)
        return [table.episode for table in tables]

    def _answer(self) -> bool:
        """Every episode waits: answer what they asked. False if there is nothing to answer."""
        if self._judgements:
            waiting, self._judgements = self._judgements, []
            for judge in dict.fromkeys(judge for judge, _, _ in waiting):
                mine = [(fields, future) for j, fields, future in waiting if j is judge]
                try:
                    verdicts = judge.judge([fields for fields, _ in mine])
                except Exception as error:  # noqa: BLE001  # a plugin may raise anything
                    for _, future in mine:
                        if not future.done():
                            future.set_exception(EpisodeError(f"judge {type(judge).__name__} failed: {error!r}"))
                    continue
                for (_, future), verdict in zip(mine, verdicts, strict=True):
                    if not future.done():
                        future.set_result(verdict)
            return True
        if self._asked:
            asked, self._asked = self._asked, []
            began = time.perf_counter()
            try:
                completions = self.generator.generate([a.request for a in asked])
            except Exception as error:  # noqa: BLE001  # so may a generator
                failure = (
                    error if isinstance(error, SparringError) else GenerationError(f"the generator failed: {error!r}")
                )
                failure.__cause__ = error
                for a in asked:
                    if not a.future.done():
                        a.future.set_exception(failure)
                return True
            self.sampling_seconds += time.perf_counter() - began
            for a, completion in zip(asked, completions, strict=True):
                self.sampled_tokens += len(completion.tokens)
                if not a.future.done():
                    a.future.set_result(completion)
            return True
        return False


async def _play_one(plan: EpisodePlan, table: EpisodeTable) -> None:
    try:
        await plan.scheme.play(table)
    except (GameError, GenerationError) as error:
        raise type(error)(f"episode {plan.number} of {plan.game.info.name} (start {plan.start}): {error}") from error
    except Exception as error:  # noqa: BLE001  # so may a scheme
        table.episode.error = f"{type(error).__name__}: {error}"
    table.episode.facts["ended"] = True
