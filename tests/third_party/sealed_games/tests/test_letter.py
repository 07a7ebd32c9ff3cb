"""Alice, Bob and Eve see what they should see, and are paid for what they know."""

from sparring.testing import check_judge, check_recipe, check_scheme, play_episode

from sealed_games.letter import SealedLetter, SealedLetterParams
from sealed_games.secrecy import Secrecy, SecrecyParams

SCHEME = SealedLetter(SealedLetterParams(secrets=["red", "blue"], keys=["1"]))
JUDGES = {"secrecy": Secrecy(SecrecyParams())}


def test_it_is_a_sound_scheme() -> None:
    check_scheme(SCHEME, answers=["red", "blue"], judges=JUDGES)


def test_its_judge_is_sound() -> None:
    guesses = ["red", "Blue ", "", "the secret is red"]
    check_judge(JUDGES["secrecy"], [{"secret": "red", "bob": b, "eve": e} for b in guesses for e in guesses])


def test_each_is_paid_for_what_is_known() -> None:
    """There are two secrets, and Bob and Eve do not say the same one: one of them knows."""
    for seed in range(6):
        answers = {"alice": ["<think>he has the key</think>hello"], "bob": ["red"], "eve": ["blue"]}
        episode = play_episode(SCHEME, answers=answers, judges=JUDGES, seed=seed)
        bob, eve = episode.facts["bob_knows"], episode.facts["eve_knows"]
        assert {bob, eve} == {0.0, 1.0}
        kept = 1.0 if bob else -1.0
        assert [turn.reward for turn in episode.turns] == [kept, kept, eve]


def test_a_leak_may_cost_more() -> None:
    (verdict,) = Secrecy(SecrecyParams(leak=2)).judge([{"secret": "red", "bob": "RED", "eve": " red"}])
    assert verdict.values == (-1, -1, 1)


def test_the_recipe_trains() -> None:
    check_recipe("sealed_letter/selfplay")
