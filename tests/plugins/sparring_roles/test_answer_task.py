"""What `answer_task` leaves behind: answers and demonstrations of one task, in rows of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sparring import Choice, Completion, Request, Sampling, SparringError, Verdict
from sparring.examples import MessageChat, transcripts
from sparring.play import EpisodePlan, Hall, Held
from sparring.plugins import load_plugins
from sparring_builders.pairs import DataPairs, DataPairsParams
from sparring_roles.answer_task import AnswerTask, AnswerTaskParams
from sparring_tasks.copy_format import CopyFormat, CopyFormatParams, is_held_out


class Parrot:
    """Answers with the key's parity."""

    def __init__(self, chat: MessageChat) -> None:
        self.chat = chat

    def room(self, requests: Sequence[object]) -> int:
        return len(requests)

    def release(self) -> None:
        pass

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        return [Completion(self.chat.answer(f"answer {r.key % 1000}"), [-0.5], "stop") for r in requests]


class Length:
    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        assert all(item["task"].answer for item in items)
        return [Verdict((float(len(item["answer"])),)) for item in items]


def scheme(**params: Any) -> AnswerTask:
    tasks: Choice[Any] = Choice("copy_format", CopyFormatParams(), load_plugins().registry.get("task", "copy_format"))
    return AnswerTask(
        AnswerTaskParams.model_construct(**{**AnswerTaskParams.model_construct().__dict__, "tasks": tasks, **params})
    )


def plan(number: int, made: AnswerTask) -> EpisodePlan:
    holders = {"solver": Held("main", 0, trained=True)}
    return EpisodePlan(number, 0, None, made, holders, {"length": Length()}, Sampling(), number, (0,), "copying")


def test_answers_and_the_demonstration_stand_in_rows_of_their_own() -> None:
    chat = MessageChat()
    hall = Hall(Parrot(chat), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]  # both speak the protocols' methods
    (episode,) = hall.play([plan(0, scheme(answers=3, demonstrate=True, judge="length"))], 1)
    assert episode.error == ""
    texts = [[chat.messages[token][1] for token in row.tokens] for row in episode.rows]
    assert len(texts) == 4
    assert len({row[0] for row in texts}) == 1
    given = [turn for turn in episode.turns if turn.labels.get("demonstration")]
    assert [turn.trained for turn in given] == [False]
    assert [turn.rewards for turn in episode.turns if turn.trained] == [{"length": float(len(t[1]))} for t in texts[1:]]
    pairs = DataPairs(DataPairsParams()).build([episode])
    assert len(pairs) == 3
    assert all(pair.chosen == episode.rows[given[0].row].tokens for pair in pairs)


def test_examples_have_the_format_and_not_the_answer() -> None:
    found = transcripts([plan(n, scheme()) for n in range(200)])
    assert len(found) == 200
    tasks = CopyFormat(CopyFormatParams())
    assert all([role for role, _ in transcript] == ["user", "assistant"] for transcript in found)
    assert sum(transcript[1][1] == answer_of(transcript[0][1]) for transcript in found) < 5
    assert tasks.params.split == "train"


def answer_of(prompt: str) -> str:
    _, word, times, _, _, _, end = prompt.split()
    return " ".join([word] * int(times)) + end.rstrip(".")


def test_held_out_prompts_are_never_drawn_for_training() -> None:
    from sparring import SeededChance

    chance = SeededChance(0)
    train, held = CopyFormat(CopyFormatParams()), CopyFormat(CopyFormatParams(split="heldout"))
    for _ in range(300):
        task = train.draw(chance)
        assert not is_held_out(task.prompt)
        assert task.answer == answer_of(task.prompt)
        assert is_held_out(held.draw(chance).prompt)


def test_a_game_is_refused() -> None:
    with pytest.raises(SparringError, match="plays no game"):
        scheme().roles(object())  # type: ignore[arg-type]  # any game
