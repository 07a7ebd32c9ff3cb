"""Every pair of versions meets on the same starts; shares and intervals by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from sparring import Completion, Episode, Request, RoleSpec, Sampling, SparringError, Table
from sparring.entry import Entry
from sparring.evaluation import Evaluation
from sparring.examples import MessageChat
from sparring.play import Hall, Held
from sparring_evaluators.cross_play import CrossPlay, CrossPlayParams, matrix, share

STRENGTH = {"main@0": 1, "main@10": 2, "main": 3, "other": 0}


class Named:
    """A generator that says who it is."""

    def __init__(self, chat: MessageChat) -> None:
        self.chat, self.contexts = chat, []  # type: ignore[var-annotated]

    def room(self, requests: Sequence[object]) -> int:
        return len(requests)

    def release(self) -> None:
        pass

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.contexts += [(r.policy, self.chat.messages[r.context[-1]][1]) for r in requests]
        return [Completion(self.chat.answer(r.policy), [0.0], "stop") for r in requests]


class Contest:
    """The stronger version wins; in every second match of the first role there is no result."""

    def roles(self, game: object) -> list[RoleSpec]:
        return [RoleSpec("hunter"), RoleSpec("hare")]

    async def play(self, table: Table) -> None:
        drawn = table.chance.pick(range(1000))
        said = {}
        for role in ("hunter", "hare"):
            conversation = table.conversation(role)
            conversation.say(f"{role} {drawn}")
            said[role] = (await table.act(role, conversation))[0].public
        table.note(drawn=drawn)
        if drawn % 2:
            table.note(won=STRENGTH[said["hunter"]] > STRENGTH[said["hare"]])


class Kept:
    """A pool of versions 0 and 10."""

    def held(self, policy: str, version: int) -> Held:
        assert (policy, version) in (("main", 0), ("main", 10))
        return Held(f"{policy}@{version}", version)


def evaluate(step: int, hare: str = "main", **params: Any) -> tuple[dict[str, float], Named]:
    chat = MessageChat()
    generator = Named(chat)
    hall = Hall(generator, {"main": chat, "other": chat}, "main")  # type: ignore[arg-type, dict-item]  # both speak the protocols' methods
    roles = {"hunter": Held("main", trained=True), "hare": Held(hare, trained=hare == "main")}
    nothing: Any = SimpleNamespace()
    entry = Entry(0, "hunt", None, Contest(), roles, {}, nothing, nothing, nothing, Sampling(), nothing, 1.0, 1)
    pool: Any = Kept()
    run = Evaluation(step, 0, hall, ["main"], [entry], pool)
    given: dict[str, Any] = {"entry": "hunt", "roles": ("hunter", "hare"), "facts": ["won"], "episodes": 30, **params}
    return dict(CrossPlay(CrossPlayParams(**given)).evaluate(run)), generator


def test_every_pair_of_versions_meets() -> None:
    found, generator = evaluate(20, versions=[0, 10, "latest"])
    means = {tuple(name.split("/")[4:6]): value for name, value in found.items() if name.endswith("/mean")}
    order = ["0", "10", "latest"]
    assert means == {(f"hunter_{a}", f"hare_{b}"): float(order.index(a) > order.index(b)) for a in order for b in order}
    assert len(generator.contexts) == 9 * 30 * 2


def test_pairs_meet_on_the_same_starts() -> None:
    _, generator = evaluate(20)
    by_policy: dict[str, list[str]] = {}
    for policy, told in generator.contexts:
        if told.startswith("hunter"):
            by_policy.setdefault(policy, []).append(told)
    old, new = by_policy["main@0"], by_policy["main"]
    assert old[:30] == old[30:] == new[:30] == new[30:]
    assert len(set(old)) > 20


def test_before_training_nothing_is_played_twice() -> None:
    found, generator = evaluate(0, versions=[0, "latest"])
    assert len(generator.contexts) == 30 * 2
    assert {name.split("/")[4] for name in found} == {"hunter_0", "hunter_latest"}


def test_a_version_that_is_still_to_come_is_left_out() -> None:
    found, _ = evaluate(5, versions=[0, 10, "latest"])
    assert {name.split("/")[4] for name in found} == {"hunter_0", "hunter_latest"}


def test_a_role_that_is_not_trained_is_held_as_in_the_recipe() -> None:
    found, _ = evaluate(20, hare="other")
    means = {tuple(name.split("/")[4:6]): value for name, value in found.items() if name.endswith("/mean")}
    assert means == {("hunter_0", "hare"): 1.0, ("hunter_latest", "hare"): 1.0}


def test_it_asks_for_the_versions_it_needs() -> None:
    params = CrossPlayParams(entry="a", roles=("b", "c"), facts=["d"], versions=[0, "latest", 40])
    assert CrossPlay(params).members() == [0, 40]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"entry": "chase"},
            r"no entry 'chase' with a role 'hunter' \(entries and their roles: .*'hunt': \['hunter', 'hare'\]",
        ),
        ({"roles": ("hunter", "hound")}, "no entry 'hunt' with a role 'hound'"),
        ({"facts": ["drawn"]}, "'drawn' is [0-9]+"),
    ],
)
def test_mistakes_are_told(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SparringError, match=message):
        evaluate(20, **change)


def test_contradictory_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="names 'a' twice"):
        CrossPlayParams(entry="e", roles=("a", "a"), facts=["f"])
    with pytest.raises(ValidationError, match="names one twice"):
        CrossPlayParams(entry="e", roles=("a", "b"), facts=["f"], versions=[0, 0])


# ---- numbers ---------------------------------------------------------------------------------------------------------


def noted(*values: object) -> list[Episode]:
    return [Episode(i, 0, 0, "g", [], [], {} if v is None else {"won": v}) for i, v in enumerate(values)]


def test_share_and_interval_by_hand() -> None:
    found = share(noted(True, None, True, False, None, True), "won")
    z, p, n = 1.959964, 0.75, 4
    assert found["mean"] == p
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    assert (found["low"], found["high"]) == pytest.approx((centre - half, centre + half))


def test_certain_outcomes_stay_within_zero_and_one_and_no_outcome_is_no_number() -> None:
    assert share(noted(*[True] * 8), "won")["high"] == 1.0
    assert share(noted(*[False] * 8), "won")["low"] == 0.0
    assert share(noted(None, None), "won") == {}


def test_the_matrix_as_text() -> None:
    found, _ = evaluate(20)
    shown = matrix(found, "hunt", "won").splitlines()
    assert shown[0].split() == ["won", "hare_0", "hare_latest"]
    assert shown[1].startswith("hunter_0       0.0 [0.0, ")
    assert shown[2].startswith("hunter_latest  100.0 [")
    with pytest.raises(SparringError, match="no cross-play of 'hunt' with the fact 'lost'"):
        matrix(found, "hunt", "lost")
