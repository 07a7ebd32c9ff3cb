"""The whole tree of a game: every branch of chance and every legal action.

The kit of checks, the command line and plugins share it. This is how a game is compared with its twin, how the prompts of an exact evaluation are enumerated, and how small
games are solved. It needs `legal_actions` to be lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sparring.chance import Chance
from sparring.errors import GameError
from sparring.game import Game, State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """One edge of the tree. ``player`` is None for chance; ``text`` is the action, or the drawn option as text."""

    player: int | None
    text: str
    probability: float = 1.0  # of the drawn option; 1 for an action


class TreeTooLargeError(GameError):
    """The tree has more nodes than were wanted."""


class _NeedsBranch(Exception):  # noqa: N818  # control flow, not an error
    def __init__(self, options: Sequence[object], probabilities: Sequence[float] | None) -> None:
        self.options, self._probabilities = options, probabilities

    def probability(self, number: int) -> float:
        return 1 / len(self.options) if self._probabilities is None else self._probabilities[number]


class _Scripted:
    """Chance that gives the scripted draws (option numbers) in turn, and asks for a branch when they run out."""

    def __init__(self, script: Sequence[int]) -> None:
        self._script, self._at = script, 0

    def pick(self, options: Sequence[T], probabilities: Sequence[float] | None = None) -> T:
        if self._at == len(self._script):
            raise _NeedsBranch(options, probabilities)
        self._at += 1
        return options[self._script[self._at - 1]]

    def clone(self) -> Chance:
        other = _Scripted(self._script)
        other._at = self._at
        return other


@dataclass(frozen=True, slots=True)
class Node:
    """A history and the state it leads to.

    The state is for looking at: a move that lets it draw another chance event has nobody to draw it. Where several move at
    once, they choose one after another in the order of ``to_act`` and none knows of the choices before: the state is then
    the one before all of them.
    """

    history: tuple[Event, ...]
    state: State
    probability: float  # of the chance events in the history
    player: int | None  # who chooses here; None at the leaves

    @property
    def terminal(self) -> bool:
        return self.player is None


def walk(game: Game, *, limit: int = 1_000_000) -> Iterator[Node]:
    """Every node of the game's tree, parents before children.

    A state is rebuilt by playing its history again, so any deterministic game can be walked, however it keeps chance.
    Raises `TreeTooLargeError` beyond ``limit`` nodes, and `GameError` if the game takes free text.
    """
    seen = 0
    stack: list[tuple[tuple[Event, ...], tuple[int, ...], float]] = [((), (), 1.0)]
    while stack:
        history, draws, probability = stack.pop()
        try:
            state, player = _replay(game, history, draws)
        except _NeedsBranch as branch:
            if len(branch.options) > limit:  # a seed, for example
                raise _too_large(game, limit) from None
            for number in reversed(range(len(branch.options))):
                p = branch.probability(number)
                if p > 0:
                    event = Event(None, str(branch.options[number]), p)
                    stack.append(((*history, event), (*draws, number), probability * p))
            continue
        seen += 1
        if seen > limit:
            raise _too_large(game, limit)
        yield Node(history, state, probability, player)
        if player is None:
            continue
        actions = state.legal_actions(player)
        if actions is None:
            raise GameError(f"{game.info.name} takes free text; its tree has no finite list of moves")
        stack.extend(((*history, Event(player, action)), draws, probability) for action in reversed(actions))


def _too_large(game: Game, limit: int) -> TreeTooLargeError:
    return TreeTooLargeError(
        f"the tree of {game.info.name} has more than {limit} nodes; raise limit or use smaller parameters"
    )


def _replay(game: Game, history: Sequence[Event], draws: Sequence[int]) -> tuple[State, int | None]:
    """The state after a history, and who chooses next."""
    state = game.new_state(_Scripted(draws))
    chosen: dict[int, str] = {}  # by those who move at once, until all have
    for event in history:
        if event.player is None:
            continue
        chosen[event.player] = event.text
        if len(chosen) < len(state.to_act()):
            continue
        for player, move in state.apply(chosen).items():
            if not move.legal:
                raise GameError(
                    f"{game.info.name} lists {chosen[player]!r} as legal for player {player} but refuses it: "
                    f"{move.reason}; history {[e.text for e in history]}"
                )
        chosen = {}
    return state, next((player for player in state.to_act() if player not in chosen), None)
