"""The auction is a sound game and pays what it says."""

import json

from sparring import SeededChance
from sparring.testing import check_game, check_recipe, make, play_episode

from sealed_games.bid import SealedBid, SealedBidParams


def test_it_is_a_sound_game() -> None:
    check_game(SealedBid(SealedBidParams()))


def test_the_higher_bid_wins_and_pays() -> None:
    game = SealedBid(SealedBidParams())
    for bids, returns in [((2, 1), (2, 0)), ((3, 5), (0, -2)), ((2, 2), (0, 0))]:
        state = game.restore(json.dumps([(4, 3), ()]), SeededChance(0))
        state.apply({0: str(bids[0]), 1: str(bids[1])})
        assert state.outcome().returns == returns


def test_an_illegal_bid_forfeits() -> None:
    episode = play_episode(
        make("scheme", "turn_based"),
        SealedBid(SealedBidParams()),
        {"bidder_0": ["2"], "bidder_1": ["a lot"]},
        judges={"outcome": make("judge", "outcome")},
    )
    assert episode.facts["reason"] == "bidder_1: 'a lot' is no bid; bid 0 to 5"
    assert [turn.reward for turn in episode.turns] == [0.0, -5.0]


def test_the_recipe_trains() -> None:
    check_recipe("sealed_bid/selfplay")
