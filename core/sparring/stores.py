"""What outlives a step: lists of JSON values by name, that schemes read and add to.

Reads see what was committed when the step began; additions are committed when it ends, in episode order. So what an
episode reads does not depend on which others happened to be faster, and a resumed run reads the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from sparring.errors import SparringError
from sparring.interfaces import Json


class Stores:
    """All stores of a run."""

    def __init__(self) -> None:
        self._items: dict[str, deque[Json]] = {}

    def open(self, name: str, capacity: int | None) -> Sequence[Json]:
        """The committed items of a store, oldest first; a full one forgets the oldest. Raises `SparringError`."""
        found = self._items.get(name)
        if found is None:
            found = self._items[name] = deque(maxlen=capacity)
        elif found.maxlen != capacity:
            raise SparringError(
                f"store {name!r} is opened with capacity {capacity}, but it already has capacity {found.maxlen}"
            )
        return found

    def commit(self, additions: Iterable[tuple[str, Json]]) -> None:
        for name, value in additions:
            self._items[name].append(value)

    def state_dict(self) -> dict[str, Json]:
        return {name: {"capacity": items.maxlen, "items": list(items)} for name, items in self._items.items()}

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        self._items = {name: deque(held["items"], maxlen=held["capacity"]) for name, held in state.items()}


class EpisodeStore:
    """A store as one episode sees it."""

    def __init__(self, name: str, items: Sequence[Json], additions: list[tuple[str, Json]]) -> None:
        self._name, self._items, self._additions = name, items, additions

    def items(self) -> Sequence[Json]:
        """What was committed when the step began, oldest first."""
        return self._items

    def add(self, value: Json) -> None:
        """Commit ``value`` when the step ends; if the episode fails, it is dropped."""
        self._additions.append((self._name, value))
