"""Games of free text are played at random like any other: by the player `random`, and for the transcripts of a warm-up."""

from __future__ import annotations

import pytest

from sparring import Sampling
from sparring.examples import transcripts
from sparring.play import EpisodePlan
from sparring.testing import make, play_episode

GAMES = ("simple_negotiation", "taboo", "truth_and_deception", "undercover", "blind_auction")


@pytest.mark.parametrize("name", GAMES)
def test_warm_up_transcripts_are_made_by_random_play(name: str) -> None:
    game, scheme = make("game", name), make("scheme", "turn_based")
    judges = {"outcome": make("judge", "outcome")}
    plans = [EpisodePlan(n, 0, game, scheme, {}, judges, Sampling(), n, ("seed",)) for n in range(12)]
    made = transcripts(plans)
    answers = [text for transcript in made for role, text in transcript if role == "assistant"]
    assert made == transcripts(plans)
    assert len(answers) >= 12 * (game.info.players - 1)
    assert all(answers)
    assert not any("Illegal move" in text for transcript in made for _, text in transcript)
    assert len(set(answers)) > 5


@pytest.mark.parametrize("name", GAMES)
def test_an_empty_answer_forfeits(name: str) -> None:
    """An empty answer is no move anywhere."""
    game = make("game", name)
    judges = {"outcome": make("judge", "outcome")}
    episode = play_episode(make("scheme", "turn_based"), game, lambda *asked: " ", judges=judges)
    assert episode.facts["kinds"].count("illegal") == 1  # type: ignore[attr-defined]
