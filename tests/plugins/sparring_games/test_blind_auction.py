"""Blind auction: who buys what, what it is worth, and who knows what."""

from __future__ import annotations

from typing import Any

import pytest

from sparring import SeededChance
from sparring.testing import check_game
from sparring_games.blind_auction import AuctionState, BlindAuction, BlindAuctionParams


def begin(*values: dict[str, int], seed: int = 0, **params: Any) -> AuctionState:
    """Two players and the items A and B, with the given values of each player in place of drawn ones."""
    state = BlindAuction(BlindAuctionParams(**{"items": 2, **params})).new_state(SeededChance(seed))
    if values:
        state.values = list(values)
    return state


def sell(*bids: str, **params: Any) -> AuctionState:
    """Player 0 values A at 100 and B at 200; the others both at 150."""
    state = begin({"A": 100, "B": 200}, *[{"A": 150, "B": 150} for _ in bids[1:]], players=len(bids), **params)
    assert all(move.legal for move in state.apply(dict(enumerate(bids))).values())
    return state


@pytest.mark.parametrize(
    "params", [{}, {"utility": "surplus", "players": 3}, {"players": 4, "talk_rounds": 2, "items": 1}]
)
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(BlindAuction(BlindAuctionParams(**params)), episodes=40)


@pytest.mark.parametrize(
    ("bids", "worths", "returns"),
    [
        (("no bid", "no bid"), (1000, 1000), (0, 0)),
        (("A 60", "no bid"), (1040, 1000), (1, -1)),
        (("A 60", "A 61"), (1000, 1089), (-1, 1)),
        (("A 60", "A 60"), (1000, 1000), (0, 0)),  # equal bids leave it unsold
        (("B 150, A 120", "A 119"), (1030, 1000), (1, -1)),
        (("A 130", "no bid"), (970, 1000), (-1, 1)),  # more than it is worth
        (("B 900", "A 50, B 899"), (300, 1100), (-1, 1)),
    ],
)
def test_the_highest_bid_buys_and_pays(
    bids: tuple[str, str], worths: tuple[int, int], returns: tuple[int, int]
) -> None:
    state = sell(*bids)
    assert not state.to_act()
    assert tuple(state.worths()) == worths
    assert state.outcome().returns == returns
    surplus = sell(*bids, utility="surplus").outcome()
    assert surplus.returns == pytest.approx([(worth - 1000) / 1000 for worth in worths])
    assert surplus.kinds == state.outcome().kinds


def test_ranks_of_three_share_the_win() -> None:
    """Worths 1040, 1050 and 1000: ahead of one and behind one, ahead of both, behind both."""
    assert sell("A 60", "B 100", "no bid").outcome().returns == (0, 1, -1)
    assert sell("A 60", "no bid", "no bid").outcome().returns == (1, -0.5, -0.5)


def test_values_are_within_a_fifth_of_each_other() -> None:
    for seed in range(50):
        state = begin(seed=seed, items=5)
        for item in "ABCDE":
            one, two = (state.values[player][item] for player in (0, 1))
            assert 40 <= one <= 600
            assert one <= two * 1.2 / 0.8 + 2
            assert two <= one * 1.2 / 0.8 + 2


@pytest.mark.parametrize(
    "said",
    [
        "A 120, B 80", "b 80, a 120", "A: 120; B: 80", "[A 120, B 80]", "bid on A: 120, bid on B: 80", "120 for A and 80 for B",
        "item A 120\nitem B 80", "A=120, B=80.",
    ],
)  # fmt: skip
def test_bids_are_read_as_people_write_them(said: str) -> None:
    assert begin().apply({0: said, 1: "none"})[0].action == "A 120, B 80"


@pytest.mark.parametrize("said", ["no bid", "None", "[pass]", "A 0"])
def test_nothing_can_be_bid(said: str) -> None:
    assert begin().apply({0: said, 1: "none"})[0].action == "no bid"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no bid such as"),
        ("120", "no bid such as"),
        ("A lot", "no bid such as"),
        ("A -5", "no bid such as"),
        ("A 1.5", "no bid such as"),
        ("C 5", "no item C"),
        ("A 5, A 6", "two bids for A"),
        ("A 600, B 401", "bids of 1001 in all; you have 1000"),
    ],
)
def test_what_is_no_bid_is_refused_and_nothing_is_sold(said: str, reason: str) -> None:
    state = begin()
    assert reason in state.apply({0: "A 5", 1: said})[1].reason
    assert state.to_act() == (0, 1)


def test_talk_comes_first_in_turn_and_is_heard_by_all() -> None:
    state = begin(players=3, talk_rounds=2)
    for number in range(6):
        assert state.to_act() == (number % 3,)
        state.apply({number % 3: f"message {number}"})
    assert state.to_act() == (0, 1, 2)
    assert [line for entry in state.observe(2) for line in entry.split("\n") if "message" in line] == [
        f"player_{n % 3}: message {n}" for n in range(6) if n % 3 != 2
    ]
    assert all("Your bids" in state.observe(player)[-1] for player in range(3))


def test_only_sales_are_told() -> None:
    """A player's log does not change with the other's values and losing bids."""
    logs = set()
    for values, bid in (({"A": 150, "B": 150}, "A 10"), ({"A": 90, "B": 500}, "A 11"), ({"A": 1, "B": 1}, "no bid")):
        state = begin({"A": 100, "B": 200}, values, seed=4)
        state.apply({0: "A 50, B 20", 1: bid})
        logs.add(tuple(state.observe(0)))
    assert len(logs) == 1
    assert state.observe(0)[-1] == "Sold. A: player_0 for 50; B: player_0 for 20. You have 1230 in all."


def test_the_kind_of_game_is_what_is_paid() -> None:
    ranking, surplus = BlindAuction(BlindAuctionParams()).info, BlindAuction(BlindAuctionParams(utility="surplus")).info
    assert (ranking.utility, ranking.bounds) == ("zero", (-1, 1))
    assert (surplus.utility, surplus.bounds) == ("general", (-1, 3))
