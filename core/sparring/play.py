"""Playing: many episodes as coroutines, all their turns in one batch.

Episodes run on an event loop of their own. When every one of them waits, the loop is about to sleep; that is the moment to
answer: judgements, if as many wait as turns are being written; then turns, of every game at once, until one of them has
ended, whose episode goes on beside the others'; and when nothing else is left the judges that want to see the whole step.
Nothing depends on the clock, so a step plays the same way each time; but for calls that are so slow that they are made aside.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import selectors
import sys
import time
from bisect import insort_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from sparring.chance import Chance, SeededChance, key_of
from sparring.chat import ChatFormat, Conversation
from sparring.errors import (
    EpisodeError,
    GameError,
    GenerationError,
    JudgeError,
    NumericsError,
    PlayerError,
    SparringError,
)
from sparring.game import Game, State
from sparring.interfaces import (
    Completion,
    Continuous,
    Generator,
    Judge,
    Player,
    PlaysGame,
    Request,
    RoleScheme,
    Sampling,
    Speaker,
    Transcript,
    Verdict,
)
from sparring.judging import ask
from sparring.records import Episode, Row, Span, Turn
from sparring.stores import EpisodeStore, Stores
from sparring.thoughts import split
from sparring_contracts import require_whole

# Requests that a continuous generator is offered at a time: thousands of episodes may wait, and it has room for few of them.
_AT_ONCE = 256
# Slow calls that are made at a time: they wait for others, so there may be many more than processors.
_ASIDE = 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a role in one episode: a player, or a policy's published weights."""

    name: str  # as shown: "main", "main@40", "random"
    version: int = -1
    player: Player | None = None
    trained: bool = False

    @classmethod
    def by(cls, name: str, player: Player, game: Game | None) -> Held:
        """By a player of ``game``. Raises `SparringError` if it cannot play it."""
        return cls(name, player=player.playing(game) if game and isinstance(player, PlaysGame) else player)


@dataclass(frozen=True, slots=True)
class EpisodePlan:
    """One episode to play. ``start`` numbers what it shares with the other episodes of its group: every chance event."""

    number: int
    entry: int
    game: Game | None
    scheme: RoleScheme
    holders: Mapping[str, Held]
    judges: Mapping[str, Judge]
    sampling: Sampling
    start: int
    key: tuple[object, ...]  # of the run: seed, and what sets evaluation apart from training
    entry_name: str = ""

    @property
    def title(self) -> str:
        """What is played: the game's name, or the entry's if it plays none."""
        return self.entry_name if self.game is None else self.game.info.name


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
    episode: int
    future: asyncio.Future[Completion]


@dataclass(slots=True)
class _Spoken:
    speaker: Speaker
    transcript: Transcript
    future: asyncio.Future[str | None]


@dataclass(slots=True)
class _Judgement:
    judge: Judge
    fields: Mapping[str, Any]
    episode: int
    future: asyncio.Future[Verdict]


