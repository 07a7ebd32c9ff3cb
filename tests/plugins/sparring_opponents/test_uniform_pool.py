"""The pool over a long run, by itself: what it keeps, whom it asks for, and what a resume gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sparring import SeededChance
from sparring_opponents.uniform_pool import UniformPool, UniformPoolParams

ROLES = ["player_0", "player_1", "player_2"]
STEPS, SIZE, EVERY = 120, 4, 3
SETTINGS: list[dict[str, Any]] = [{}, {"include_current": False}, {"seat": "first"}, {"seat": "last"}]

Assignment = dict[str, int | None]


def steps(pool: UniformPool, first: int = 1) -> Iterator[tuple[int, list[int], list[Assignment]]]:
    """What a run asks of the pool: assignments for each step's episodes, then that the step has ended."""
    for step in range(first, STEPS + 1):
        members = pool.members("main")
        yield step, members, [pool.assign("main", ROLES, step - 1, SeededChance("run", step, n)) for n in range(8)]
        pool.step_ended("main", step)


def made(**more: Any) -> UniformPool:
    return UniformPool(UniformPoolParams(size=SIZE, every=EVERY, **more))


@pytest.mark.parametrize("more", SETTINGS, ids=str)
def test_the_oldest_leaves_first_and_is_never_asked_for_again(more: dict[str, Any]) -> None:
    asked: dict[int, set[int]] = {}
    for step, members, assignments in steps(made(**more)):
        assert members == [version for version in range(1, step) if version % EVERY == 0][-SIZE:]
        for assigned in assignments:
            assert list(assigned) == ROLES
            opponents = {version for version in assigned.values() if version is not None}
            assert opponents <= set(members)
            assert len(opponents) <= 1
            # One seat learns; all of them do against the policy as it is now.
            assert list(assigned.values()).count(None) == (1 if opponents else len(ROLES))
            assert opponents or not members or more.get("include_current", True)
            for version in opponents:
                asked.setdefault(version, set()).add(step)
    # Each is asked for while it is kept: from when it was added to when SIZE others have come.
    settled = range(EVERY, STEPS - SIZE * EVERY, EVERY)
    assert asked.keys() >= set(settled)
    assert all(version < min(at) and max(at) <= version + SIZE * EVERY for version, at in asked.items())


@pytest.mark.parametrize("seat", ["first", "last"])
def test_a_fixed_seat_learns_in_every_episode(seat: str) -> None:
    mine = ROLES[0] if seat == "first" else ROLES[-1]
    assert all(a[mine] is None for _, _, assignments in steps(made(seat=seat)) for a in assignments)


@pytest.mark.parametrize("more", SETTINGS, ids=str)
@pytest.mark.parametrize("at", [1, EVERY, SIZE * EVERY, STEPS // 2])
def test_a_restored_pool_goes_on_with_the_same_assignments(at: int, more: dict[str, Any]) -> None:
    whole = made(**more)
    run = steps(whole)
    for _ in range(at):
        next(run)
    after = [next(run)]  # the step that ended before the next one is asked for is part of the state
    state = json.loads(json.dumps(whole.state_dict()))
    restored = made(**more)
    restored.load_state_dict(state)
    assert list(steps(restored, first=at + 1)) == [*after, *run]
