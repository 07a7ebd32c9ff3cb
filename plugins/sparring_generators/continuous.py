"""What continuous generators share."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

from sparring import Completion, Request
from sparring.interfaces import Continuous


def to_the_end(
    generator: Continuous, requests: Sequence[Request], others: MutableMapping[int, Completion]
) -> list[Completion]:
    """Write these to their end, whatever else is being written; what else ends goes to ``others``."""
    mine = generator.admit(requests)
    left, done = set(mine), dict[int, Completion]()
    while left:
        ended = generator.advance()
        left -= ended.keys()
        done |= ended
    found = [done.pop(number) for number in mine]
    others.update(done)
    return found