class EpisodeTable:
    """The `Table` of one episode: see `sparring.interfaces.Table`."""

    def __init__(self, plan: EpisodePlan, hall: Hall, step: int) -> None:
        self._plan, self._hall = plan, hall
        self._chance = SeededChance(*plan.key, "start", plan.start)
        self.episode = Episode(plan.number, step, plan.entry, plan.title, [], [])
        self._trajectories = 0
        self._begun = 0  # turns, those that are being sampled too: roles that act at once must not share their noise

    @property
    def chance(self) -> Chance:
        return self._chance

    @property
    def game(self) -> Game:
        if self._plan.game is None:
            raise SparringError(f"the entry {self._plan.title!r} of `play:` names no game, but its scheme asks for one")
        return self._plan.game

    def _holder(self, role: str) -> Held:
        if role not in self._plan.holders:
            known = ", ".join(self._plan.holders) or "none"
            raise SparringError(f"the scheme has no role {role!r} (its roles: {known})")
        return self._plan.holders[role]

    def conversation(self, role: str, *, system: str = "", like: Conversation | None = None) -> Conversation:
        made = Conversation(self._hall.chat(self._holder(role)), role, system=system)
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
        player: int | None = None,
        write: Callable[[str], str] = str,
        tag: str = "",
        **sampling: Any,
    ) -> list[Turn]:
        held = self._holder(role)
        context = conversation.context()
        forks = [conversation] if n == 1 else [conversation.fork() for _ in range(n)]
        number = self._begun
        self._begun += n
        if held.player is not None:
            if isinstance(held.player, Speaker):
                waiting = [self._hall.ask_speaker(held.player, fork.transcript()) for fork in forks]
                return [
                    self._spoken(held, role, fork, await said, tag) for fork, said in zip(forks, waiting, strict=True)
                ]
            if state is None:
                raise SparringError(f"role {role!r} is held by the player {held.name!r}, which needs a state to act on")
            mover = self.game.info.roles.index(role) if player is None else player
            texts = [
                write(
                    held.player.act(mover, state, SeededChance(*self._plan.key, "player", self._plan.number, number, i))
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
        limit = self._hall.limit(held)
        room = limit - len(context)
        if room < 1:
            raise EpisodeError(
                f"the conversation of role {role!r} has {len(context)} tokens, and the model of policy {held.name!r} reads at most "
                f"{limit}; play fewer turns, shorten what is said, or take a model that reads more"
            )
        if room < settings.max_tokens:
            settings = replace(settings, max_tokens=room)
        asked = [
            self._hall.ask(
                Request(held.name, context, key_of(*self._plan.key, self._plan.number, number, i), settings),
                self._plan.number,
            )
            for i in range(n)
        ]
        turns = []
        for fork, future in zip(forks, asked, strict=True):
            done = await future
            require_whole(done, settings, f"turn {number} of role {role!r}, by policy {held.name!r}")
            ended = done.finish == "stop"
            span = Span("sampled", list(done.tokens), list(done.logprobs))
            turns.append(self._take(held, role, fork, span, fork.chat.decode(done.tokens), ended, tag))
        return turns

    def _spoken(self, held: Held, role: str, conversation: Conversation, said: str | None, tag: str) -> Turn:
        text = said or ""
        turn = self._take(held, role, conversation, Span("given", conversation.chat.answer(text)), text, True, tag)
        turn.labels["answered"] = said is not None
        return turn

    def give(self, role: str, conversation: Conversation, text: str) -> Turn:
        held = self._holder(role)
        self._begun += 1
        turn = self._take(held, role, conversation, Span("given", conversation.chat.answer(text)), text, True, "")
        turn.trained = False
        if held.trained:
            turn.labels["demonstration"] = True
        return turn

    def _take(
        self, held: Held, role: str, conversation: Conversation, span: Span, text: str, ended: bool, tag: str
    ) -> Turn:
        row = self._seat(conversation)
        start = conversation.add(span.tokens, ended, text)
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
        return await self._hall.ask_judge(self._plan.judges[name], fields, self._plan.number)

    def aside(self, call: Callable[[], T]) -> asyncio.Future[T]:
        return self._hall.aside(call)

    def reward(self, turn: Turn, part: str, value: float) -> None:
        turn.rewards[part] = turn.rewards.get(part, 0.0) + value

    def label(self, turn: Turn, **labels: str | float | bool) -> None:
        turn.labels.update(labels)

    def note(self, **facts: object) -> None:
        self.episode.facts.update(facts)

    def store(self, name: str, capacity: int | None = None) -> EpisodeStore:
        return EpisodeStore(name, self._hall.stores.open(name, capacity), self.episode.additions)


@dataclass(slots=True)
class Hall:
    """Where episodes are played: one generator for all tables.

    ``chats`` are by policy name; ``default`` is the one whose tokens a player's conversation is kept in.
    ``limits`` are how many tokens the models read, by policy, where that is known.
    ``judge_seconds`` is how long a judge may take for one batch. ``sampling_seconds`` and ``sampled_tokens`` count what
    the generator did.
    """

    generator: Generator
    chats: Mapping[str, ChatFormat]
    default: str
    judge_seconds: float = 600.0
    limits: Mapping[str, int] = field(default_factory=dict)
    stores: Stores = field(default_factory=Stores)
    sampling_seconds: float = 0.0
    sampled_tokens: int = 0
    _asked: list[_Asked] = field(default_factory=list)  # the next one last
    _written: dict[int, _Asked] = field(default_factory=dict)  # what a continuous generator is writing
    _judgements: list[_Judgement] = field(default_factory=list)
    _at_the_end: list[_Judgement] = field(default_factory=list)  # by judges that want to see the whole step
    _speakers: list[_Spoken] = field(default_factory=list)
    _aside: set[concurrent.futures.Future[Any]] = field(default_factory=set)  # slow calls that episodes wait for
    _threads: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, _ASIDE, "sparring-aside"))
    _key: tuple[object, ...] = ()  # of what is being played, for the noise of judges' questions
    _voiced: int = 0

    def chat(self, held: Held) -> ChatFormat:
        return self.chats[self.default if held.player is not None else held.name.partition("@")[0]]

    def limit(self, held: Held) -> int:
        return self.limits.get(held.name.partition("@")[0], sys.maxsize)

    def ask(self, request: Request, episode: int) -> asyncio.Future[Completion]:
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        # Those that began first come first, so that episodes end, and their place is free, before others begin.
        insort_left(self._asked, _Asked(request, episode, future), key=lambda asked: -asked.episode)
        return future

    def ask_speaker(self, speaker: Speaker, transcript: Transcript) -> asyncio.Future[str | None]:
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._speakers.append(_Spoken(speaker, transcript, future))
        return future

    def ask_judge(self, judge: Judge, fields: Mapping[str, Any], episode: int) -> asyncio.Future[Verdict]:
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        waiting = self._judgements if getattr(judge, "scope", "item") == "item" else self._at_the_end
        waiting.append(_Judgement(judge, fields, episode, future))
        return future

    def aside(self, call: Callable[[], T]) -> asyncio.Future[T]:
        made = self._threads.submit(call)
        self._aside.add(made)
        future = asyncio.wrap_future(made)
        future.add_done_callback(lambda _: self._aside.discard(made))
        return future

    def _returned(self) -> bool:
        """Whether an episode can go on whose slow call has returned."""
        return any(made.done() for made in self._aside)

    def voice(self, policy: str, transcripts: Sequence[Transcript], sampling: Sampling) -> list[str]:
        """See `sparring.interfaces.Voice`."""
        if policy not in self.chats:
            raise SparringError(f"a judge asks policy {policy!r}; the recipe's policies are {', '.join(self.chats)}")
        chat = self.chats[policy]
        requests = [
            Request(policy, chat.open(tuple(transcript)), key_of(*self._key, "voice", self._voiced + i), sampling)
            for i, transcript in enumerate(transcripts)
        ]
        self._voiced += len(requests)
        completions = self._generate(requests)
        for i, completion in enumerate(completions):
            require_whole(completion, sampling, f"question {i} of a judge to policy {policy!r}")
        return [chat.decode(completion.tokens) for completion in completions]

    def score(self, policy: str, answers: Sequence[tuple[Sequence[int], str]]) -> list[float]:
        """See `sparring.interfaces.Scorer`."""
        rows = [(context, self.chats[policy].answer(text)) for context, text in answers]
        return [sum(logprobs) for logprobs in self.generator.score(policy, rows)]

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        began = time.perf_counter()
        completions = self.generator.generate(requests)
        if len(completions) != len(requests):
            raise GenerationError(f"the generator gave {len(completions)} completions for {len(requests)} requests")
        self._count(completions, began)
        return completions

    def _next(self, most: int) -> list[_Asked]:
        """At most so many of those that asked first, as far as the generator has room for them."""
        asked = self._asked[-1 : -most - 1 : -1]
        room = self.generator.room([a.request for a in asked]) if asked else 0
        if room < 1 and not self._written:
            raise GenerationError("the generator has room for none of the requests, and must have it for one")
        return asked[:room]

    def _advance(self, generator: Continuous) -> None:
        """Have as many written as there is room for, and answer those that have ended."""
        began = time.perf_counter()
        while asked := self._next(_AT_ONCE):
            self._written |= zip(generator.admit([a.request for a in asked]), asked, strict=True)
            del self._asked[-len(asked) :]
        ended = generator.advance(self._returned)
        if strangers := ended.keys() - self._written.keys():
            raise GenerationError(f"the generator ended {sorted(strangers)}, which no request has as its number")
        if self._written and not ended and not self._returned():
            raise GenerationError(f"the generator went on, and ended none of the {len(self._written)} requests it has")
        self._count(ended.values(), began)
        _settle([self._written.pop(number) for number in ended], list(ended.values()))

    def _count(self, completions: Iterable[Completion], began: float) -> None:
        self.sampling_seconds += time.perf_counter() - began
        self.sampled_tokens += sum(len(completion.tokens) for completion in completions)

    def play(
        self,
        plans: Sequence[EpisodePlan],
        step: int,
        more: Callable[[Sequence[Episode]], Sequence[EpisodePlan]] | None = None,
    ) -> list[Episode]:
        """Play ``plans`` to their end; episodes come back in the order of their plans.

        Whenever an episode has ended ``more(finished)`` may add plans. An episode that raises is kept with its
        ``error``; a `GameError` or the failure of a generator or a speaker stops everything, since it would come again.
        """
        self._asked.clear()
        self._judgements.clear()
        self._at_the_end.clear()
        self._speakers.clear()
        self._written.clear()
        self._aside.clear()
        self._key, self._voiced = (*plans[0].key, "step", step) if plans else (), 0
        selector = _IdleSelector(self._answer)
        loop = asyncio.SelectorEventLoop(selector)
        try:
            return loop.run_until_complete(self._run(plans, step, more))
        finally:
            # Left if it was interrupted; slow calls that have not begun are given up with them.
            if left := asyncio.all_tasks(loop):
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            if self._written:  # it was broken off, perhaps by the generator, which then may not do this either
                self._written.clear()
                with suppress(Exception):
                    self.generator.release()

    async def _run(
        self, plans: Sequence[EpisodePlan], step: int, more: Callable[[Sequence[Episode]], Sequence[EpisodePlan]] | None
    ) -> list[Episode]:
        tables: list[EpisodeTable] = []
        live: dict[asyncio.Task[None], Episode] = {}
        ended: list[asyncio.Task[None]] = []
        some_ended = asyncio.Event()
        finished: list[Episode] = []

        def end(task: asyncio.Task[None]) -> None:
            ended.append(task)
            some_ended.set()

        def start(new: Sequence[EpisodePlan]) -> None:
            for plan in new:
                table = EpisodeTable(plan, self, step)
                tables.append(table)
                task = asyncio.ensure_future(_play_one(plan, table))
                task.add_done_callback(end)
                live[task] = table.episode

        start(plans)
        try:
            while live:
                await some_ended.wait()
                some_ended.clear()
                for task in ended:
                    finished.append(live.pop(task))
                    task.result()
                ended.clear()
                if more is not None:
                    start(more(finished))
        finally:
            for task in live:
                task.cancel()
            await asyncio.gather(*live, return_exceptions=True)
        return [table.episode for table in tables]

    def _answer(self) -> bool:
        """Every episode waits: answer what they asked. False if there is nothing to answer now; slow calls wake the loop."""
        # Those that judge see as many at once as can be without leaving the generator less than half of what it could write.
        if self._judgements and len(self._judgements) >= len(self._written):
            waiting, self._judgements = self._judgements, []
            self._decide(waiting)
        elif self._speakers and len(self._speakers) >= len(self._written):
            self._speak()
        elif self._asked or self._written:
            self._complete()
        elif self._aside:
            return False
        elif self._at_the_end:
            waiting, self._at_the_end = self._at_the_end, []
            self._decide(sorted(waiting, key=lambda j: j.episode))
        else:
            return False
        return True

    def _decide(self, waiting: Sequence[_Judgement]) -> None:
        for judge in dict.fromkeys(j.judge for j in waiting):
            mine = [j for j in waiting if j.judge is judge]
            try:
                _settle(mine, ask(judge, [j.fields for j in mine], self.judge_seconds))
            except SparringError as error:
                _fail(mine, error)

    def _speak(self) -> None:
        waiting, self._speakers = self._speakers, []
        for number, speaker in {id(w.speaker): w.speaker for w in waiting}.items():
            mine = [w for w in waiting if id(w.speaker) == number]
            try:
                _settle(mine, speaker.answer([w.transcript for w in mine]))
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything
                told = (
                    error
                    if isinstance(error, SparringError)
                    else f"the player {type(speaker).__name__} failed: {error!r}"
                )
                failure = PlayerError(str(told))
                failure.__cause__ = error
                _fail(mine, failure)

    def _complete(self) -> None:
        asked = self._asked
        try:
            if isinstance(self.generator, Continuous):
                self._advance(self.generator)
            else:
                asked = self._next(len(asked))
                completions = self._generate([a.request for a in asked])
                del self._asked[-len(asked) :]
                _settle(asked, completions)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            asked = sorted(self._written.values() or asked, key=lambda a: a.episode)
            self._asked.clear()
            longest = max(len(a.request.context) for a in asked)
            failure = error if isinstance(error, SparringError) else GenerationError(
                f"the generator failed on {len(asked)} requests at once, of episodes {asked[0].episode} to "
                f"{asked[-1].episode} with prompts of up to {longest} tokens: {error!r}"
            )  # fmt: skip
            if failure is not error:
                failure.__cause__ = error
            _fail(asked, failure)


def _settle(waiting: Sequence[_Asked | _Spoken | _Judgement], answers: Sequence[Any]) -> None:
    """Raises ValueError, before anybody is answered, if there are not as many answers."""
    for w, answer in list(zip(waiting, answers, strict=True)):
        if not w.future.done():
            w.future.set_result(answer)


def _fail(waiting: Sequence[_Asked | _Spoken | _Judgement], error: SparringError) -> None:
    for w in waiting:
        if not w.future.done():
            w.future.set_exception(error)


async def _play_one(plan: EpisodePlan, table: EpisodeTable) -> None:
    try:
        await plan.scheme.play(table)
    except (GameError, GenerationError, JudgeError, NumericsError, PlayerError) as error:
        key = ", ".join(map(str, plan.key))  # with the start all that is needed to play the same match again
        where = f"step {table.episode.step}, episode {plan.number} of {plan.title} (seed {key}, start {plan.start})"
        raise type(error)(f"{where}: {error}") from error
    except Exception as error:  # noqa: BLE001  # so may a scheme
        table.episode.error = str(error) if isinstance(error, EpisodeError) else f"{type(error).__name__}: {error}"
