"""Judges that fail, lie, hang, or want to see the whole step; and what an episode leaves in a store."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sparring import RoleSpec, Sampling, SparringError, Table, Verdict
from sparring.errors import EpisodeError, JudgeError
from sparring.examples import MessageChat
from sparring.judging import ask
from sparring.play import EpisodePlan, Hall
from sparring.stores import Stores


class Says:
    def __init__(self, what: Any) -> None:
        self.what = what

    def judge(self, items: Sequence[Mapping[str, Any]]) -> Any:
        return self.what(items) if callable(self.what) else self.what


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ([], "asked about 2 items and gave 0 verdicts"),
        (None, "gave 'NoneType'"),
        ([Verdict((1.0,)), 0.5], "gave 0.5 instead of a Verdict about {'x': 1}"),
        ([Verdict((1.0,)), Verdict((float("nan"),))], "not all of it finite, about {'x': 1}"),
        ([Verdict((1.0,), detail={"p": float("inf")}), Verdict()], "not all of it finite, about {'x': 0}"),
        (lambda items: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_verdict_is_named(what: Any, message: str) -> None:
    with pytest.raises(EpisodeError, match="judge Says") as caught:
        ask(Says(what), [{"x": 0}, {"x": 1}], 10)
    assert message in str(caught.value)


def test_a_judge_that_hangs_stops_the_run() -> None:
    never = threading.Event()
    with pytest.raises(JudgeError, match=r"train\.judge_seconds"):
        ask(Says(lambda items: never.wait()), [{}], 0.05)
    never.set()


class WaitsForStep:
    """Episode n asks the judge after n questions to another, so they arrive at different times."""

    def roles(self, game: Any) -> list[RoleSpec]:
        return [RoleSpec("solver")]

    async def play(self, table: Table) -> None:
        number = int(table.chance.pick([str(i) for i in range(5)]))
        for _ in range(number):
            await table.judge("each")
        verdict = await table.judge("all", number=number)
        await table.judge("each")
        seen = table.store("seen", capacity=3)
        table.note(rank=verdict.values[0], items=len(seen.items()))
        seen.add(number)
        if number == 0:
            raise ValueError("zero")


class Each:
    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        return [Verdict() for _ in items]


class All:
    scope = "step"

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        numbers = [item["number"] for item in items]
        self.calls.append(numbers)
        return [Verdict((float(sorted(numbers).index(n)),)) for n in numbers]


def plans(judge: All) -> list[EpisodePlan]:
    judges = {"each": Each(), "all": judge}
    return [EpisodePlan(n, 0, None, WaitsForStep(), {}, judges, Sampling(), n, (3,), "waiting") for n in range(12)]


def test_a_step_scoped_judge_sees_the_whole_step_once_in_episode_order() -> None:
    judge = All()
    hall = Hall(generator=None, chats={"": MessageChat()}, default="")  # type: ignore[arg-type, dict-item]  # nobody speaks
    episodes = hall.play(plans(judge), 1)
    assert len(judge.calls) == 1
    ranks = [episode.facts["rank"] for episode in episodes]
    assert [float(sorted(judge.calls[0]).index(n)) for n in judge.calls[0]] == ranks


def test_stores_are_read_as_they_were_and_take_no_failed_episodes() -> None:
    judge = All()
    hall = Hall(generator=None, chats={"": MessageChat()}, default="")  # type: ignore[arg-type, dict-item]
    episodes = hall.play(plans(judge), 1)
    assert {episode.facts["items"] for episode in episodes} == {0}
    hall.stores.commit(item for e in episodes if not e.error for item in e.additions)
    kept = [n for n in judge.calls[0] if n != 0][-3:]
    assert list(hall.stores.open("seen", 3)) == kept
    again = Stores()
    again.load_state_dict(hall.stores.state_dict())
    assert list(again.open("seen", 3)) == kept
    with pytest.raises(SparringError, match="capacity 4"):
        again.open("seen", 4)
