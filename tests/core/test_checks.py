"""The checks for authors of games: a sound toy passes, and each way of breaking it is caught."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sparring import Chance, GameError, GameInfo, Move, Outcome, SeededChance, State, Twin
from sparring.testing import check_game, check_twin


class Toy:
    """Two players each get a secret card 1 or 2 and in turn say high or low; then a coin decides who wins.

    Made to be broken: tests replace methods of its state by wrong ones.
    """

    def __init__(self, **info: Any) -> None:
        facts = GameInfo("toy", ("a", "b"), "zero", (-1.0, 1.0), 2)
        self.info = replace(facts, **info)
        self.kept: list[ToyState] = []  # for a fault that leaks between matches

    def new_state(self, chance: Chance) -> ToyState:
        state = self.make_state(chance)
        state.cards = [chance.pick([1, 2]), chance.pick([1, 2])]
        state.logs = [[f"card {card}"] for card in state.cards]
        self.kept.append(state)
        return state

    def restore(self, snapshot: str, chance: Chance) -> ToyState:
        state = self.make_state(chance)
        state.said, state.cards, state.logs, state.coin = json.loads(snapshot)
        return state

    def make_state(self, chance: Chance) -> ToyState:
        return ToyState(self, chance)


class ToyState:
    def __init__(self, game: Toy, chance: Chance) -> None:
        self.game, self.chance = game, chance
        self.said: list[str] = []
        self.cards: list[int] = []
        self.logs: list[list[str]] = []
        self.coin = 0

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return (len(self.said),) if len(self.said) < 2 else ()

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def legal_actions(self, player: int) -> list[str] | None:
        return ["high", "low"]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        ((player, text),) = moves.items()
        if text not in ("high", "low"):
            return {player: Move(None, "say high or low")}
        self.said.append(text)
        self.logs[1 - player].append(f"the other says {text}")
        self.coin = self.chance.pick([-1, 1])
        return {player: Move(text)}

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        return Outcome.of_returns((self.coin, -self.coin))

    def clone(self) -> State:
        other = self.game.make_state(self.chance.clone())
        other.said, other.cards, other.coin = list(self.said), list(self.cards), self.coin
        other.logs = [list(log) for log in self.logs]
        return other

    def snapshot(self) -> str:
        return json.dumps([self.said, self.cards, self.logs, self.coin])


def test_a_sound_game_passes() -> None:
    check_game(Toy())


# ---- faults, each the replacement of one method ----------------------------------------------------------------------


def draws_while_looked_at(self: ToyState, player: int) -> list[str]:
    self.coin = self.chance.pick(range(1000))
    return list(self.logs[player])


def forgets_its_log(self: ToyState, player: int) -> list[str]:
    return self.logs[player][-1:]


def rewrites_its_log(self: ToyState, player: int) -> list[str]:
    return [f"{len(self.said)} moves so far", *self.logs[player]]


def lists_too_much(self: ToyState, player: int) -> list[str]:
    return ["high", "low", "middle"]


def lists_twice(self: ToyState, player: int) -> list[str]:
    return ["high", "high"]


def lists_nothing(self: ToyState, player: int) -> list[str]:
    return []


def lists_by_hidden_card(self: ToyState, player: int) -> list[str]:
    return ["high", "low"] if self.cards[1 - player] == 1 else ["low", "high"]


def takes_anything(self: ToyState, moves: Mapping[int, str]) -> dict[int, Move]:
    read: dict[int, Move] = sound["apply"](self, {p: "high" if "no move" in t else t for p, t in moves.items()})
    return read


def gives_no_reason(self: ToyState, moves: Mapping[int, str]) -> dict[int, Move]:
    return {p: m if m.legal else Move(None) for p, m in sound["apply"](self, moves).items()}


def punishes_nonsense(self: ToyState, moves: Mapping[int, str]) -> dict[int, Move]:
    read: dict[int, Move] = sound["apply"](self, moves)
    if not all(move.legal for move in read.values()):
        self.logs[0].append("someone spoke nonsense")
    return read


def misreads(self: ToyState, moves: Mapping[int, str]) -> dict[int, Move]:
    return {p: Move("low") if m.legal else m for p, m in sound["apply"](self, moves).items()}


def answers_for_another(self: ToyState, moves: Mapping[int, str]) -> dict[int, Move]:
    return {1 - p: m for p, m in sound["apply"](self, moves).items()}


def never_ends(self: ToyState) -> tuple[int, ...]:
    return (len(self.said) % 2,)


def moves_nobody(self: ToyState) -> tuple[int, ...]:
    return (len(self.said) + 5,) if len(self.said) < 2 else ()


def moves_both(self: ToyState) -> tuple[int, ...]:
    return (0, 1) if not self.said else ()


def pays_too_much(self: ToyState) -> Outcome:
    return Outcome.of_returns((2, -2))


def pays_out_of_nothing(self: ToyState) -> Outcome:
    return Outcome.of_returns((1, 0))


def pays_three(self: ToyState) -> Outcome:
    return Outcome.of_returns((0, 0, 0))


def ends_illegally(self: ToyState) -> Outcome:
    return Outcome.forfeit(self.game.info, 0, "no reason")


def ends_by_chance(self: ToyState) -> Outcome:
    value = self.chance.pick([-1, 1])
    return Outcome.of_returns((value, -value))


def rewards_nobody(self: ToyState) -> list[float]:
    return []


def clones_itself(self: ToyState) -> State:
    return self


def shares_logs(self: ToyState) -> State:
    other = sound["clone"](self)
    other.logs = self.logs
    return other  # type: ignore[no-any-return]


def shares_chance(self: ToyState) -> State:
    other = sound["clone"](self)
    other.chance = self.chance
    return other  # type: ignore[no-any-return]


def snapshot_forgets_moves(self: ToyState) -> str:
    return json.dumps([[], self.cards, self.logs, self.coin])


def snapshot_is_no_json(self: ToyState) -> str:
    return repr((self.said, self.cards))


sound: dict[str, Callable[..., Any]] = {name: getattr(ToyState, name) for name in ("apply", "clone")}

FAULTS: list[tuple[str, Callable[..., Any], str]] = [
    ("observe", draws_while_looked_at, "looking at the state changed it"),
    ("observe", forgets_its_log, "lost or changed entries"),
    ("observe", rewrites_its_log, "lost or changed entries"),
    ("legal_actions", lists_too_much, "refuses the legal move 'middle'"),
    ("legal_actions", lists_twice, "has an action twice"),
    ("legal_actions", lists_nothing, "has no legal action"),
    ("legal_actions", lists_by_hidden_card, "as in an earlier episode, yet the legal actions differ"),
    ("apply", takes_anything, "which is not listed"),
    ("apply", gives_no_reason, "without a reason"),
    ("apply", punishes_nonsense, "an illegal move of player . changed the state"),
    ("apply", misreads, "reads a listed action of player . as another"),
    ("apply", answers_for_another, "apply answered for players"),
    ("to_act", never_ends, "not ended after max_turns=2"),
    ("to_act", moves_nobody, "not different players"),
    ("to_act", moves_both, "at once, undeclared"),
    ("outcome", pays_too_much, "not within bounds"),
    ("outcome", pays_out_of_nothing, "do not sum to 0"),
    ("outcome", pays_three, "not of 2 players"),
    ("outcome", ends_illegally, "only legal moves"),
    ("outcome", ends_by_chance, "outcome differs"),
    ("rewards", rewards_nobody, "rewards are"),
    ("clone", clones_itself, "changed the"),
    ("clone", shares_logs, "changed the"),
    ("clone", shares_chance, "differs"),
    ("snapshot", snapshot_forgets_moves, "restored snapshot differs from the original"),
    ("snapshot", snapshot_is_no_json, "not JSON"),
]


@pytest.mark.parametrize(("method", "fault", "message"), FAULTS, ids=[fault.__name__ for _, fault, _ in FAULTS])
def test_a_broken_game_is_caught(
    monkeypatch: pytest.MonkeyPatch, method: str, fault: Callable[..., Any], message: str
) -> None:
    monkeypatch.setattr(ToyState, method, fault)
    with pytest.raises(GameError, match=message):
        check_game(Toy(), episodes=50)


def test_randomness_that_is_not_chance_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SeededChance("not the game's")

    def new_state(self: Toy, chance: Chance) -> ToyState:
        return sound_new_state(self, other)

    sound_new_state = Toy.new_state
    monkeypatch.setattr(Toy, "new_state", new_state)
    with pytest.raises(GameError, match="differs"):
        check_game(Toy(), episodes=20)


def test_what_leaks_from_match_to_match_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyState, "observe", lambda self, player: [f"match {len(self.game.kept)}", *self.logs[player]])
    with pytest.raises(GameError, match="second match with the same seed and moves differs"):
        check_game(Toy(), episodes=20)


def test_perfect_information_that_is_none_is_caught() -> None:
    with pytest.raises(GameError, match="legal actions or state differ"):
        check_game(Toy(perfect_information=True))


def test_a_constant_sum_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyState, "outcome", lambda self: Outcome.of_returns((0.25, 0.75)))
    check_game(Toy(utility="constant", total=1.0, bounds=(0.25, 0.75)), episodes=5)
    with pytest.raises(GameError, match="do not sum to 2"):
        check_game(Toy(utility="constant", total=2.0, bounds=(0.25, 0.75)), episodes=5)
    with pytest.raises(GameError, match="declared identical"):
        check_game(Toy(utility="identical", bounds=(0.25, 0.75)), episodes=5)


def test_a_failure_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyState, "outcome", pays_too_much)
    with pytest.raises(GameError, match=r"toy, seed 3, episode 0: .* moves so far \['0 (high|low)', '1 (high|low)'\]"):
        check_game(Toy(), seed=3)


# ---- free text -------------------------------------------------------------------------------------------------------


class Wordy(Toy):
    """The toy with free text: anything is read as its first word, and only high and low mean something."""

    def make_state(self, chance: Chance) -> WordyState:
        return WordyState(self, chance)


class WordyState(ToyState):
    def legal_actions(self, player: int) -> list[str] | None:
        return None

    def sample_action(self, player: int, chance: Chance) -> str:
        return chance.pick(["high", "low"]) + chance.pick(["", ", I say", " it is"])

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        ((player, text),) = moves.items()
        return super().apply({player: text.split()[0].strip(",") if text else ""})


def samples_what_is_illegal(self: WordyState, player: int, chance: Chance) -> str:
    return chance.pick(["high", "middle"])


def samples_by_the_games_own_chance(self: WordyState, player: int, chance: Chance) -> str:
    return self.chance.pick(["high", "low"])


def reads_what_it_does_not_say(self: WordyState, moves: Mapping[int, str]) -> dict[int, Move]:
    ((player, text),) = moves.items()
    read = ToyState.apply(self, {player: "high" if "high" in text else "low" if "low" in text else text})[player]
    return {player: Move(f"I said {read.action}", read.reason) if read.legal and "I said" not in text else read}


def keeps_what_it_refuses(self: WordyState, moves: Mapping[int, str]) -> dict[int, Move]:
    ((player, text),) = moves.items()
    read = ToyState.apply(self, {player: text.split()[0].strip(",") if text else ""})
    if not read[player].legal:
        self.logs[player].append(f"{text} is refused")
    return read


def test_free_text_is_played_by_what_the_state_samples() -> None:
    check_game(Wordy(), episodes=30)
    check_game(Wordy(), episodes=5, write=lambda state, player, chance: "low")


def test_free_text_needs_someone_to_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyState, "legal_actions", lambda self, player: None)
    check_game(Toy(), episodes=5, write=lambda state, player, chance: "low")
    with pytest.raises(GameError, match="give its states a sample_action"):
        check_game(Toy(), episodes=1)


@pytest.mark.parametrize(
    ("method", "fault", "message"),
    [
        ("sample_action", samples_what_is_illegal, "refuses the legal move 'middle'"),
        ("sample_action", samples_by_the_games_own_chance, "differs"),
        ("apply", reads_what_it_does_not_say, "is read differently"),
        ("apply", keeps_what_it_refuses, "an illegal move of player . changed the state"),
    ],
)
def test_a_broken_game_of_free_text_is_caught(
    monkeypatch: pytest.MonkeyPatch, method: str, fault: Callable[..., Any], message: str
) -> None:
    monkeypatch.setattr(WordyState, method, fault)
    with pytest.raises(GameError, match=message):
        check_game(Wordy(), episodes=30)


# ---- beside OpenSpiel ------------------------------------------------------------------------------------------------


class Kuhn:
    """OpenSpiel's Kuhn poker with a log of our own, to be broken."""

    actions: Mapping[str, int] = {"card 0": 0, "card 1": 1, "card 2": 2, "pass": 0, "bet": 1}
    cards: tuple[str, ...] = ("card 0", "card 1", "card 2")
    probabilities: tuple[float, ...] | None = None
    listed: tuple[str, ...] = ("pass", "bet")
    pays = 1.0
    hidden = False  # whether players are not told the other's moves
    shown = False  # whether they are told the other's card

    def __init__(self, **changes: Any) -> None:
        vars(self).update(changes)

    @property
    def info(self) -> GameInfo:
        return GameInfo("kuhn", ("a", "b"), "zero", (-2.0, 2.0), 3, twin=Twin("kuhn_poker", self.actions))

    def new_state(self, chance: Chance) -> State:
        first = chance.pick(self.cards, self.probabilities)
        return KuhnState(self, [first, chance.pick([card for card in self.cards if card != first])])

    def restore(self, snapshot: str, chance: Chance) -> State:
        return KuhnState(self, json.loads(snapshot))


