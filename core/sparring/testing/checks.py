"""Whether a game keeps its contract, and whether it is the game that it says it is.

Mistakes in a game hide inside rewards, so they are looked for here, before anything is trained. A failed check raises
`GameError` with the game, the seed and the moves that show it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from sparring.chance import Chance, SeededChance, key_of
from sparring.errors import GameError, SparringError
from sparring.game import Game, Move, Outcome, State, random_action
from sparring.testing.declared import check_declared
from sparring_contracts.outcomes import TOLERANCE, fault
from sparring_tree import Event, walk

T = TypeVar("T")
Write = Callable[[State, int, Chance], str]

_NONSENSE = "\u2603 is no move of any game"


def check_game(
    game: Game, *, episodes: int = 200, seed: int = 0, write: Write | None = None, limit: int = 10_000
) -> None:
    """Play ``episodes`` random legal episodes and check everything that the contract of `Game` and `State` promises.

    - The same seed gives the same episode, watched or not, and matches do not disturb each other.
    - Every listed action is accepted verbatim; nonsense, and in simultaneous games nonsense of one player, is refused
      with a reason and changes nothing.
    - Looking changes nothing and logs only grow.
    - Matches end within ``max_turns``, with returns within ``bounds`` that sum to what ``utility`` says.
    - A clone goes its own way, and a clone or a restored snapshot plays on like the original.
    - Who has been told the same and has made the same moves may make the same moves; with perfect information it also
      is in the same state.
    - If its tree is small: ``bounds`` are reached, what is declared hidden is, and a symmetric game is one. See
      `sparring.testing.declared.check_declared`, which has ``limit`` from here.

    Where moves are free text the state's ``sample_action`` makes them (see `FreeText`), or ``write(state, player, chance)``
    if it is given. Then it is also checked that a move is read as something that is itself read as the same move, and that
    whatever is refused is refused with a reason and changes nothing. Raises `GameError`.
    """
    seen: dict[Hashable, Hashable] = {}
    for number in range(episodes):
        episode = _Episode(game, seed, number, write or random_action, seen)
        try:
            episode.check()
        except SparringError:
            raise
        except Exception as error:  # noqa: BLE001  # a game may raise anything
            episode.fail(f"it raised {type(error).__name__}: {error}", error)
    check_declared(game, limit=limit)


@dataclass(frozen=True, slots=True)
class _View:
    """All that can be seen of a state."""

    to_act: tuple[int, ...]
    logs: tuple[tuple[str, ...], ...]
    legal: tuple[tuple[str, ...] | None, ...]  # of the players who move
    snapshot: str


class _Episode:
    """One random episode, checked as it is played."""

    def __init__(self, game: Game, seed: int, number: int, write: Write, seen: dict[Hashable, Hashable]) -> None:
        self.game, self.info, self.seed, self.number, self.write, self.seen = game, game.info, seed, number, write, seen
        self.moves: list[dict[int, str]] = []

    def check(self) -> None:
        players, trials = self._chance("players"), self._chance("trials")
        chance = self._chance("game")
        state = self.game.new_state(chance)
        view = self._view(state)
        fork = players.pick(
            range(self.info.max_turns)
        )  # the turn at which copies are made; not every episode gets there
        copies: list[tuple[str, State]] = []
        turns = 0
        while view.to_act:
            if len(self.moves) == fork:
                copies = self._copies(state, chance, view)
            self._same_knowledge(view)
            self._try_actions(state, view, trials)
            moves = {p: self.write(state, p, players) for p in view.to_act}
            turns += len(moves)
            self.require(turns <= self.info.max_turns, f"it has not ended after max_turns={self.info.max_turns} moves")
            self._apply(state, moves, "the match")
            self.moves.append(moves)
            for name, copy in copies:
                self._apply(copy, moves, name)
            after = self._view(state)
            for player, (old, new) in enumerate(zip(view.logs, after.logs, strict=True)):
                self.require(
                    new[: len(old)] == old, f"the log of player {player} lost or changed entries: {old} became {new}"
                )
            view = after
            for name, copy in copies:
                self.equal(self._view(copy), view, f"{name} differs from the original after the same moves")
        outcome = self._outcome(state)
        for name, copy in copies:
            self.equal(copy.outcome(), outcome, f"{name} ends differently after the same moves")
        self.equal(self._view(state), view, "asking for the outcome changed the state")
        self._again(view, outcome)

    # ---- what is checked ---------------------------------------------------------------------------------------------

    def _view(self, state: State) -> _View:
        """The state as seen; and that looking at it changes nothing."""
        first, second = self._look(state), self._look(state)
        self.equal(second, first, "looking at the state changed it")
        players = range(self.info.players)
        self.require(
            len(set(first.to_act)) == len(first.to_act) and set(first.to_act) <= set(players),
            f"to_act is {first.to_act}, which are not different players of {self.info.players}",
        )
        self.require(
            len(first.to_act) < 2 or self.info.simultaneous, f"players {first.to_act} move at once, undeclared"
        )
        for player, legal in zip(first.to_act, first.legal, strict=True):
            if legal is not None:
                self.require(len(legal) > 0, f"player {player} is to move and has no legal action")
                self.require(len(set(legal)) == len(legal), f"player {player} has an action twice: {legal}")
        return first

    def _look(self, state: State) -> _View:
        to_act = tuple(state.to_act())
        logs = tuple(tuple(state.observe(player)) for player in range(self.info.players))
        listed = (state.legal_actions(player) for player in to_act)
        legal = tuple(None if actions is None else tuple(actions) for actions in listed)
        snapshot = state.snapshot()
        try:
            json.loads(snapshot)
        except ValueError as error:
            self.fail(f"the snapshot is not JSON ({error}): {snapshot}")
        return _View(to_act, logs, legal, snapshot)

    def _try_actions(self, state: State, view: _View, chance: Chance) -> None:
        """Every listed action is accepted and nonsense refused. All on clones, which must leave the original alone."""
        usual = {
            p: self.write(state, p, chance) if legal is None else legal[0]
            for p, legal in zip(view.to_act, view.legal, strict=True)
        }
        for player, legal in zip(view.to_act, view.legal, strict=True):
            if legal is None:
                self._try_own_words(state, usual, player)
            for action in legal or ():
                self._apply(state.clone(), {**usual, player: action}, "a clone")
            for nonsense in (_NONSENSE, ""):
                refusing = state.clone()
                move = refusing.apply({**usual, player: nonsense}).get(player, Move(None))
                if move.legal:  # as free text may be
                    self.require(legal is None, f"player {player} may say {nonsense!r}, which is not listed")
                    continue
                self.require(bool(move.reason), f"player {player}'s illegal move is refused without a reason")
                self.equal(self._look(refusing), view, f"an illegal move of player {player} changed the state")
        self.equal(self._look(state), view, "writing moves, or making them on a clone, changed the original")

    def _try_own_words(self, state: State, moves: Mapping[int, str], player: int) -> None:
        """A move of free text is read as an action, which is read as the same action and leads to the same state."""
        first, second = state.clone(), state.clone()
        action = first.apply(moves)[player].action
        if action is None:
            return  # `_apply` reports it when the match gets there
        again = second.apply({**moves, player: action})[player]
        self.equal(again.action, action, f"what player {player}'s {moves[player]!r} is read as is read differently")
        self.equal(self._look(second), self._look(first), f"{action!r} and {moves[player]!r} of player {player} differ")

    def _apply(self, state: State, moves: Mapping[int, str], where: str) -> None:
        listed = {player: state.legal_actions(player) for player in moves}
        read: Mapping[int, Move] = state.apply(moves)
        self.require(set(read) == set(moves), f"apply answered for players {sorted(read)}, not {sorted(moves)}")
        for player, text in moves.items():
            move = read[player]
            self.require(move.legal, f"{where} refuses the legal move {text!r} of player {player}: {move.reason}")
            if listed[player] is not None:
                self.equal(move.action, text, f"{where} reads a listed action of player {player} as another")
        rewards = state.rewards()
        self.require(
            len(rewards) == self.info.players and all(map(math.isfinite, rewards)),
            f"rewards are {rewards}, not a number for each of {self.info.players} players",
        )

    def _copies(self, state: State, chance: Chance, view: _View) -> list[tuple[str, State]]:
        copies = [("a clone", state.clone()), ("a restored snapshot", self.game.restore(view.snapshot, chance.clone()))]
        for name, copy in copies:
            self.equal(self._view(copy), view, f"{name} differs from the original")
        return copies

    def _outcome(self, state: State) -> Outcome:
        outcome = state.outcome()
        self.equal(state.outcome(), outcome, "asked twice, the outcome differs")
        wrong = fault(self.info, outcome)
        self.require(not wrong, wrong)
        self.require("illegal" not in outcome.kinds, f"only legal moves were made, yet the outcome is {outcome}")
        return outcome

    def _same_knowledge(self, view: _View) -> None:
        for place, player in enumerate(view.to_act):
            own = tuple(moves[player] for moves in self.moves if player in moves)
            found = (view.legal[place], view.snapshot if self.info.perfect_information else "")
            known = self.seen.setdefault((player, view.logs[player], own), found)
            what = "legal actions or state" if self.info.perfect_information else "legal actions"
            self.equal(
                found, known, f"what player {player} was told is as in an earlier episode, yet the {what} differ"
            )

    def _again(self, view: _View, outcome: Outcome) -> None:
        """The same moves with the same seed, nobody looking."""
        state = self.game.new_state(self._chance("game"))
        for moves in self.moves:
            self._apply(state, moves, "a second match with the same seed")
        self.equal(self._view(state), view, "a second match with the same seed and moves differs")
        self.equal(state.outcome(), outcome, "a second match with the same seed and moves ends differently")

    # ---- how it is reported ------------------------------------------------------------------------------------------

    def _chance(self, use: str) -> SeededChance:
        return SeededChance("check_game", self.seed, self.number, use)

    def fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        moves = [f"{player} {text}" for moves in self.moves for player, text in moves.items()]
        raise GameError(
            f"{self.info.name}, seed {self.seed}, episode {self.number}: {what}; moves so far {moves}"
        ) from cause

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            self.fail(what)

    def equal(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            self.fail(f"{what}: {found} instead of {expected}")


# ---- beside OpenSpiel ------------------------------------------------------------------------------------------------


def check_twin(game: Game, *, limit: int = 1_000_000, playouts: int | None = None, seed: int = 0) -> None:
    """Compare the game with its twin in OpenSpiel, in every node of its tree or along ``playouts`` random episodes.

    Compared are who moves and when it ends, legal actions, probabilities of chance, and returns. And what a player is
    told: its log with its own moves must tell apart exactly the histories that the twin's information states do, so a
    game that tells too much fails as one that tells too little. (Of playouts, only between the histories they met.) A game
    with simultaneous moves has OpenSpiel's ``turn_based_simultaneous_game`` of its twin for a twin.

    ``limit``: the most nodes of a whole tree. Raises `GameError`.
    """
    import pyspiel

    twin = game.info.twin
    if twin is None:
        raise GameError(f"{game.info.name} declares no twin for these parameters")
    beside = _Beside(game, pyspiel.load_game(twin.game).new_initial_state())
    if playouts is None:
        for node in walk(game, limit=limit):
            beside.compare(node.history, node.state, node.player)
        beside.all_of_chance_seen()
    else:
        for number in range(playouts):
            for history, state, player in _playout(game, SeededChance("check_twin", seed, number)):
                beside.compare(history, state, player)


class _Recording:
    """Chance that remembers its draws as events of a history."""

    def __init__(self, chance: Chance, events: list[Event]) -> None:
        self._chance, self._events = chance, events

    def pick(self, options: Sequence[T], probabilities: Sequence[float] | None = None) -> T:
        number = self._chance.pick(range(len(options)), probabilities)
        probability = 1 / len(options) if probabilities is None else probabilities[number]
        self._events.append(Event(None, str(options[number]), probability))
        return options[number]

    def clone(self) -> Chance:
        return _Recording(self._chance.clone(), [])


def _playout(game: Game, chance: Chance) -> Iterator[tuple[tuple[Event, ...], State, int | None]]:
    """The nodes of one random episode: history, state, and who chooses, as `sparring_tree.walk` gives them."""
    history: list[Event] = []
    state = game.new_state(_Recording(chance, history))
    while players := state.to_act():
        chosen: dict[int, str] = {}
        for player in players:
            yield tuple(history), state, player
            chosen[player] = random_action(state, player, chance)
            history.append(Event(player, chosen[player]))
        state.apply(chosen)
    yield tuple(history), state, None


class _Beside:
    """Compares histories with a twin, one by one."""

    def __init__(self, game: Game, initial: Any) -> None:
        assert game.info.twin is not None
        self.name, self.twin, self.initial = game.info.name, game.info.twin, initial
        self.players = game.info.players
        # Both ways between (player, what it knows) and (player, information state); hashes, as a tree may be large.
        self.theirs: dict[int, str] = {}
        self.ours: dict[str, int] = {}
        self.chances: dict[str, tuple[int, set[int]]] = {}  # per node of chance: outcomes, and those met

    def compare(self, history: Sequence[Event], state: State, player: int | None) -> None:
        where = f"{self.name} after {[event.text for event in history]}"
        other = self._follow(history, where)
        if other.is_chance_node():
            raise GameError(f"{where}: {self.twin.game} draws by chance here and ours does not")
        if other.is_terminal() or player is None:
            if not other.is_terminal() or player is not None:
                raise GameError(f"{where}: only {'ours' if player is None else self.twin.game} has ended")
            returns = state.outcome().returns
            if any(abs(a - b) > TOLERANCE for a, b in zip(returns, other.returns(), strict=True)):
                raise GameError(f"{where}: returns {returns}, in {self.twin.game} {other.returns()}")
            return
        if player != other.current_player():
            raise GameError(f"{where}: player {player} moves, in {self.twin.game} player {other.current_player()}")
        actions = state.legal_actions(player) or []
        numbers = [self.twin.action(action, player) for action in actions]
        if sorted(numbers) != sorted(other.legal_actions()):
            raise GameError(f"{where}: legal are {actions}, in {self.twin.game} {other.legal_actions()}")
        own = [event.text for event in history if event.player == player]
        known = key_of(player, *state.observe(player), "own moves", *own)
        told = f"{player} {self._information(other, player)}"
        if self.theirs.setdefault(known, told) != told:
            raise GameError(
                f"{where}: player {player} is told too little to know that it is in information state {told!r}"
            )
        if self.ours.setdefault(told, known) != known:
            raise GameError(
                f"{where}: player {player} is told more than information state {told!r} of {self.twin.game}"
            )

    def _information(self, other: Any, player: int) -> str:
        """The player's information state; where nothing is hidden and OpenSpiel writes none, it is the whole history."""
        kind = other.get_game().get_type()
        if kind.provides_information_state_string:
            return str(other.information_state_string(player))
        if kind.information != kind.Information.PERFECT_INFORMATION:
            raise GameError(f"{self.twin.game} has no information states to compare with what players are told")
        return str(other.history())

    def _follow(self, history: Sequence[Event], where: str) -> Any:
        """The twin's state after the same history."""
        other = self.initial.clone()
        for event in history:
            number = self.twin.action(event.text, event.player)
            if other.is_chance_node() != (event.player is None):
                raise GameError(f"{where}: {event.text!r} is drawn by chance in only one of the two games")
            if event.player is None:
                outcomes = dict(other.chance_outcomes())
                if abs(outcomes.get(number, 0.0) - event.probability) > TOLERANCE:
                    raise GameError(
                        f"{where}: chance draws {event.text!r} with probability {event.probability:g}, "
                        f"in {self.twin.game} with {outcomes.get(number, 0.0):g}"
                    )
                self.chances.setdefault(str(other.history()), (len(outcomes), set()))[1].add(number)
            elif number not in other.legal_actions():
                raise GameError(f"{where}: {event.text!r} is action {number}, which is not legal in {self.twin.game}")
            other.apply_action(number)
        return other

    def all_of_chance_seen(self) -> None:
        for history, (outcomes, met) in self.chances.items():
            if len(met) < outcomes:
                raise GameError(
                    f"{self.name}: chance draws {len(met)} of {outcomes} outcomes after {history} of {self.twin.game}"
                )
