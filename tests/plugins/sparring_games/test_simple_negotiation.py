"""Simple negotiation: who wins by which gains, what may be said, and who knows what."""

from __future__ import annotations

from typing import Any

import pytest

from sparring import SeededChance
from sparring.testing import check_game
from sparring_games.simple_negotiation import NegotiationState, SimpleNegotiation, SimpleNegotiationParams


def play(*moves: str, seed: int = 0, **params: Any) -> NegotiationState:
    state = SimpleNegotiation(SimpleNegotiationParams(**{"resources": 2, **params})).new_state(SeededChance(seed))
    for text in moves:
        player = state.to_act()[0]
        move = state.apply({player: text})[player]
        assert move.legal, move.reason
    return state


@pytest.mark.parametrize(
    "params", [{}, {"resources": 2}, {"resources": 2, "wording": "terse", "turns": 4}, {"wording": "terse"}]
)
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(SimpleNegotiation(SimpleNegotiationParams(**params)), episodes=40)


def test_two_resources_are_spirals() -> None:
    state = play()
    assert state.holdings == [[10, 10], [10, 10]]
    assert state.values == [[5, 15], [15, 5]]
    assert state.info.max_turns == 10


def test_five_resources_are_drawn_within_the_papers_bounds() -> None:
    """Quantities of 5 to 25; values within a fifth of 5, 10, 15, 25 and 40, and within 5 and 40."""
    ranges = [(5, 6), (8, 12), (12, 18), (20, 30), (32, 40)]
    seen: list[set[int]] = [set() for _ in ranges]
    quantities: set[int] = set()
    for seed in range(300):
        state = play(seed=seed, resources=5)
        for player in (0, 1):
            quantities.update(state.holdings[player])
            for values, value in zip(seen, state.values[player], strict=True):
                values.add(value)
    assert (min(quantities), max(quantities)) == (5, 25)
    assert [(min(values), max(values)) for values in seen] == ranges


@pytest.mark.parametrize(
    ("moves", "gains", "returns"),
    [
        # Two wood for two gold: worth +20 to player 0 (gold 15, wood 5), and as much to player 1.
        (("offer: 2 wood -> 2 gold", "accept"), (20, 20), (0, 0)),
        (("offer: 1 wood -> 4 gold", "accept"), (55, -5), (1, -1)),
        (("offer: 4 wood -> 1 gold", "accept"), (-5, 55), (-1, 1)),
        (("offer: 1 wood -> 4 gold", "deny"), (0, 0), (0, 0)),
        (("offer: 1 wood -> 4 gold", "pass"), (0, 0), (0, 0)),
        # A counter-offer denies what it answers, and is itself answered by the other.
        (("offer: 1 wood -> 4 gold", "offer: 1 gold -> 2 wood", "accept"), (5, 25), (-1, 1)),
    ],
)
def test_who_gains_more_wins(moves: tuple[str, ...], gains: tuple[int, int], returns: tuple[int, int]) -> None:
    state = play(*moves, turns=len(moves))
    assert not state.to_act()
    assert (state.gain(0), state.gain(1)) == gains
    assert state.outcome().returns == returns
    assert state.outcome().detail == {"gain_0": gains[0], "gain_1": gains[1]}


def test_an_offer_in_the_last_turn_comes_to_nothing() -> None:
    assert play("pass", "offer: 1 gold -> 9 wood", turns=2).outcome().kinds == ("draw", "draw")


def test_an_accepted_offer_is_gone() -> None:
    state = play("offer: 1 wood -> 1 gold", "accept")
    assert state.holdings == [[9, 11], [11, 9]]
    assert "no offer" in state.apply({0: "accept"})[0].reason


@pytest.mark.parametrize(
    "said",
    [
        "offer: 2 wood -> 1 gold", "Offer: 2 Wood -> 1 Gold", "[Offer: 2 wood -> 1 gold]", "offer 2 wood for 1 gold",
        "2 wood -> 1 gold", "I offer 2 wood for 1 gold.", "give 2x wood => 1 gold", "1 wood + 1 wood → 1 golds",
        "  trade 1 wood and 1 wood\n for 1 gold ",
    ],
)  # fmt: skip
def test_an_offer_is_read_as_people_write_it(said: str) -> None:
    assert play().apply({0: said})[0].action == "offer: 2 wood -> 1 gold"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "is no accept, deny, pass"),
        ("hello", "is no accept, deny, pass"),
        ("I would never accept that", "is no accept, deny, pass"),
        ("accept", "no offer to accept"),
        ("deny", "no offer to deny"),
        ("offer: 11 wood -> 1 gold", "you do not have 11 wood"),
        ("offer: 1 wood -> 1 ore", "no resource 'ore'"),
        ("offer: 1 wood -> 2 wood", "gives wood and wants wood"),
        ("offer: 0 wood -> 2 gold", "nothing"),
        ("offer: wood -> gold", "no amount"),
        ("offer: 2 wood -> ", "no amount"),
        ("offer: -1 wood -> 2 gold", "no amount"),
        ("offer: 1 wood -> 1 gold -> 1 wood", "is no accept"),
        ("offer: 99999999999999999999 wood -> 1 gold", "no amount"),
    ],
)
def test_what_is_no_move_is_refused_with_the_reason(said: str, reason: str) -> None:
    assert reason in play().apply({0: said})[0].reason


@pytest.mark.parametrize("said", ["accept", "[Accept]", "I accept.", "deal!", "accept the offer"])
def test_an_offer_is_accepted_as_people_say_it(said: str) -> None:
    assert play("offer: 1 wood -> 1 gold").apply({1: said})[1].action == "accept"


@pytest.mark.parametrize("said", ["deny", "[Deny]", "reject", "no deal"])
def test_an_offer_is_denied_as_people_say_it(said: str) -> None:
    assert play("offer: 1 wood -> 1 gold").apply({1: said})[1].action == "deny"


def test_what_one_does_not_have_cannot_be_accepted() -> None:
    """Asking for more than the other has is legal, since nobody knows what it has."""
    state = play("offer: 1 wood -> 11 gold")
    assert state.apply({1: "accept"})[1].reason == "you do not have 11 gold"
    assert state.to_act() == (1,)


def test_values_and_holdings_stay_with_their_owner() -> None:
    """What a player is told does not change with the other's quantities and values."""
    told: list[set[tuple[str, ...]]] = [set(), set()]
    first = play(seed=1, resources=5)
    for seed in range(2, 6):
        other = play(seed=seed, resources=5)
        for player in (0, 1):
            state = first.clone()
            hidden = 1 - player
            state.holdings[hidden], state.values[hidden] = other.holdings[hidden], other.values[hidden]
            for text in ("pass", "offer: 1 ore -> 2 wood", "deny", "pass"):
                assert state.apply({state.to_act()[0]: text})[1 - state.to_act()[0]].legal
            told[player].add(tuple(state.observe(player)))
    assert [len(logs) for logs in told] == [1, 1]


def test_the_newest_entry_tells_the_offer_and_asks() -> None:
    assert play("offer: 2 wood -> 1 gold").observe(1)[-1] == (
        "Your opponent offers you 2 wood for 1 gold.\n"
        "Turn 2 of 10. You have 10 wood, 10 gold. Accept, deny, or make an offer of your own."
    )


def test_both_are_told_how_it_ends() -> None:
    state = play("offer: 1 wood -> 4 gold", "accept", turns=2)
    assert state.observe(0)[-1].endswith("You have 9 wood, 14 gold; that is +55 in your values. You win.")
    assert state.observe(1)[-1].endswith("that is -5 in your values. You lose.")
