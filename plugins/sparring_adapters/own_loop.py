"""Coroutines of other frameworks, run from play that is itself within an event loop.

Play runs in an asyncio loop and asks games synchronously, and a thread can have one running loop only. So there is one thread
more, with one loop, which runs while it is asked something and stands still otherwise. The loop is kept between the calls, as
what was begun in one (a conversation that waits for its next move, a client's connections) goes on in the next; `asyncio.run`
would cancel it at the end of each. It is closed with its owner.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Ask = Callable[[str], Awaitable[str]]


class OwnLoop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "sparring-own-loop")
        self._runner = asyncio.Runner()
        self.live: set[asyncio.Task[Any]] = set()  # what waits between calls; a loop itself only knows of it weakly
        self._end = weakref.finalize(self, _close, self._thread, self._runner)

    def run(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine to its end, in the other thread; raises what it raises."""
        return self._thread.submit(lambda: self._runner.run(begin())).result()

    def post(self, call: Callable[[], object]) -> None:
        """Have something called there before what is run next; this does not wait, so that a finalizer may use it."""
        if self._end.alive:
            self._thread.submit(call)


def _close(thread: ThreadPoolExecutor, runner: asyncio.Runner) -> None:
    """Cancel what has not ended, close the loop and end the thread."""
    try:
        thread.submit(runner.close).result()
    except RuntimeError:  # the interpreter is ending, and threads have ended before: no loop runs in this one any more
        runner.close()
    thread.shutdown()


class Exchange(Generic[T]):
    """A coroutine that asks for texts on its way, taken from one question to the next.

    ``begin(ask)`` is the coroutine; it awaits ``ask(question)`` for an answer. ``timeout``: seconds from an answer to the next
    question, or to the end.
    """

    def __init__(self, loop: OwnLoop, begin: Callable[[Ask], Coroutine[Any, Any, T]], timeout: float) -> None:
        self._loop, self._talk = loop, _Talk(begin, timeout, loop.live)

    def begin(self) -> str | None:
        """The first question, or None if there is none."""
        return self._loop.run(lambda: self._talk.advance(None))

    def answer(self, text: str) -> str | None:
        """The next question, or None if the coroutine has ended: then there is a `result`."""
        return self._loop.run(lambda: self._talk.advance(text))

    def result(self) -> T:
        assert self._talk.task is not None
        return self._talk.task.result()

    def close(self) -> None:
        """Cancel what has not ended."""
        if self._talk.task is not None:
            self._loop.post(self._talk.task.cancel)


class _Talk(Generic[T]):
    """The part of an exchange that is in the loop's thread. It does not know the loop's owner, or that would never be gone."""

    def __init__(
        self, begin: Callable[[Ask], Coroutine[Any, Any, T]], timeout: float, live: set[asyncio.Task[Any]]
    ) -> None:
        self._begin, self._timeout, self._live = begin, timeout, live
        self.task: asyncio.Task[T] | None = None
        self._question: asyncio.Future[str] | None = None
        self._answer: asyncio.Future[str] | None = None

    async def advance(self, text: str | None) -> str | None:
        question: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._question = question
        if self.task is None:
            self.task = asyncio.ensure_future(self._begin(self._ask))
            self._live.add(self.task)
            self.task.add_done_callback(self._live.discard)
        else:
            assert self._answer is not None
            assert text is not None
            self._answer.set_result(text)
        either: set[asyncio.Future[Any]] = {self.task, question}
        await asyncio.wait(either, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if question.done():
            return question.result()
        if self.task.done():
            self.task.result()  # raises what it raised
            return None
        self.task.cancel()
        raise TimeoutError(f"it took longer than {self._timeout:g} s to say something")

    async def _ask(self, question: str) -> str:
        if self._question is None or self._question.done():
            raise RuntimeError("it asks for two answers at once, and there is one seat")
        self._answer = asyncio.get_running_loop().create_future()
        self._question.set_result(question)
        return await self._answer
