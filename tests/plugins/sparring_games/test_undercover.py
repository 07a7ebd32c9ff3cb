"""Undercover: rewards against the paper's numbers, what a clue and a vote may be, and who knows what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from sparring import SeededChance
from sparring.testing import check_game
from sparring_games.undercover import Undercover, UndercoverParams, UndercoverState, clue_returns

PAIR = {"pairs": [("cat", "dog")]}


def begin(seed: int = 0, **params: Any) -> UndercoverState:
    return Undercover(UndercoverParams(**{**PAIR, **params})).new_state(SeededChance(seed))


def give_clues(state: UndercoverState) -> UndercoverState:
    """Clues until the votes."""
    while state.stage == "clue":
        (player,) = state.to_act()
        assert state.apply({player: f"clue {len(state.clues)}"})[player].legal
    return state


def vote(state: UndercoverState, votes: Sequence[int | None]) -> UndercoverState:
    """Votes of civilians 1, 2, 3 for players, by their seats."""
    texts = {p: "n/a" if v is None else str(state.order.index(v) + 1) for p, v in enumerate(votes, 1)}
    assert all(move.legal for move in state.apply(texts).values())
    return state


@pytest.mark.parametrize(
    "params",
    [{}, {"world": "objects"}, {"blank": True, "players": 3, "rounds": 3}, {"world": "objects", "blank": True}, PAIR],
)
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(Undercover(UndercoverParams(**params)), episodes=30)


@pytest.mark.parametrize(
    ("undercover", "civilians", "expected"),
    [
        (3, [1, 0, 0], [-0.266667, 0.022222, 0.122222, 0.122222]),
        (0, [2, 1, 1], [0.133333, -0.111111, -0.011111, -0.011111]),
        (2, [1, 1, 0, 0], [-0.15, -0.0125, -0.0125, 0.0875, 0.0875]),
    ],
)
def test_clues_earn_what_the_paper_says(undercover: int, civilians: list[int], expected: list[float]) -> None:
    """Vision-Zero, arXiv:2509.25541, with beta = lambda = 0.1; worked out by hand."""
    found = clue_returns(undercover, civilians, 0.1, 0.1)
    assert found == pytest.approx(expected, abs=1e-6)
    assert sum(found) == pytest.approx(0)


@pytest.mark.parametrize(
    ("votes", "returns", "decisions", "kinds"),
    [
        ((0, 0, 0), (-0.3, 0.1, 0.1, 0.1), (1, 1, 1), ("loss", "win", "win", "win")),
        # One right, one wrong, one that says nothing: as many votes for civilian 1 as for player 0.
        ((0, 1, None), (-0.066667, -0.044444, 0.055556, 0.055556), (1, -1, -0.5), ("win", "loss", "loss", "loss")),
        ((0, 0, 1), (-0.166667, -0.011111, 0.088889, 0.088889), (1, 1, -1), ("loss", "win", "win", "win")),
        ((None, None, None), (0, 0, 0, 0), (-0.5, -0.5, -0.5), ("win", "loss", "loss", "loss")),
        ((2, 1, 1), (0.1, -0.133333, -0.033333, 0.066667), (-1, -1, -1), ("win", "loss", "loss", "loss")),
    ],
)
def test_votes_decide(
    votes: Sequence[int | None], returns: Sequence[float], decisions: Sequence[float], kinds: Sequence[str]
) -> None:
    outcome = vote(give_clues(begin()), votes).outcome()
    assert outcome.returns == pytest.approx(returns, abs=1e-6)
    assert [outcome.detail[f"decision_{player}"] for player in (1, 2, 3)] == list(decisions)
    assert outcome.kinds == tuple(kinds)
    assert outcome.detail["caught"] == (kinds[0] == "loss")


def test_weights_are_parameters() -> None:
    assert vote(give_clues(begin(beta=1.0, lam=0.0)), (0, 0, 0)).outcome().returns == pytest.approx((-3, 1, 1, 1))


def test_everybody_gives_a_clue_in_each_round_and_civilians_vote_at_once() -> None:
    state = begin(3)
    spoken = []
    while state.stage == "clue":
        (player,) = state.to_act()
        spoken.append(player)
        state.apply({player: f"clue {len(spoken)}"})
    assert spoken == [*state.order, *state.order]
    assert sorted(state.order) == [0, 1, 2, 3]
    assert state.stage == "decision"
    assert state.to_act() == (1, 2, 3)


def test_seats_are_drawn() -> None:
    assert {begin(seed).order.index(0) for seed in range(50)} == {0, 1, 2, 3}


def test_a_clue_is_new_short_and_without_the_word() -> None:
    state = begin(pairs=[("cat", "cat")], most_words=5)
    (player,) = state.to_act()
    assert "word 'cat'" in state.apply({player: "cats purr"})[player].reason
    assert "at most 5" in state.apply({player: "one two three four five six"})[player].reason
    assert not state.apply({player: ""})[player].legal
    assert state.apply({player: "concatenated it purrs loudly"})[player].legal  # not the word, only its letters
    (player,) = state.to_act()
    assert "repeat" in state.apply({player: "Loudly it purrs, concatenated"})[player].reason
    assert state.apply({player: "it purrs"})[player].legal


def test_votes_are_read_as_people_write_them() -> None:
    state = give_clues(begin())
    for said, meant in [("2", "2"), ("player 2", "2"), ("[Player 2]", "2"), ("I vote for player 2.", "2"), ("#2", "2"),
                        ("N/A", "n/a"), ("none", "n/a"), ("nobody", "n/a")]:  # fmt: skip
        voters = {player: "n/a" for player in state.to_act()}
        voter = next(player for player in voters if state.order.index(player) != 1)
        assert state.clone().apply({**voters, voter: said})[voter].action == meant


def test_nobody_votes_for_itself_or_for_no_seat() -> None:
    state = give_clues(begin())
    for player in state.to_act():
        for said in (str(state.order.index(player) + 1), "0", "5", "player two", "not 2"):
            read = state.apply({**{p: "n/a" for p in state.to_act()}, player: said})
            assert not read[player].legal
    assert state.votes is None


def test_objects_differ_in_two_attributes_and_clues_are_attributes() -> None:
    for seed in range(30):
        state = Undercover(UndercoverParams(world="objects")).new_state(SeededChance(seed))
        pairs = zip(state.civilian.split(", "), state.undercover.split(", "), strict=True)
        assert sum(a != b for a, b in pairs) == 2
    (player,) = state.to_act()
    assert len(state.legal_actions(player) or ()) == 16
    state.apply({player: "Red."})
    assert "red" not in (state.legal_actions(state.to_act()[0]) or ())


def test_nobody_knows_more_than_its_word_and_what_was_said() -> None:
    """The civilians' logs do not depend on the other's word, nor its log on theirs, nor anybody's on players' numbers."""
    words = [("cat", "dog"), ("cat", "wolf"), ("bee", "dog")]
    states = []
    for civilian, other in words:
        state = begin(5, pairs=[(civilian, civilian)])
        state.civilian, state.undercover, state.order, state.logs = civilian, other, [], [[], [], [], []]
        state.chance, state.clues = SeededChance(5), []
        state._draw_words = lambda: None  # type: ignore[method-assign]  # the words are set above
        state.begin()
        states.append(give_clues(state))
    same, other_undercover, other_civilians = states
    assert [same.observe(player) == other_undercover.observe(player) for player in range(4)] == [
        False,
        True,
        True,
        True,
    ]
    assert [same.observe(player) == other_civilians.observe(player) for player in range(4)] == [
        True,
        False,
        False,
        False,
    ]
    assert not any("dog" in line or "civilian_" in line for player in (1, 2, 3) for line in same.observe(player))


def test_all_is_told_in_the_end() -> None:
    state = vote(give_clues(begin()), (0, 0, None))
    for player in range(4):
        last = state.observe(player)[-1]
        assert f"Player {state.order.index(0) + 1} was undercover, and is found out." in last
        assert "cat" in last
        assert "dog" in last


def test_blank_has_nothing() -> None:
    state = begin(blank=True)
    assert state.undercover == ""
    assert "You have no word" in state.observe(0)[0]
    state = Undercover(UndercoverParams(world="objects", blank=True)).new_state(SeededChance())
    assert "You have no object" in state.observe(0)[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"world": "objects", **PAIR}, "no words"),
        ({"world": "objects", "players": 6, "rounds": 3}, "more than the 16 clues"),
        ({"categories": ["beasts"]}, "no category 'beasts'"),
        ({"categories": ["animal"], **PAIR}, "give one of the two"),
        ({"players": 2}, "greater than or equal to 3"),
    ],
)
def test_contradictions_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        UndercoverParams(**params)
