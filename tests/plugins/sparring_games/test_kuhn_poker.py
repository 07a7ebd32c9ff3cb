"""Kuhn poker against its mathematics, against OpenSpiel, and its accounting as a match."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from sparring import SeededChance, SparringError
from sparring.testing import check_game, check_twin
from sparring_games.kuhn_poker import CARDS, KuhnPoker, KuhnPokerParams, KuhnState, equilibrium
from sparring_tree import Event, walk


class Cards:
    """Chance that deals the given cards."""

    def __init__(self, cards: str) -> None:
        self.cards = list(cards)

    def pick(self, options: Sequence[Any], probabilities: Sequence[float] | None = None) -> Any:
        card = self.cards.pop(0)
        assert card in options
        return card

    def clone(self) -> Cards:
        return Cards("".join(self.cards))


def play(cards: str, moves: str, **params: Any) -> KuhnState:
    """Moves by their first letters: check, bet, fold; call is ``C``."""
    words = {"c": "check", "b": "bet", "f": "fold", "C": "call"}
    state = KuhnPoker(KuhnPokerParams(**params)).new_state(Cards(cards))
    for letter in moves:
        player = state.to_act()[0]
        move = state.apply({player: words[letter]})[player]
        assert move.legal, move.reason
    return state


def infoset(history: Sequence[Event], player: int) -> str:
    cards = [event.text for event in history if event.player is None]
    moves = "".join("b" if e.text in ("bet", "call") else "p" for e in history if e.player is not None)
    return f"{CARDS.index(cards[player])}{moves}"


@pytest.mark.parametrize("alpha", [Fraction(0), Fraction(1, 6), Fraction(1, 3)])
def test_equilibrium_value_is_minus_one_eighteenth(alpha: Fraction) -> None:
    """Kuhn (1950): every equilibrium is worth -1/18 of an ante to the first player."""
    betting = equilibrium(alpha)
    value, total = Fraction(0), Fraction(0)
    for node in walk(KuhnPoker(KuhnPokerParams())):
        if not node.terminal:
            continue
        reach = Fraction(1)
        for at, event in enumerate(node.history):
            if event.player is None:
                reach *= Fraction(event.probability).limit_denominator(3)
            else:
                p = Fraction(betting[infoset(node.history[:at], event.player)])
                reach *= p if event.text in ("bet", "call") else 1 - p
        value += reach * Fraction(node.state.outcome().returns[0])
        total += reach
    assert total == 1
    assert value == Fraction(-1, 18)


def nash_conv(betting: dict[str, float]) -> float:
    import pyspiel
    from open_spiel.python.algorithms import exploitability
    from open_spiel.python.policy import TabularPolicy

    game = pyspiel.load_game("kuhn_poker")
    policy = TabularPolicy(game)
    for key, p in betting.items():
        policy.policy_for_key(key)[:] = (1 - p, p)
    return float(exploitability.nash_conv(game, policy))


@pytest.mark.parametrize("alpha", [0.0, 1 / 6, 1 / 3])
def test_nobody_can_win_from_the_equilibrium(alpha: float) -> None:
    assert nash_conv({key: float(p) for key, p in equilibrium(alpha).items()}) == pytest.approx(0, abs=1e-12)


def test_uniform_play_loses_the_published_amount() -> None:
    assert nash_conv(dict.fromkeys(equilibrium(0.0), 0.5)) == pytest.approx(0.916667, abs=1e-6)


@pytest.mark.parametrize("alpha", [-0.01, 0.34])
def test_there_is_no_equilibrium_beyond_a_third(alpha: float) -> None:
    with pytest.raises(SparringError, match="0 to 1/3"):
        equilibrium(alpha)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"wording": "terse"},
        {"wording": "reminding"},
        {"rounds": 3},
        {"rounds": 2, "ante": 2, "bet": 3, "wording": "terse"},
        {"bet": 4},
    ],
)
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(KuhnPoker(KuhnPokerParams(**params)), episodes=60)


@pytest.mark.parametrize("wording", ["plain", "reminding", "terse"])
def test_one_hand_is_the_game_of_openspiel(wording: Any) -> None:
    check_twin(KuhnPoker(KuhnPokerParams(wording=wording)))


@pytest.mark.parametrize("params", [{"rounds": 2}, {"ante": 2}, {"bet": 2}])
def test_other_parameters_have_no_twin(params: dict[str, int]) -> None:
    assert KuhnPoker(KuhnPokerParams(**params)).info.twin is None


@pytest.mark.parametrize(
    ("moves", "won"),
    [("cc", -1), ("bf", 1), ("cbf", -1), ("bC", -2), ("cbC", -2)],
)
def test_a_called_bet_costs_more_than_a_fold(moves: str, won: int) -> None:
    """Player 0 holds the jack, player 1 the king."""
    assert play("JK", moves).outcome().returns == (won, -won)


def test_stakes_are_ante_and_bet() -> None:
    assert play("KJ", "cc", ante=3, bet=5).outcome().returns == (3, -3)
    assert play("KJ", "bC", ante=3, bet=5).outcome().returns == (8, -8)
    assert KuhnPoker(KuhnPokerParams(ante=3, bet=5)).info.bounds == (-8, 8)


def test_a_match_is_decided_by_chips_and_not_by_its_last_hand() -> None:
    """Player 0 wins two chips of a called bet, then loses one by folding the last hand."""
    state = play("KJ" + "JK", "bC" + "bf", rounds=2)  # player 1 bets first in the second hand
    assert state.outcome().returns == (1, -1)
    assert state.outcome().detail == {"chips_0": 5, "chips_1": 3}


def test_a_match_with_equal_chips_is_a_draw() -> None:
    assert play("KJ" + "JK", "cc" + "cc", rounds=2).outcome().kinds == ("draw", "draw")


def test_the_first_to_act_alternates() -> None:
    state = play("KJ" * 3, "", rounds=3)
    first: list[int] = []
    while state.to_act():
        first += state.to_act()
        for _ in range(2):
            state.apply({state.to_act()[0]: "check"})
    assert first == [0, 1, 0]


def test_chips_are_told_at_every_hand() -> None:
    state = play("KJ" + "JK", "bC", rounds=2)
    assert "Hand 2 of 2. Chips: you 6, opponent 2." in state.observe(0)[-1]
    assert "Hand 2 of 2. Chips: you 2, opponent 6." in state.observe(1)[-1]


def test_a_folded_hand_stays_hidden() -> None:
    """What players are told after a fold is the same whatever the other holds."""
    for moves in ("bf", "cbf"):
        for player, other in ((0, 1), (1, 0)):
            told = set()
            for theirs in "JQ":
                cards = ["", ""]
                cards[player], cards[other] = "K", theirs
                told.add(tuple(play("".join(cards), moves).observe(player)))
            assert len(told) == 1
    assert "opponent has Q" in play("KQ", "cc").observe(0)[-1]


@pytest.mark.parametrize("wording", ["plain", "terse"])
def test_prompts_share_the_rules_and_end_with_the_options(wording: Any) -> None:
    openings = [play(cards, "", wording=wording).observe(p)[0] for cards in ("JQ", "KQ", "QJ") for p in (0, 1)]
    assert len({text.split("\n")[0] for text in openings}) == 1
    for moves, options in (("", "bet or check"), ("c", "bet or check"), ("b", "call or fold"), ("cb", "call or fold")):
        state = play("KQ", moves, wording=wording)
        assert options in state.observe(state.to_act()[0])[-1].split("\n")[-1]


def test_moves_are_read_without_case_and_never_guessed() -> None:
    state = play("KJ", "")
    for text in ("bet!", "I bet", "not bet", "call", "b", ""):
        move = state.apply({0: text})[0]
        assert not move.legal
        assert "check, bet" in move.reason
    assert state.apply({0: " BET\n"})[0].action == "bet"


def test_hands_are_dealt_by_chance_alone() -> None:
    game = KuhnPoker(KuhnPokerParams())
    dealt = {tuple(game.new_state(SeededChance(n)).cards) for n in range(100)}
    assert len(dealt) == 6
