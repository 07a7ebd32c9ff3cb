"""One-player games over environments of other frameworks: whatever is reset with a seed and stepped with a text.

What such libraries leave open is settled here, once. Most draw from the global random state of Python or NumPy, or seed it:
each match has a private one, which is put in place for a call and taken away after it, so that episodes side by side neither
disturb each other nor the run. Few can be copied: a match is its start and its moves, and a copy takes them again, when it is
asked for the next one. Any of them may fail: that ends the episode with its cause (`EpisodeError`), which a recipe's
`train.failure_budget` bounds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import Field

from sparring import Chance, GameError, GameInfo, Move, Outcome, Params, SparringError
from sparring.errors import EpisodeError
from sparring_adapters.generators import Generators
from sparring_adapters.reading import one_line, require_movers
from sparring_endpoint import FailureCount

T = TypeVar("T")

_SEEDS = 2**31  # starts that are told apart by a seed: what every library's seed may be
_TURNS = 100  # where neither the recipe nor the environment has a limit (ours)


class SingleSeatParams(Params):
    max_turns: int | None = Field(
        None,
        ge=1,
        description=f"Moves after which a match is cut off. None: the environment's own limit, or {_TURNS} (ours).",
    )
    bounds: tuple[float, float] = Field(
        (-1.0, 1.0),
        description="Lowest and highest return. The environment does not say; a seat that forfeits gets the lowest (ours).",
    )
    moves: tuple[str, ...] = Field(
        (),
        description="Moves that random play and the warm-up of `tiny` draw from. Empty: what the environment samples, if it does.",
    )


class Step(NamedTuple):
    """What a step of an environment comes back with, as Gymnasium has it."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]


class Environment(Protocol):
    """One match of an environment. It may raise anything."""

    def reset(self, seed: int) -> str:
        """Begin start ``seed``; what the player is told first."""
        ...

    def step(self, action: str) -> tuple[str, float, bool, bool, Mapping[str, Any]]:
        """A `Step`. Raises `RefusedError` if the action is none, and then changes nothing."""
        ...

    def sample(self) -> str | None:
        """A random action, or None if the environment has none to offer."""
        ...

    def close(self) -> None:
        """The match is over, or given up; called once at most."""
        ...


class RefusedError(Exception):
    """Why an environment does not take a text as an action."""


class SingleSeat:
    """A one-player game: ``make`` builds an environment for each match, ``starts`` is how many starts it has.

    A start is drawn by the run's own chance, so that a group of episodes begins alike. With ``failures`` they are counted over
    all matches, and too many of them stop the run (`GameError`). ``elsewhere``: the environment runs in another process, so it
    draws nothing here, and many matches may be asked for at once.
    """

    def __init__(
        self,
        name: str,
        params: SingleSeatParams,
        make: Callable[[], Environment],
        *,
        starts: int = _SEEDS,
        max_turns: int | None = None,
        failures: FailureCount | None = None,
        elsewhere: bool = False,
    ) -> None:
        self.make, self.starts, self.moves, self.failures = make, starts, params.moves, failures
        self.info = GameInfo(
            name=name,
            roles=("player",),
            utility="general",
            bounds=params.bounds,
            max_turns=params.max_turns or max_turns or _TURNS,
            slow=elsewhere,
        )

    def new_state(self, chance: Chance) -> SingleSeatState:
        return SingleSeatState(self, chance.pick(range(self.starts)))

    def restore(self, snapshot: str, chance: Chance) -> SingleSeatState:
        """The moves are made again; nothing is left to draw from ``chance``."""
        given = json.loads(snapshot)
        state = SingleSeatState(self, given["start"])
        for move in given["moves"]:
            state.apply({0: move})
        return state


