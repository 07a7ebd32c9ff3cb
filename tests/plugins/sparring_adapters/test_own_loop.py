"""Coroutines run from play that is itself in an event loop: nothing is lost between calls, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref

import pytest

from sparring_adapters.own_loop import Ask, Exchange, OwnLoop


async def sums(ask: Ask) -> int:
    total = 0
    while (said := await ask(f"{total}")) != "end":
        await asyncio.sleep(0)
        total += int(said)
    return total


def threads() -> int:
    return sum(thread.name.startswith("sparring-own-loop") for thread in threading.enumerate())


def test_it_is_asked_from_within_a_running_loop() -> None:
    async def play() -> tuple[str | None, int]:
        exchange = Exchange(OwnLoop(), sums, timeout=5)
        assert exchange.begin() == "0"
        assert exchange.answer("2") == "2"
        second = exchange.answer("3")
        assert exchange.answer("end") is None
        return second, exchange.result()

    assert asyncio.run(play()) == ("5", 5)


def test_several_exchanges_wait_on_one_loop() -> None:
    loop = OwnLoop()
    exchanges = [Exchange(loop, sums, timeout=5) for _ in range(3)]
    for exchange in exchanges:
        exchange.begin()
    assert [exchange.answer(str(n)) for n, exchange in enumerate(exchanges)] == ["0", "1", "2"]
    assert [exchange.answer("10") for exchange in exchanges] == ["10", "11", "12"]


def test_nothing_is_left_of_an_owner_that_is_gone() -> None:
    gc.collect()
    before = threads()
    loop, cancelled = OwnLoop(), threading.Event()

    async def waits(ask: Ask) -> None:
        try:
            await ask("?")
        finally:
            cancelled.set()

    exchange = Exchange(loop, waits, timeout=5)
    exchange.begin()
    assert threads() == before + 1
    inner = weakref.ref(loop._runner.get_loop())
    del exchange, loop
    gc.collect()
    assert cancelled.is_set()
    assert threads() == before
    found = inner()
    assert found is None or found.is_closed()


def test_an_error_is_raised_where_the_answer_was_given() -> None:
    async def fails(ask: Ask) -> None:
        await ask("?")
        raise KeyError("x")

    exchange = Exchange(OwnLoop(), fails, timeout=5)
    exchange.begin()
    with pytest.raises(KeyError, match="x"):
        exchange.answer("y")


def test_what_says_nothing_is_waited_for_no_longer_than_the_timeout() -> None:
    async def silent(ask: Ask) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"longer than 0\.05 s"):
        Exchange(OwnLoop(), silent, timeout=0.05).begin()


def test_two_questions_at_once_are_refused() -> None:
    async def both(ask: Ask) -> None:
        await asyncio.gather(ask("a"), ask("b"))

    exchange = Exchange(OwnLoop(), both, timeout=5)
    assert exchange.begin() == "a"
    with pytest.raises(RuntimeError, match="two answers at once"):
        exchange.answer("x")


def test_it_draws_from_the_random_state_of_who_asks() -> None:
    async def draws(ask: Ask) -> float:
        return random.random()

    random.seed(4)
    exchange = Exchange(OwnLoop(), draws, timeout=5)
    exchange.begin()
    assert exchange.result() == random.Random(4).random()
