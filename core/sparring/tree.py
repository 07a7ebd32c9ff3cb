"""The whole tree of a game: every branch of chance and every legal action.

This is how a game is compared with its twin, how the prompts of an exact evaluation are enumerated, and how small
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


class _NeedsBranch(Exception):  # noqa: N818  # control flow, not an error
    def __init__(self, options: Sequence[object], probabilities: Sequence[float]) -> None:
        self.options, self.probabilities = options, probabilities


class _Scripted:
    """Chance that gives the scripted draws (option numbers) in turn, and asks for a branch when they run out."""

    def __init__(self, script: Sequence[int]) -> None:
        self._script, self._at = script, 0

    def pick(self, options: Sequence[T], probabilities: Sequence[float] | None = None) -> T:
        if self._at == len(self._script):
            raise _NeedsBranch(options, [1 / len(options)] * len(options) if probabilities is None else probabilities)
        self._at += 1
        return options[self._script[self._at - 1]]

    def clone(self) -> Chance:
        other = _Scripted(self._script)
        other._at = self._at
        return other


@dataclass(frozen=True, slots=True)
class Node:
    """A history and the state it leads to. ``state.to_act()`` is empty at the leaves.

    The state is for looking at: a move that lets it draw another chance event has nobody to draw it.
    """

    history: tuple[Event, ...]
    state: State
    probability: float  # of the chance events in the history

    @property
    def terminal(self) -> bool:
        return not self.state.to_act()


def walk(game: Game, *, limit: int = 1_000_000) -> Iterator[Node]:
    """Every node of the game's tree, parents before children.

    A state is rebuilt by playing its history again, so any deterministic game can be walked, however it keeps chance.
    Raises `GameError` beyond ``limit`` nodes, or if the game is simultaneous or takes free text.
    """
    seen = 0
    stack: list[tuple[tuple[Event, ...], tuple[int, ...], float]] = [((), (), 1.0)]
    while stack:
        history, draws, probability = stack.pop()
        try:
            state = _replay(game, history, draws)
        except _NeedsBranch as branch:
            for number in reversed(range(len(branch.options))):
                p = branch.probabilities[number]
                if p > 0:
                    event = Event(None, str(branch.options[number]), p)
                    stack.append(((*history, event), (*draws, number), probability * p))
            continue
        seen += 1
        if seen > limit:
            raise GameError(
                f"the tree of {game.info.name} has more than {limit} nodes; raise limit or use smaller parameters"
            )
        yield Node(history, state, probability)
        players = state.to_act()
        if not players:
            continue
        if len(players) > 1:
            raise GameError(f"{game.info.name} has simultaneous moves; its tree cannot be walked move by move")
        actions = state.legal_actions(players[0])
        if actions is None:
            raise GameError(f"{game.info.name} takes free text; its tree has no finite list of moves")
        stack.extend(((*history, Event(players[0], a)), draws, probability) for a in reversed(actions))


def _replay(game: Game, history: Sequence[Event], draws: Sequence[int]) -> State:
    state = game.new_state(_Scripted(draws))
    for event in history:
        if event.player is not None:
            move = state.apply({event.player: event.text})[event.player]
            if not move.legal:
                raise GameError(
                    f"{game.info.name} lists {event.text!r} as legal for player {event.player} but refuses it: "
                    f"{move.reason}; history {[e.text for e in history]}"
                )
    return state