class KuhnState:
    def __init__(self, game: Kuhn, events: list[str]) -> None:
        import pyspiel

        self.game, self.events = game, events
        self.state = pyspiel.load_game("kuhn_poker").new_initial_state()
        for event in events:
            self.state.apply_action(Kuhn.actions[event])

    def to_act(self) -> tuple[int, ...]:
        return () if self.state.is_terminal() else (self.state.current_player(),)

    def observe(self, player: int) -> list[str]:
        mine = [self.events[player]]
        if self.game.shown:
            mine.append(self.events[1 - player])
        return mine if self.game.hidden else mine + self.events[2:]

    def legal_actions(self, player: int) -> list[str]:
        return list(self.game.listed)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        ((player, text),) = moves.items()
        if text not in ("pass", "bet"):
            return {player: Move(None, "pass or bet")}
        self.events.append(text)
        self.state.apply_action(Kuhn.actions[text])
        return {player: Move(text)}

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        return Outcome.of_returns([self.game.pays * value for value in self.state.returns()])

    def clone(self) -> State:
        return KuhnState(self.game, list(self.events))

    def snapshot(self) -> str:
        return json.dumps(self.events)


@pytest.mark.parametrize("playouts", [None, 50])
def test_the_same_game_is_its_own_twin(playouts: int | None) -> None:
    check_game(Kuhn(), episodes=20)
    check_twin(Kuhn(), playouts=playouts)


TWIN_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"pays": 0.5}, "returns"),
    ({"listed": ("bet",)}, "legal are"),
    ({"actions": {**Kuhn.actions, "bet": 2}}, "legal are"),
    ({"actions": {"card 0": 0}}, "probability"),
    ({"cards": ("card 0", "card 1")}, "probability 0.5, in kuhn_poker with 0.333333"),
    ({"probabilities": (0.5, 0.25, 0.25)}, "probability 0.5"),
    ({"hidden": True}, "told too little"),
    ({"shown": True}, "told more than"),
]


@pytest.mark.parametrize(("changes", "message"), TWIN_FAULTS)
@pytest.mark.parametrize("playouts", [None, 200])
def test_a_game_that_is_not_its_twin_is_caught(changes: dict[str, Any], message: str, playouts: int | None) -> None:
    with pytest.raises(GameError, match=message):
        check_twin(Kuhn(**changes), playouts=playouts)


def test_a_game_without_a_twin_is_refused() -> None:
    with pytest.raises(GameError, match="no twin"):
        check_twin(Toy())
