"""Environments of verifiers (0.3), by the module that is installed for them: classic ones and tasksets of its version 1.

A classic environment is whatever the module's ``load_environment(**arguments)`` returns: rows of its dataset are the starts, its
own rollout runs, and each time that asks its model for an answer the player is asked. A taskset's tasks are the starts; its
environment's ``run(task, agents)`` runs, with the player in the one seat that it has. What the environment says between two
answers is the observation, and the reward comes at the end, of the rubric or of the task.

A seat here speaks and does nothing else: environments that need tools, containers, several agents or a group of rollouts to
score one are refused. So is what is not installed: nothing is fetched from a hub.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import signal
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from sparring_adapters.generators import Generators
from sparring_adapters.own_loop import Ask, Exchange, OwnLoop
from sparring_adapters.reading import one_line
from sparring_adapters.single_seat import SingleSeat, SingleSeatParams


class VerifiersParams(SingleSeatParams):
    id: str = Field(
        min_length=1, description="The environment's id, which names its module: 'my-env' is the module my_env."
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="For load_environment, or the taskset's configuration if the module has a taskset.",
    )
    split: Literal["train", "eval"] = Field(
        "train", description="Which dataset of a classic environment gives the starts."
    )
    most: int = Field(10_000, ge=1, description="Of a taskset, no more than its first so many tasks are starts (ours).")
    timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds the environment may take from an answer to what it says next, judges included (ours).",
    )

    @model_validator(mode="after")
    def _loads(self) -> Self:
        refused = refusal(self)
        if refused:
            raise ValueError(refused)
        return self


class Source(Protocol):
    """What a module of verifiers gives: starts, and the conversation that one of them is."""

    starts: int
    max_turns: int | None
    refusal: str  # why a seat that only speaks cannot play it, in words that go on "verifiers' NAME …"; empty if it can

    def play(self, start: int, ask: Ask) -> Coroutine[Any, Any, tuple[str, float]]:
        """Play a start; what is said at the end, and the reward."""
        ...


class Verifiers(SingleSeat):
    """An installed environment of verifiers as a one-player game: classic, or a taskset of version 1."""

    def __init__(self, params: VerifiersParams) -> None:
        self.loop = OwnLoop()
        source = load(params)
        super().__init__(
            params.id,
            params,
            lambda: VerifiersMatch(self.loop, source, params.timeout),
            starts=source.starts,
            max_turns=source.max_turns,
        )


class VerifiersMatch:
    """One match: a rollout of the environment that waits for the player's answers."""

    def __init__(self, loop: OwnLoop, source: Source, timeout: float) -> None:
        self._loop, self._source, self._timeout = loop, source, timeout

    def reset(self, seed: int) -> str:
        source = self._source
        self._exchange = Exchange(self._loop, lambda ask: source.play(seed, ask), self._timeout)
        weakref.finalize(self, self._exchange.close).atexit = False  # then the loop's own end cancels it
        told = self._exchange.begin()
        if told is None:
            raise ValueError("it ended before the player was asked anything")
        return told

    def step(self, action: str) -> tuple[str, float, bool, bool, Mapping[str, Any]]:
        told = self._exchange.answer(action)
        if told is not None:
            return told, 0.0, False, False, {}
        said, reward = self._exchange.result()
        return said, reward, True, False, {}

    def sample(self) -> str | None:
        return None

    def close(self) -> None:
        self._exchange.close()


def module_of(name: str) -> str:
    """The module of an environment's id: without owner and version, hyphens as underscores."""
    return name.rpartition("/")[2].partition("@")[0].replace("-", "_")


def load(params: VerifiersParams) -> Source:
    """The environment. Its module runs, which may draw, and which replaces the handlers of signals."""
    with Generators(0).lent(), _own_signals():
        from datasets.utils import disable_progress_bars

        disable_progress_bars()
        logging.getLogger("verifiers").setLevel(logging.WARNING)
        module = importlib.import_module(module_of(params.id))
        if hasattr(module, "load_environment"):
            from sparring_adapters.verifiers_classic import Classic

            return Classic(module.load_environment(**params.arguments), params.split)
        from sparring_adapters.verifiers_taskset import TasksetSource

        return TasksetSource(module.__name__, params.arguments, params.most)


def refusal(params: VerifiersParams) -> str:
    """Why the environment cannot be had, in one line; empty if it can."""
    try:
        with _own_signals():
            import verifiers  # noqa: F401  # whether it is there
    except Exception as error:  # noqa: BLE001  # what it needs in other versions fails in other ways
        return f"environments of verifiers need the package verifiers: `pip install 'sparring[verifiers]'` ({one_line(error)})"
    module = module_of(params.id)
    if importlib.util.find_spec(module) is None:
        return (
            f"no module {module!r} is installed for verifiers' {params.id!r}; install the environment's package first"
        )
    try:
        refused = load(params).refusal
    except Exception as error:  # noqa: BLE001  # an environment may raise anything
        return f"verifiers does not load {params.id} with {params.arguments}: {type(error).__name__}: {one_line(error)[:300]}"
    return f"verifiers' {params.id} {refused}" if refused else ""


def text_of(content: Any) -> str:
    """A message's content as text. Raises ValueError if it is anything else, such as an image."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = [part if isinstance(part, dict) else part.model_dump() for part in content]
    others = {part.get("type") for part in parts} - {"text"}
    if others:
        raise ValueError(f"a message holds {min(map(str, others))}, and the player reads text only")
    return "".join(part["text"] for part in parts)


def told(messages: list[Any]) -> str:
    """Messages as one text. Who says what is written where somebody but a system and a user speaks."""
    said = [(message.role, text_of(message.content)) for message in messages]
    if {role for role, _ in said} <= {"system", "user"}:
        return "\n\n".join(text for _, text in said if text)
    return "\n\n".join(f"{role}: {text}" for role, text in said if text)


@contextmanager
def _own_signals() -> Iterator[None]:
    """A classic environment sets handlers for SIGINT and SIGTERM as it is made; those are the run's own affair."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before: list[Callable[..., Any] | int | None] = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in zip(numbers, before, strict=True):
                if handler is not None:  # None: it was not set by Python, so nor can it be here
                    signal.signal(number, handler)
