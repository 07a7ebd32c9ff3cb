"""Answers that a test lists, played as real tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sparring import (
    Chance,
    Completion,
    Game,
    PluginError,
    Request,
    RoleSpec,
    Sampling,
    SparringError,
    State,
    Table,
    Transcript,
    Verdict,
)
from sparring.build import spans_at
from sparring.errors import GenerationError
from sparring.stores import Stores
from sparring.testing import CheckFailed, ScriptedGenerator, byte_chat, make, play_episode, trajectory


class AskAndAnswer:
    """The asker asks what comes to its mind, the answerer answers, and a judge compares."""

    def roles(self, game: Game | None) -> list[RoleSpec]:
        return [RoleSpec("asker", trainable=False), RoleSpec("answerer")]

    async def play(self, table: Table) -> None:
        topic = table.chance.pick(["stars", "fish"])
        asker = table.conversation("asker", system="You ask.")
        asker.say(f"Ask about {topic}.")
        (question,) = await table.act("asker", asker)
        answerer = table.conversation("answerer")
        answerer.say(question.public)
        first, second = await table.act("answerer", answerer, n=2)
        verdict = await table.judge("longer", first=first.public, second=second.public)
        table.reward(first, "longer", verdict.values[0])
        table.reward(first, "spoke", 0.5)
        table.reward(second, "longer", verdict.values[1])
        table.note(topic=topic)
        table.store("questions").add(question.public)


class Longer:
    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        return [
            Verdict((float(len(i["first"]) > len(i["second"])), float(len(i["first"]) < len(i["second"]))))
            for i in items
        ]


ANSWERS = {"asker": ["How <think>cold</think>many?"], "answerer": ["three", "a lot"]}


def test_an_episode_has_the_answers_their_tokens_and_their_rewards() -> None:
    stores = Stores()
    episode = play_episode(AskAndAnswer(), answers=ANSWERS, judges={"longer": Longer()}, stores=stores)
    question, first, second = episode.turns
    assert [turn.text for turn in episode.turns] == ["How <think>cold</think>many?", "three", "a lot"]
    assert (question.public, question.private, question.trained) == ("How many?", "cold", False)
    assert (first.rewards, first.reward) == ({"longer": 0.0, "spoke": 0.5}, 0.5)
    assert second.reward == 0.0
    assert episode.facts["topic"] in ("stars", "fish")
    assert list(stores.open("questions", None)) == ["How many?"]
    chat = byte_chat()
    assert [chat.tokenizer.decode(row.tokens) for row in episode.rows] == [
        f"<|system|>You ask.<|end|><|user|>Ask about {episode.facts['topic']}.<|end|><|assistant|>{question.text}<|end|>",
        "<|user|>How many?<|end|><|assistant|>three<|end|>",
        "<|user|>How many?<|end|><|assistant|>a lot<|end|>",
    ]
    for row in episode.rows:
        for turn in row.turns:
            assert [chat.decode(span.tokens) for _, span in spans_at(row, turn)] == [turn.text]
    assert [t.total for t in episode.trajectories()] == [0.5, 0.0]


def test_chance_follows_the_seed() -> None:
    def topic(seed: int) -> object:
        return play_episode(AskAndAnswer(), answers=ANSWERS, judges={"longer": Longer()}, seed=seed).facts["topic"]

    assert [topic(seed) for seed in range(8)] == [topic(seed) for seed in range(8)]
    assert len({topic(seed) for seed in range(8)}) == 2


def test_answers_that_are_missing_or_left_over_are_told() -> None:
    with pytest.raises(
        GenerationError, match=r"'answerer' is asked for answer 2, but the test lists 1; it has seen .*How"
    ):
        play_episode(AskAndAnswer(), answers={**ANSWERS, "answerer": ["three"]}, judges={"longer": Longer()})
    with pytest.raises(CheckFailed, match=r"nobody asked for \{'asker': \['again'\]\}"):
        play_episode(AskAndAnswer(), answers={**ANSWERS, "asker": ["How?", "again"]}, judges={"longer": Longer()})


def test_what_a_scheme_raises_is_raised() -> None:
    with pytest.raises(SparringError, match="a judge called 'longer'; the recipe's judges are none"):
        play_episode(AskAndAnswer(), answers=ANSWERS)
    with pytest.raises(IndexError):
        play_episode(AskAndAnswer(), answers=ANSWERS, judges={"longer": Undecided()})


class Undecided(Longer):
    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        return [Verdict() for _ in items]


class AsksAPolicy:
    """A judge that has a policy of the recipe answer."""

    def attach(self, voice: Any) -> None:
        self.voice = voice

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        transcripts: list[Transcript] = [[("user", f"{item['first']} or {item['second']}?")] for item in items]
        return [
            Verdict((float(t == "first"), float(t == "second"))) for t in self.voice("arbiter", transcripts, Sampling())
        ]


def test_a_judges_policy_answers_from_the_script_too() -> None:
    episode = play_episode(
        AskAndAnswer(), answers={**ANSWERS, "arbiter": ["second"]}, judges={"longer": AsksAPolicy()}
    )  # fmt: skip
    assert [turn.reward for turn in episode.turns] == [0.0, 0.5, 1.0]


class AlwaysLast:
    def act(self, player: int, state: State, chance: Chance) -> str:
        legal = state.legal_actions(player)
        assert legal
        return legal[-1]


def test_players_may_sit_beside_answers() -> None:
    episode = play_episode(
        make("scheme", "turn_based"), make("game", "tic_tac_toe"), {"player_0": ["1", "2", "3"]},
        judges={"outcome": make("judge", "outcome")}, players={"player_1": AlwaysLast()},
    )  # fmt: skip
    assert [(turn.text, turn.trained) for turn in episode.turns[:2]] == [("1", True), ("9", False)]
    assert episode.facts["returns"] == [1.0, -1.0]


def test_an_answer_may_be_made_when_it_is_asked_for() -> None:
    def shout(request: Request, seen: str) -> str:
        return f"{request.policy} {seen.count('<|user|>')}".upper()

    episode = play_episode(AskAndAnswer(), answers=shout, judges={"longer": Longer()})
    assert [turn.text for turn in episode.turns] == ["ASKER 1", "ANSWERER 1", "ANSWERER 1"]


def test_long_answers_are_cut_off_as_a_models_are() -> None:
    episode = play_episode(
        AskAndAnswer(), answers=ANSWERS, judges={"longer": Longer()}, sampling=Sampling(max_tokens=5)
    )  # fmt: skip
    assert [(turn.text, turn.finish, turn.tokens) for turn in episode.turns[1:]] == [
        ("three", "length", 5), ("a lot", "length", 5),
    ]  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(text: str) -> None:
    generator = ScriptedGenerator({"main": [text]})
    context = generator.chat.open([("user", text)])
    (done,) = generator.generate([Request("main", context, 0, Sampling(max_tokens=1000))])
    assert generator.chat.decode(done.tokens) == text
    assert isinstance(done, Completion)
    assert done.finish == "stop"
    assert len(done.logprobs) == len(done.tokens)
    assert generator.asked == [("main", f"<|user|>{text}<|end|><|assistant|>")]
    assert not generator.left
    assert generator.score("main", [(context, done.tokens)]) == [done.logprobs]


def test_a_trajectory_of_rewards() -> None:
    made = trajectory([0, 1.5], "solver", episode=3, tokens=2, task="sums", start=7)
    assert made.total == 1.5
    assert made.labels == {"game": "game", "role": "solver", "start": 7, "entry": 0, "task": "sums"}
    assert [turn.tokens for turn in made.turns] == [2, 2]


def test_make_reads_parameters_as_a_recipe_does() -> None:
    scheme = make("scheme", "answer_task", tasks={"use": "copy_format", "max_times": 2}, answers=3)
    assert scheme.params.tasks.params.max_times == 2
    with pytest.raises(PluginError, match="did you mean 'kuhn_poker'"):
        make("game", "kuhn_pokr")
    with pytest.raises(ValidationError, match="unknown parameter 'round' of game 'kuhn_poker'"):
        make("game", "kuhn_poker", round=2)
