"""Whether what a component remembers is in its checkpoint: a run that is resumed must go on as if it never stopped."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sparring.interfaces import Stateful
from sparring.testing.report import Reporter, shown

C = TypeVar("C")


def copied(component: C, report: Reporter) -> C:
    """A copy that goes its own way."""
    try:
        return copy.deepcopy(component)
    except Exception as error:  # whatever a stranger's attributes raise
        report.fail(f"cannot be copied by copy.deepcopy, which this check needs: {error!r}", error)
        raise


def check_memory(component: C, use: Callable[[C, Any], object], inputs: Sequence[Any], report: Reporter) -> None:
    """Use copies of ``component`` on ``inputs`` one after another, with and without a checkpoint before the last.

    Without `state_dict` nothing may be remembered from one input to the next; with it, all that is remembered must be
    there, as JSON, and come back in a new component.
    """
    *before, last = inputs
    used = copied(component, report)
    for given in before:
        use(used, given)
    fresh = copied(component, report)
    halves = [name for name in ("state_dict", "load_state_dict") if hasattr(component, name)]
    report.require(
        len(halves) != 1, f"has {halves} without its other half, so it is not checkpointed; write both or neither"
    )
    if not isinstance(used, Stateful) or not isinstance(fresh, Stateful):
        then, alone = use(used, last), use(fresh, last)
        report.require(
            then == alone,
            f"remembers earlier steps, but has no state_dict and load_state_dict, so a resumed run would differ: "
            f"{shown(then)} instead of {shown(alone)}",
        )
        return
    state = used.state_dict()
    try:
        read = json.loads(json.dumps(state))
    except (TypeError, ValueError) as error:
        report.fail(f"its state_dict() is not JSON ({error}): {shown(state)}", error)
    report.require(
        read == state, f"its state_dict() changes on the way through JSON: {shown(state)} becomes {shown(read)}"
    )
    fresh.load_state_dict(read)
    again = fresh.state_dict()
    report.require(again == state, f"after load_state_dict its state is {shown(again)} instead of {shown(state)}")
    then, resumed = use(used, last), use(fresh, last)
    report.require(
        then == resumed,
        f"does not go on from its state_dict as it went on without: {shown(resumed)} instead of {shown(then)}",
    )
