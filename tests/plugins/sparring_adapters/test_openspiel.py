"""OpenSpiel's games as ours: sound, the same trees, nothing told that is hidden, and clear words where there is no way."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from sparring import Game, SeededChance, State
from sparring.testing import check_game, check_twin, make
from sparring_adapters.openspiel import OpenSpiel, OpenSpielParams
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_tree import walk

GOOFSPIEL = {"num_cards": 3, "imp_info": True, "points_order": "descending"}
REPEATED = {"stage_game": "matrix_pd()", "num_repetitions": 3}


def openspiel(name: str, text: Any = "auto", **parameters: Any) -> OpenSpiel:
    return OpenSpiel(OpenSpielParams(name=name, parameters=parameters, text=text))


class Draws:
    """Chance that draws what it is told to, by text."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def pick(self, options: Sequence[Any], probabilities: Sequence[float] | None = None) -> Any:
        return {str(option): option for option in options}[self.texts.pop(0)]

    def clone(self) -> Draws:
        return Draws(self.texts)


def deal(*numbers: int) -> State:
    return openspiel("kuhn_poker").new_state(Draws([f"draw {number}" for number in numbers]))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("kuhn_poker", {}),
        ("kuhn_poker", {"players": 3}),
        ("tic_tac_toe", {}),
        ("leduc_poker", {}),
        ("matrix_mp", {}),
        ("goofspiel", GOOFSPIEL),
        ("goofspiel", {"num_cards": 4}),  # open and simultaneous
        ("pig", {"winscore": 15}),  # open, with chance in between
        ("tiny_hanabi", {}),  # paid alike
        ("repeated_game", REPEATED),  # a game within a game
        ("blackjack", {}),  # one player
        ("phantom_ttt", {}),
        ("python_kuhn_poker", {}),
    ],
)
def test_it_is_a_sound_game(name: str, parameters: dict[str, Any]) -> None:
    check_game(openspiel(name, **parameters), episodes=12)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("kuhn_poker", {}), ("matrix_mp", {}), ("goofspiel", GOOFSPIEL), ("tiny_hanabi", {})],
)
def test_the_whole_tree_is_told_as_openspiel_knows_it(name: str, parameters: dict[str, Any]) -> None:
    """Neither more nor less than the information states: what is hidden stays hidden."""
    check_twin(openspiel(name, **parameters))


@pytest.mark.parametrize("name", ["leduc_poker", "tic_tac_toe", "liars_dice"])
def test_playouts_are_told_as_openspiel_knows_them(name: str) -> None:
    check_twin(openspiel(name), playouts=30)


def uniform_value(game: Game) -> float:
    """What uniformly random play pays the first player, over the whole tree."""
    value = 0.0
    for node in walk(game):
        if node.terminal:
            state, reach = game.new_state(Draws([e.text for e in node.history if e.player is None])), node.probability
            for event in node.history:
                if event.player is not None:
                    reach /= len(state.legal_actions(event.player) or ())
                    state.apply({event.player: event.text})
            value += reach * state.outcome().returns[0]
    return value


def test_kuhn_poker_is_worth_what_ours_is() -> None:
    """The trees have the same ends with the same probabilities and returns, and random play pays the same."""
    ours, theirs = KuhnPoker(KuhnPokerParams()), openspiel("kuhn_poker")
    ends = [
        sorted((round(n.probability, 12), n.state.outcome().returns) for n in walk(game) if n.terminal)
        for game in (ours, theirs)
    ]
    assert ends[0] == ends[1]
    assert len(ends[0]) == 30
    assert uniform_value(theirs) == pytest.approx(uniform_value(ours), abs=1e-12)
    assert uniform_value(theirs) == pytest.approx(1 / 8)


def test_facts_are_those_of_openspiel() -> None:
    info = openspiel("leduc_poker", players=3).info
    assert (info.players, info.utility, info.bounds, info.simultaneous) == (3, "zero", (-13, 26), False)
    info = openspiel("goofspiel", **GOOFSPIEL).info
    assert (info.simultaneous, info.perfect_information, info.max_turns) == (True, False, 6)
    assert openspiel("tic_tac_toe").info.perfect_information


def test_moves_are_openspiels_words_or_their_numbers() -> None:
    state = deal(2, 0)
    assert state.legal_actions(0) == ["Pass", "Bet"]
    assert "Say one of them, or its number." in state.observe(0)[-1]
    assert state.clone().apply({0: " bet\n"})[0].action == "Bet"
    assert state.clone().apply({0: "1"})[0].action == "Bet"
    for text in ("not bet", "2", "Bet!", ""):
        move = state.apply({0: text})[0]
        assert not move.legal
        assert "Pass, Bet" in move.reason
    assert state.snapshot() == "[2, 0]"