class SingleSeatState:
    """One match: its start, the moves made, what they brought; and the environment, once it is needed."""

    def __init__(self, game: SingleSeat, start: int, like: SingleSeatState | None = None) -> None:
        self.game, self.start = game, start
        self.taken: list[str] = list(like.taken) if like else []
        self.log: list[str] = list(like.log) if like else []
        self.paid: list[float] = list(like.paid) if like else []
        self.ended: bool = like.ended if like else False
        self.truncated: bool = like.truncated if like else False
        self._session: _Session | None = None
        if like is None:
            self._session, told = _Session.begun(game, start, [])
            self.log.append(told[0])

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.ended else (0,)

    def observe(self, player: int) -> list[str]:
        return list(self.log)

    def legal_actions(self, player: int) -> list[str] | None:
        return None

    def sample_action(self, player: int, chance: Chance) -> str:
        """One of the recipe's ``moves``, or what the environment samples. Raises `GameError` if there are none."""
        if self.game.moves:
            return chance.pick(self.game.moves)
        sampled = self._open().sample(Generators(chance.pick(range(_SEEDS))))
        if sampled is None:
            raise GameError(
                f"{self.info.name} samples no moves, so it cannot be played at random; give the game some with 'moves'"
            )
        return sampled

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        try:
            step = self._open().step(moves[0])
        except RefusedError as error:
            return {0: Move(None, one_line(error))}
        self.taken.append(moves[0])
        self.log.append(step.observation)
        self.paid.append(step.reward)
        cut_off = step.truncated or len(self.taken) == self.info.max_turns
        self.ended = step.terminated or cut_off
        # An environment that counts its turns says both: it has ended by its rules, and what it paid stands.
        self.truncated = cut_off and not step.terminated
        if self.ended:
            self._open().close()
        return {0: Move(moves[0])}

    def rewards(self) -> list[float]:
        return [self.paid[-1] if self.paid else 0.0]

    def outcome(self) -> Outcome:
        """The sum of all rewards. A match that the environment itself cut off is ``truncated``, and judges may pay it otherwise."""
        total = math.fsum(self.paid)
        if self.truncated:
            return Outcome((total,), ("truncated",), reason=f"cut off by the environment after {len(self.taken)} moves")
        return Outcome.of_returns([total], reason=f"{self.info.name} is over")

    def clone(self) -> SingleSeatState:
        return SingleSeatState(self.game, self.start, self)

    def snapshot(self) -> str:
        return json.dumps({"start": self.start, "moves": self.taken})

    def _open(self) -> _Session:
        """The environment as the moves left it. A copy makes them again, and they must bring what they brought."""
        if self._session is None:
            self._session, told = _Session.begun(self.game, self.start, self.taken)
            if told != self.log:
                place = next((i for i, (a, b) in enumerate(zip(told, self.log, strict=False)) if a != b), len(told))
                raise GameError(
                    f"{self.info.name} does not repeat itself: start {self.start} and the moves {self.taken} brought another "
                    f"observation {place} the second time, so it can be neither copied nor resumed"
                )
        return self._session


class _Session:
    """An environment that was begun, with the random state that it alone draws from."""

    def __init__(self, game: SingleSeat, start: int) -> None:
        self.name, self.failures, self.start, self.made = game.info.name, game.failures, start, 0
        # The global generators are one for all threads, and cannot be lent to several.
        self.random = None if game.info.slow else Generators(start)
        self.environment = self._call("be built", game.make)

    @classmethod
    def begun(cls, game: SingleSeat, start: int, moves: Sequence[str]) -> tuple[_Session, list[str]]:
        """A session in which ``moves`` were made, and all that it told."""
        session = cls(game, start)
        told = [session._call("be reset", lambda: _text(session.environment.reset(start)))]
        for move in moves:
            told.append(session.step(move).observation)
        return session, told

    def step(self, action: str) -> Step:
        step = self._call("take a step", lambda: _step(self.environment.step(action)))
        self.made += 1
        return step

    def sample(self, draws: Generators) -> str | None:
        """A random action, drawn from ``draws``: what the match itself draws next is as it was."""
        mine, self.random = self.random, draws if self.random else None
        try:
            return self._call("sample an action", self.environment.sample)
        finally:
            self.random = mine

    def close(self) -> None:
        self._call("be closed", self.environment.close)

    def _call(self, what: str, call: Callable[[], T]) -> T:
        try:
            with self.random.lent() if self.random else nullcontext():
                result = call()
        except (RefusedError, SparringError):
            raise
        except Exception as error:  # somebody else's code may raise anything
            told = f"{type(error).__name__}: {one_line(error)}"
            if self.failures is not None:
                self._count(self.failures, told)
            raise EpisodeError(
                f"{self.name}, start {self.start}, after {self.made} moves: the environment could not {what}: {told}"
            ) from error
        if self.failures is not None:
            self.failures.worked()
        return result

    def _count(self, failures: FailureCount, told: str) -> None:
        try:
            failures.failed(told)
        except SparringError as error:
            raise GameError(str(error)) from error


def _text(observation: object) -> str:
    if not isinstance(observation, str):
        raise TypeError(f"it told {type(observation).__name__} {str(observation)[:80]!r} and not a text")
    return observation


def _step(given: tuple[str, float, bool, bool, Mapping[str, Any]]) -> Step:
    observation, reward, terminated, truncated, info = given
    value = float(reward)
    if not math.isfinite(value):
        raise ValueError(f"its reward is {value}")
    return Step(_text(observation), value, bool(terminated), bool(truncated), info)
