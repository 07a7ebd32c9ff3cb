"""Games: pure, synchronous, deterministic rules, shaped like OpenSpiel and PettingZoo's AEC.

A `Game` is immutable; a `State` is one match in progress. Moves are text: the game reads them, so a game owns its
parser and a scheme owns what surrounds a move (reasoning, boxes, tags). Anything random is ``chance.pick``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, Protocol, cast, runtime_checkable

from sparring.chance import Chance
from sparring.errors import GameError

Kind = Literal["win", "loss", "draw", "illegal", "truncated", "aborted"]


@dataclass(frozen=True, slots=True)
class Twin:
    """The same game in OpenSpiel: its game string, and its action number for each of our action or chance texts.

    A key is looked up as ``"player text"`` first (where one text is two actions), then as ``"text"``.
    """

    game: str
    actions: Mapping[str, int]

    def action(self, text: str, player: int | None = None) -> int:
        return self.actions.get(f"{player} {text}", self.actions.get(text, -1))


@dataclass(frozen=True, slots=True)
class GameInfo:
    """Facts about a game that never change. Everything that needs to know them reads them here."""

    name: str
    roles: tuple[str, ...]  # one per player, in player order
    utility: Literal["zero", "constant", "general", "identical"]  # what the players' returns sum to
    bounds: tuple[float, float]  # lowest and highest return of one player
    max_turns: int  # moves of all players together
    simultaneous: bool = False
    perfect_information: bool = False
    symmetric: bool = False  # swapping the players changes nothing but their names
    total: float = 0.0  # what returns sum to, if `utility` is "constant"
    twin: Twin | None = None
    slow: bool = False  # `new_state` and `apply` take long, as over a network; those of several matches may run at once, in threads

    @property
    def players(self) -> int:
        return len(self.roles)


@dataclass(frozen=True, slots=True)
class Move:
    """What became of a player's text: the action it was read as, or why it is illegal."""

    action: str | None
    reason: str = ""

    @property
    def legal(self) -> bool:
        return self.action is not None


def _kind(value: float) -> Kind:
    return "win" if value > 0 else "loss" if value < 0 else "draw"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a match ended, per player. Judges make rewards of it; a single number would not do.

    ``returns`` are the game's own pay-offs. ``offender`` is who made the illegal move, if one ended the match.
    """

    returns: tuple[float, ...]
    kinds: tuple[Kind, ...]
    offender: int | None = None
    reason: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_returns(cls, returns: Sequence[float], reason: str = "") -> Outcome:
        """Win, loss and draw by the sign of each return."""
        return cls(tuple(map(float, returns)), tuple(map(_kind, returns)), reason=reason)

    @classmethod
    def forfeit(cls, info: GameInfo, offender: int, reason: str) -> Outcome:
        """The offender pays the game's worst return; in a zero-sum game the others share it, else they get nothing."""
        worst = min(info.bounds[0], 0.0)
        others = -worst / (info.players - 1) if info.utility == "zero" and info.players > 1 else 0.0
        returns = tuple(worst if p == offender else others for p in range(info.players))
        kinds: tuple[Kind, ...] = tuple("illegal" if p == offender else "win" for p in range(info.players))
        return cls(returns, kinds, offender, reason)

    @classmethod
    def truncated(cls, info: GameInfo, reason: str) -> Outcome:
        """Nobody gets anything: the match was cut off."""
        kinds: tuple[Kind, ...] = tuple("truncated" for _ in info.roles)
        return cls((0.0,) * info.players, kinds, reason=reason)


class State(Protocol):
    """One match in progress."""

    @property
    def info(self) -> GameInfo: ...

    def to_act(self) -> tuple[int, ...]:
        """The players who move now; several if at once; ``()`` when the match is over."""
        ...

    def observe(self, player: int) -> list[str]:
        """The player's whole append-only log, one text per event, its rules first. Looking changes nothing.

        It holds what the player is told, never its own moves: those it made itself and has.
        """
        ...

    def legal_actions(self, player: int) -> list[str] | None:
        """Texts that `apply` accepts verbatim, or None where moves are free text: see `FreeText`."""
        ...

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        """Move all of `to_act` at once. If any move is illegal nothing changes, and the result says which and why."""
        ...

    def rewards(self) -> list[float]:
        """Per player, since the last `apply`; zeros in most games."""
        ...

    def outcome(self) -> Outcome:
        """How it ended. Asked only when `to_act` is empty."""
        ...

    def clone(self) -> State: ...

    def snapshot(self) -> str:
        """Everything needed to restore this state, as JSON."""
        ...


class Game(Protocol):
    """Rules. One object serves any number of matches."""

    @property
    def info(self) -> GameInfo: ...

    def new_state(self, chance: Chance) -> State: ...

    def restore(self, snapshot: str, chance: Chance) -> State:
        """The state a `State.snapshot` came from; events still to come are drawn from ``chance``."""
        ...


@runtime_checkable
class FreeText(Protocol):
    """What a `State` has as well if some moves of its game are free text, so that the game can be played at random.

    Random players, the transcripts that a model is warmed up on and the checks of `sparring.testing` need it.
    """

    def sample_action(self, player: int, chance: Chance) -> str:
        """Some legal move of a player who moves now, where `State.legal_actions` is None. It changes nothing."""
        ...


@cache
def _samples(kind: type) -> bool:
    """Whether states of this kind are `FreeText`; asking a protocol takes longer than most games take for a move."""
    return issubclass(kind, FreeText)


def random_action(state: State, player: int, chance: Chance) -> str:
    """A random legal move: each listed one equally likely, or where moves are free text what the state samples.

    Raises `GameError` if the game has neither.
    """
    actions = state.legal_actions(player)
    if actions:
        return chance.pick(actions)
    if actions is None and _samples(type(state)):
        return cast(FreeText, state).sample_action(player, chance)
    raise GameError(
        f"{state.info.name} lists no legal actions for player {player} and samples none, so it cannot be played at random; "
        "give its states a sample_action(player, chance)"
    )
