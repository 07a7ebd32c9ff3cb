"""A match in stages: trajectories apart, each paid by its own rule, in conversations that go on."""

from typing import Any

import pytest

from sparring import Episode, Request, Sampling, SparringError
from sparring.testing import make, play_episode
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_games.undercover import Undercover, UndercoverParams, clue_returns
from sparring_roles.staged import Staged, StagedParams

ROLES = ("undercover", "civilian_1", "civilian_2", "civilian_3")


def played(vote: str, rounds: int = 2) -> Episode:
    """Each gives the clues that nobody has given, in the order of the rules; all vote ``vote``."""
    game = Undercover(UndercoverParams(world="objects", rounds=rounds))
    words = ["red", "blue", "green", "yellow", "round", "square", "flat", "long"]

    def answer(request: Request, seen: str) -> str:
        if "Who is undercover?" in seen:
            return vote
        return words.pop(0)

    judges = {"outcome": make("judge", "outcome")}
    return play_episode(Staged(StagedParams()), game, answer, judges=judges, sampling=Sampling(max_tokens=64))


def test_clues_are_paid_by_votes_and_votes_by_whether_they_are_right() -> None:
    episode = played("n/a")
    assert [t.labels["stage"] for t in episode.turns] == ["clue"] * 8 + ["decision"] * 3
    assert [t.labels["side"] for t in episode.turns if t.labels["stage"] == "decision"] == ["civilian"] * 3
    for turn in episode.turns[8:]:
        assert turn.reward == -0.5
        assert turn.role != "undercover"
    # Nobody has a vote: all clues are worth 0.
    assert {turn.reward for turn in episode.turns[:8]} == {0.0}
    assert episode.facts["caught"] == 0
    assert episode.facts["abstained"] == 3
    assert episode.facts["right"] == 0
    assert not [name for name in episode.facts if name.startswith("decision_")]


def test_what_clues_earn_sums_to_zero_and_is_that_of_the_votes() -> None:
    for seat in "1234":
        episode = played(seat)
        if "illegal" in episode.facts["kinds"]:  # type: ignore[operator]  # who sits there must not vote for itself
            continue
        votes = [0, 0, 0, 0]
        for turn in episode.turns[8:]:
            votes[0 if turn.reward == 1 else 1] += 1
        paid = {role: sum(t.reward for t in episode.turns[:8] if t.role == role) for role in ROLES}
        assert sum(paid.values()) == pytest.approx(0)
        assert paid["undercover"] == pytest.approx(clue_returns(votes[0], [votes[1], 0, 0], 0.1, 0.1)[0])


def test_a_stage_is_a_trajectory_of_its_own_whose_row_begins_with_the_stage_before() -> None:
    episode = played("n/a")
    by_trajectory: dict[int, set[Any]] = {}
    for turn in episode.turns:
        row = episode.rows[turn.row]
        by_trajectory.setdefault(row.trajectory, set()).add((turn.role, turn.labels["stage"]))
    assert sorted(len(found) for found in by_trajectory.values()) == [1] * 7  # four that give clues, three that vote
    clue = next(t for t in episode.turns if t.role == "civilian_1")
    vote = next(t for t in episode.turns if t.role == "civilian_1" and t.labels["stage"] == "decision")
    assert vote.row != clue.row
    last = max((t for t in episode.turns if t.row == clue.row), key=lambda t: t.start)
    upto = last.start + last.tokens
    assert list(episode.rows[vote.row].tokens)[:upto] == list(episode.rows[clue.row].tokens)[:upto]


def test_a_forfeit_pays_what_the_judge_says_and_nothing_else() -> None:
    episode = played("nonsense")
    kinds = episode.facts["kinds"]
    assert "illegal" in kinds  # type: ignore[operator]
    offender = kinds.index("illegal")  # type: ignore[attr-defined]
    assert episode.turns[-3 + offender - 1].reward == episode.facts["returns"][offender] < 0  # type: ignore[index]


def test_a_game_without_stages_is_refused() -> None:
    with pytest.raises(SparringError, match="KuhnState has none"):
        play_episode(
            Staged(StagedParams()),
            KuhnPoker(KuhnPokerParams()),
            lambda *_: "bet",
            judges={"outcome": make("judge", "outcome")},
        )
