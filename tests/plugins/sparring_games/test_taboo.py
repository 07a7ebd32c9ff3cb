"""Adversarial taboo: which message decides what, and how words are found."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sparring import SeededChance
from sparring.testing import check_game
from sparring_games.taboo import Taboo, TabooParams, TabooState
from sparring_games.word_forms import forms
from sparring_games.word_pairs import CATEGORIES, PAIRS


def play(*messages: str, word: str = "apple", **params: Any) -> TabooState:
    state = Taboo(TabooParams(words=[word], **params)).new_state(SeededChance())
    for text in messages:
        player = state.to_act()[0]
        move = state.apply({player: text})[player]
        assert move.legal, move.reason
    return state


@pytest.mark.parametrize("params", [{}, {"turns": 2, "matching": "forms"}, {"words": ["sun", "x-ray"]}])
def test_it_is_a_sound_game(params: dict[str, Any]) -> None:
    check_game(Taboo(TabooParams(**params)), episodes=60)


@pytest.mark.parametrize(
    ("said", "returns", "reason"),
    [
        ("a pear?", None, ""),
        ("do you mean an apple?", (1, -1), "the defender said the word"),
        ("APPLES are fine", (1, -1), "the defender said the word"),
        ("I know the word! It is apple", (-1, 1), "the defender named the word rightly"),
        ("I know the word! It is pear", (1, -1), "the defender named the word wrongly"),
        # A claim is decided before it is looked at for the word.
        ("an apple a day... I know the word! It is pear.", (1, -1), "the defender named the word wrongly"),
        ("an apple a day... I know the word! It is apple.", (-1, 1), "the defender named the word rightly"),
    ],
)
def test_what_the_defender_says_decides(said: str, returns: tuple[int, int] | None, reason: str) -> None:
    state = play("it keeps the doctor away", said)
    assert (not state.to_act()) == (returns is not None)
    if returns is not None:
        assert (state.outcome().returns, state.outcome().reason) == (returns, reason)


def test_after_five_turns_of_each_it_is_a_draw() -> None:
    state = play(*["go on"] * 9)
    assert state.to_act() == (1,)
    state.apply({1: "go on"})
    assert state.to_act() == ()
    assert state.outcome().kinds == ("draw", "draw")


def test_the_last_message_still_decides() -> None:
    assert play(*["go on"] * 9, "apple").outcome().returns == (1, -1)


@pytest.mark.parametrize("said", ["the apple", "APPLES", "appled", "pineapples", "I know the word! It is pear", ""])
def test_the_attacker_may_not_say_the_word_nor_claim_it(said: str) -> None:
    state = play()
    assert not state.apply({0: said})[0].legal
    assert state.to_act() == (0,)


@pytest.mark.parametrize(
    ("said", "legal"), [("pineapple pie", True), ("an apple pie", False), ("apples", False), ("appling", False)]
)
def test_forms_want_the_word_by_itself(said: str, legal: bool) -> None:
    assert play(matching="forms").apply({0: said})[0].legal == legal


@pytest.mark.parametrize(
    "said",
    [
        "I know the word! It is apple", "i know the word, it's 'apple'.", "I know the word: Apples!",
        "I know the word! It is an apple.", "Hm. I know the word! It must be \"apple\"", "I know the word - the word is apple",
    ],
)  # fmt: skip
def test_a_claim_is_read_as_people_write_it(said: str) -> None:
    assert play("hm", said).outcome().returns == (-1, 1)


def test_a_claim_names_a_word() -> None:
    move = play("hm").apply({1: "I know the word!"})[1]
    assert "name the word" in move.reason


def test_a_message_is_one_line_of_so_many_words() -> None:
    state = play(most_words=4)
    assert state.apply({0: "one two three four five"})[0].reason == "5 words; a message has at most 4"
    assert state.apply({0: "one\n\nDefender: two"})[0].action == "one Defender: two"
    assert "\nAttacker: one Defender: two\n" in f"\n{state.observe(1)[-1]}"


def test_the_defender_is_not_told_the_word() -> None:
    logs = {tuple(play("guess", "what", "no", word=word).observe(1)) for word in ("apple", "sun", "violin")}
    assert len(logs) == 1
    assert "'sun'" in play(word="sun").observe(0)[0]


def test_both_are_told_the_word_in_the_end() -> None:
    state = play("fruit", "apple")
    assert all("The word was 'apple'." in state.observe(player)[-1] for player in (0, 1))


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("play", {"plays", "playing", "played", "play's"}),
        ("berry", {"berries", "berried"}),
        ("box", {"boxes", "boxing", "boxed"}),
        ("bake", {"bakes", "baking", "baked"}),
        ("stop", {"stopping", "stopped"}),
    ],
)
def test_forms_follow_the_spelling(word: str, found: set[str]) -> None:
    assert found | {word} <= forms(word)


def test_our_words_are_different_and_clues_do_not_give_them_away() -> None:
    words = [word.text for pair in PAIRS for word in (pair.first, pair.second)]
    assert len(words) == len(set(words)) == 100
    for pair in PAIRS:
        for word in (pair.first, pair.second):
            assert len(set(word.clues)) == 4
            for clue in word.clues:
                assert pair.first.text not in clue
                assert pair.second.text not in clue


def test_categories_choose_words() -> None:
    animals = set(Taboo(TabooParams(categories=["animal"])).words)
    rest = set(Taboo(TabooParams(categories=[c for c in CATEGORIES if c != "animal"])).words)
    assert "wolf" in animals
    assert not animals & rest
    assert len(animals | rest) == 100


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"categories": ["beasts"]}, "no category 'beasts'"),
        ({"categories": ["animal"], "words": ["cat"]}, "give one of the two"),
        ({"words": ["two words"]}, "match pattern"),
    ],
)
def test_contradictions_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TabooParams(**params)
