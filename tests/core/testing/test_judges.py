"""A sound judge passes, and each way of breaking it is caught."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sparring import Judge, Outcome, Sampling, Transcript, Verdict
from sparring.testing import CheckFailed, check_judge, make

Items = Sequence[Mapping[str, Any]]
ITEMS = [{"answer": "a"}, {"answer": "bb"}, {"answer": "cc cc"}, {"answer": ""}]


class Length:
    """How long an answer is."""

    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict((float(len(item["answer"])),)) for item in items]


class Rank(Length):
    """How many answers are shorter."""

    scope = "step"

    def judge(self, items: Items) -> list[Verdict]:
        lengths = [len(item["answer"]) for item in items]
        return [Verdict((float(sum(other < mine for other in lengths)),)) for mine in lengths]


class Remembers(Length):
    """Whether an answer was not heard in earlier batches; no checkpoint knows."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def judge(self, items: Items) -> list[Verdict]:
        verdicts = [Verdict((float(item["answer"] not in self.heard),)) for item in items]
        self.heard = sorted({*self.heard, *(item["answer"] for item in items)})
        return verdicts


class SavesOnly(Remembers):
    def state_dict(self) -> dict[str, Any]:
        return {"heard": self.heard}


class Novelty(SavesOnly):
    """The same with memory."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.heard = list(state["heard"])


class Opinion(Length):
    """What a policy thinks of an answer."""

    def attach(self, voice: Any) -> None:
        self.voice = voice

    def judge(self, items: Items) -> list[Verdict]:
        transcripts: list[Transcript] = [[("user", item["answer"])] for item in items]
        return [Verdict(label=text) for text in self.voice("main", transcripts, Sampling())]


def voice(policy: str, transcripts: Sequence[Transcript], sampling: Sampling) -> list[str]:
    return ["good" if "c" in transcript[0][1] else "bad" for transcript in transcripts]


@pytest.mark.parametrize("judge", [Length(), Rank(), Novelty(), Opinion()], ids=lambda judge: type(judge).__name__)
def test_a_sound_judge_passes(judge: Judge) -> None:
    check_judge(judge, ITEMS, voice=voice)


def test_a_bundled_judge_passes() -> None:
    outcomes = [Outcome.of_returns((1, -1)), Outcome.of_returns((0, 0))]
    check_judge(make("judge", "outcome", mode="result"), [{"outcome": outcome} for outcome in outcomes])


# ---- faults ----------------------------------------------------------------------------------------------------------


class TooFew(Length):
    def judge(self, items: Items) -> list[Verdict]:
        return super().judge(items)[1:]


class NoVerdict(Length):
    def judge(self, items: Items) -> Any:
        return [float(len(item["answer"])) for item in items]


class NotFinite(Length):
    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict((float("inf") if not item["answer"] else 1.0,)) for item in items]


class Divides(Length):
    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict((1 / len(item["answer"]),)) for item in items]


class Silent(Length):
    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict() for _ in items]


class OnePlayer(Length):
    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict((1.0,)) for _ in items]


class Undecided(Length):
    """Each copy draws from the one generator of the process."""

    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict((random.random(),)) for _ in items]


class First(Length):
    """The first of the batch wins."""

    scope = "step"

    def judge(self, items: Items) -> list[Verdict]:
        return [Verdict((float(number == 0),)) for number, _ in enumerate(items)]


class Ranked(Rank):
    scope = "item"


class Scopeless(Length):
    scope = "batch"


class Edits(Length):
    def judge(self, items: Items) -> list[Verdict]:
        for item in items:
            item["seen"] = True  # type: ignore[index]  # that is the fault
        return super().judge(items)


class InsistsOnItems(Length):
    def judge(self, items: Items) -> list[Verdict]:
        longest = max(len(item["answer"]) for item in items)
        return [Verdict((float(longest > 0),)) for _ in items]


class SavesNothing(Novelty):
    def state_dict(self) -> dict[str, Any]:
        return {"heard": []}


class SavesASet(Novelty):
    def state_dict(self) -> dict[str, Any]:
        return {"heard": set(self.heard)}


class SavesATuple(Novelty):
    def state_dict(self) -> dict[str, Any]:
        return {"heard": tuple(self.heard)}


class ForgetsToLoad(Novelty):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.heard = []


FAULTS: list[tuple[Judge, str]] = [
    (TooFew(), "asked about 4 items and gave 3 verdicts"),
    (NoVerdict(), "instead of a Verdict"),
    (NotFinite(), "not all of it finite"),
    (Divides(), "ZeroDivisionError"),
    (Silent(), "the verdict is empty"),
    (Undecided(), "asked again about the same items it says otherwise"),
    (First(), r"in the order \[.*\] it says otherwise"),
    (Ranked(), "alone an item gets another verdict than among others"),
    (Scopeless(), "its scope is 'batch'"),
    (Edits(), "changes the items"),
    (InsistsOnItems(), r"ValueError\('max\(\)"),
    (Remembers(), "has no state_dict"),
    (SavesOnly(), "without its other half"),
    (SavesNothing(), "does not go on from its state_dict"),
    (SavesASet(), "is not JSON"),
    (SavesATuple(), "changes on the way through JSON"),
    (ForgetsToLoad(), "after load_state_dict its state is"),
]


@pytest.mark.parametrize(("judge", "message"), FAULTS, ids=[type(judge).__name__ for judge, _ in FAULTS])
def test_a_broken_judge_is_caught(judge: Judge, message: str) -> None:
    with pytest.raises(CheckFailed, match=message) as caught:
        check_judge(judge, [dict(item) for item in ITEMS], seed=4)
    assert str(caught.value).startswith(f"{type(judge).__name__}, seed 4: ")


def test_every_player_gets_a_value() -> None:
    with pytest.raises(CheckFailed, match="has 1 values for 2 players"):
        check_judge(OnePlayer(), [{"outcome": Outcome.of_returns((1, -1))}])


def test_what_the_check_needs_it_asks_for() -> None:
    with pytest.raises(CheckFailed, match="voice="):
        check_judge(Opinion(), ITEMS)
    with pytest.raises(CheckFailed, match="no items"):
        check_judge(Length(), [])
    locked = Length()
    locked.door = open(__file__)  # type: ignore[attr-defined]  # noqa: SIM115  # a file cannot be copied
    with pytest.raises(CheckFailed, match="cannot be copied"):
        check_judge(locked, ITEMS)
    locked.door.close()  # type: ignore[attr-defined]
