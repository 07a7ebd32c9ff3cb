"""The whole tree of a game, on a toy whose tree is known."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from sparring import Chance, GameError, GameInfo, Move, Outcome, State
from sparring_games.matrix_game import MatrixGame, MatrixGameParams
from sparring_tree import Event, TreeTooLargeError, walk


class Coin:
    """A coin with P(heads) = 0.25 (never landing on its edge) is flipped, then called, then flipped again."""

    info = GameInfo("coin", ("caller",), "general", (0.0, 1.0), 1)
    calls: list[str] | None = ["heads", "tails"]  # noqa: RUF012  # replaced by tests
    refuses = False

    def new_state(self, chance: Chance) -> State:
        return CoinState(self, chance, [_flip(chance)])

    def restore(self, snapshot: str, chance: Chance) -> State:
        return CoinState(self, chance, json.loads(snapshot))


def _flip(chance: Chance) -> str:
    return chance.pick(["heads", "tails", "edge"], [0.25, 0.75, 0.0])


class CoinState:
    def __init__(self, game: Coin, chance: Chance, events: list[str]) -> None:
        self.game, self.chance, self.events = game, chance, events

    def to_act(self) -> tuple[int, ...]:
        return (0,) if len(self.events) == 1 else ()

    def observe(self, player: int) -> list[str]:
        return ["Call the coin."]

    def legal_actions(self, player: int) -> list[str] | None:
        return self.game.calls

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        if self.game.refuses:
            return {0: Move(None, "not today")}
        self.events += [moves[0], _flip(self.chance)]
        return {0: Move(moves[0])}

    def rewards(self) -> list[float]:
        return [0.0]

    def outcome(self) -> Outcome:
        return Outcome.of_returns([float(self.events[1] == self.events[2])])

    def clone(self) -> State:
        return CoinState(self.game, self.chance.clone(), list(self.events))

    def snapshot(self) -> str:
        return json.dumps(self.events)


def test_every_history_comes_once_with_its_probability() -> None:
    nodes = list(walk(Coin()))
    leaves = {tuple(e.text for e in node.history): node.probability for node in nodes if node.terminal}
    flips = {"heads": 0.25, "tails": 0.75}
    assert leaves == {(a, call, b): flips[a] * flips[b] for a in flips for call in flips for b in flips}
    assert len(nodes) == 2 + 8  # a decision after each first flip; what cannot be drawn is no branch
    assert len({node.history for node in nodes}) == len(nodes)


def test_events_say_who_did_them() -> None:
    leaf = next(node for node in walk(Coin()) if node.terminal)
    assert leaf.history == (Event(None, "heads", 0.25), Event(0, "heads"), Event(None, "heads", 0.25))


def test_parents_come_before_their_children() -> None:
    seen = set()
    for node in walk(Coin()):
        if node.terminal:
            assert node.history[:1] in seen
        seen.add(node.history)


def test_each_node_has_a_state_of_its_own() -> None:
    nodes = list(walk(Coin()))
    for node in nodes:
        assert isinstance(node.state, CoinState)
        assert node.state.events == [event.text for event in node.history]
        node.state.events.clear()


def test_a_tree_beyond_the_limit_is_refused() -> None:
    assert len(list(walk(Coin(), limit=10))) == 10
    with pytest.raises(GameError, match="coin has more than 9 nodes"):
        list(walk(Coin(), limit=9))


def test_a_chance_event_of_more_options_than_the_limit_is_refused_before_they_are_looked_at() -> None:
    class Seeded(Coin):
        def new_state(self, chance: Chance) -> State:
            chance.pick(range(2**40))
            return super().new_state(chance)

    with pytest.raises(TreeTooLargeError, match="more than 1000 nodes"):
        list(walk(Seeded(), limit=1000))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"calls": None}, "free text"),
        ({"refuses": True}, "lists 'heads' as legal for player 0 but refuses it: not today"),
    ],
)
def test_what_has_no_such_tree_is_refused(changed: dict[str, object], message: str) -> None:
    game = Coin()
    vars(game).update(changed)
    with pytest.raises(GameError, match=message):
        list(walk(game))


def test_players_who_move_at_once_choose_one_after_another() -> None:
    """Rock, paper, scissors: player 1 chooses in a state in which player 0 has not yet moved."""
    nodes = list(walk(MatrixGame(MatrixGameParams())))
    assert [sum(len(node.history) == depth for node in nodes) for depth in range(3)] == [1, 3, 9]
    assert {node.player for node in nodes if len(node.history) == 1} == {1}
    assert len({tuple(node.state.observe(1)) for node in nodes if node.player == 1}) == 1
    won = {tuple(e.text for e in node.history): node.state.outcome().returns[0] for node in nodes if node.terminal}
    assert len(won) == 9
    assert won["rock", "paper"] == -1