def test_a_number_is_no_move_where_names_have_numbers() -> None:
    """Card 3 has number 2: "3" would be two things."""
    state = openspiel("goofspiel", **GOOFSPIEL).new_state(SeededChance(0))
    assert state.observe(0)[-1].endswith("Legal moves: Bid: 1; Bid: 2; Bid: 3. Say one of them.")
    assert not state.apply({0: "3", 1: "Bid: 1"})[0].legal
    assert state.apply({0: "bid: 3", 1: "Bid: 1"})[0].action == "Bid: 3"


def test_the_other_card_is_never_told() -> None:
    for moves in ("", "P", "B", "PB"):
        told = set()
        for other in (0, 1):
            state = deal(2, other)
            for letter in moves:
                state.apply({state.to_act()[0]: {"P": "Pass", "B": "Bet"}[letter]})
            told.add(tuple(state.observe(0)))
        assert len(told) == 1


def test_who_moves_at_once_does_not_see_the_other() -> None:
    state = openspiel("matrix_mp").new_state(SeededChance(0))
    assert state.to_act() == (0, 1)
    before = state.observe(1)
    read = state.apply({0: "Heads", 1: "nonsense"})
    assert read[0].legal
    assert not read[1].legal
    assert state.to_act() == (0, 1)
    assert state.observe(1) == before
    state.apply({0: "Heads", 1: "Tails"})
    assert state.outcome().returns == (-1, 1)


def test_open_games_tell_what_the_other_did() -> None:
    state = openspiel("tic_tac_toe").new_state(SeededChance(0))
    action = state.legal_actions(0)[4]  # type: ignore[index]
    state.apply({0: action})
    assert f"Player 0: {action}" in state.observe(1)[-1]
    assert ".x." in state.observe(1)[-1]


def test_rewards_on_the_way_add_up_to_the_return() -> None:
    game = openspiel("repeated_game", **REPEATED)
    state, paid = game.new_state(SeededChance(0)), [0.0, 0.0]
    while state.to_act():
        state.apply({0: "Defect", 1: "Cooperate"})
        paid = [sum(pair) for pair in zip(paid, state.rewards(), strict=True)]
    assert tuple(paid) == state.outcome().returns == (30, 0)


def test_a_snapshot_is_the_history() -> None:
    game = openspiel("goofspiel", **GOOFSPIEL)
    state = game.new_state(SeededChance(0))
    state.apply({player: (state.legal_actions(player) or [])[player] for player in (0, 1)})
    other = game.restore(state.snapshot(), SeededChance(0))
    assert [other.observe(player) for player in (0, 1)] == [state.observe(player) for player in (0, 1)]
    assert other.legal_actions(1) == state.legal_actions(1)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"name": "kuhn_pokr"}, "no game 'kuhn_pokr'; did you mean 'kuhn_poker'"),
        ({"name": "kuhn_poker(players=3)"}, "under 'parameters'"),
        ({"name": "kuhn_poker", "parameters": {"player": 3}}, "did you mean 'players'"),
        ({"name": "kuhn_poker", "parameters": {"players": 300}}, "does not load kuhn_poker"),
        ({"name": "mfg_crowd_modelling"}, "mean-field"),
        ({"name": "python_mfg_crowd_avoidance"}, "mean-field"),
        ({"name": "python_iterated_prisoners_dilemma"}, "no text for players"),
        ({"name": "negotiation"}, "draws within itself"),
        ({"name": "hanabi", "text": "information_state"}, "it has 'text: observation'"),
    ],
)
def test_what_cannot_be_wrapped_is_refused_with_the_reason(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OpenSpielParams(**params)
    (error,) = caught.value.errors()
    assert why in error["msg"]
    assert "\n" not in error["msg"]


def test_without_openspiel_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspiel", None)
    with pytest.raises(ValidationError, match="pip install open_spiel"):
        OpenSpielParams(name="kuhn_poker")


def test_games_without_an_exact_twin_declare_none() -> None:
    """Chess names several moves alike; open goofspiel's information states forget the order of bids."""
    assert openspiel("chess").info.twin is None
    assert openspiel("goofspiel", num_cards=4).info.twin is None
    assert openspiel("matrix_mp").info.twin is not None


def test_it_is_a_component_like_any_other() -> None:
    game = make("game", "openspiel", name="kuhn_poker")
    assert game.info.name == "kuhn_poker"
