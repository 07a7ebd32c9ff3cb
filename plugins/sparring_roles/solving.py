"""What schemes with a solver share: how a task is put to it, where its answer stands, how attempts are rewarded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Protocol, runtime_checkable

from pydantic import Field, field_validator, model_validator

from sparring import Chance, Choice, Params, Table, Task, TaskSource, Transcript, Turn, component

SOLVER = "solver"


@runtime_checkable
class ReadsTasks(Protocol):
    """A task source that also understands tasks that somebody else wrote.

    A task with the fact ``held_out`` is never trained on; the fact ``difficulty`` is a number.
    """

    def draw(self, chance: Chance) -> Task: ...

    def read(self, text: str) -> Task:
        """The task that ``text`` states. Raises `ValueError` with the reason if it states none."""
        ...

    def statement(self, task: Task) -> str:
        """What `read` reads as ``task``."""
        ...


class SolvingParams(Params):
    tasks: Annotated[Choice[TaskSource], component("task")] = Field(
        description="Where tasks come from, and what can be read as one."
    )
    attempts: int = Field(
        8,
        ge=0,
        description="Trained attempts at a task, each a fork of its own: a group under the key [start, role, task].",
    )
    judge: str = Field(
        "answer",
        description="The judge that scores attempts: exact_match where the answer is known, majority_vote where it is hidden.",
    )
    check: str | None = Field(
        None,
        description="A judge that rewards nothing and measures: the share of attempts that are right by the reference, and "
        "whether a vote is. None: nothing is measured beside the reward.",
    )
    format_reward: float = Field(
        0.0,
        ge=0,
        description="Part `format` of an attempt with an answer in its tags (R-Zero: 0.1, and 0.9 for a right one).",
    )
    system: str = Field("", description="System message of every role; empty for none.")
    solve: str = Field(
        "{task}\nGive the final answer as <a>answer</a>.", description="What the solver is told; {task} is the task."
    )
    answer_tag: str = Field(
        "a", pattern=r"^[a-z]*$", description="The tag the answer stands in, the last one; empty: the whole answer."
    )
    known: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of right answers in the examples that a model is warmed up on; the others answer another task.",
    )

    @field_validator("solve")
    @classmethod
    def _has_the_task(cls, text: str) -> str:
        if "{task}" not in text:
            raise ValueError(f"'solve' must have {{task}} where the task goes; got {text!r}")
        return text

    @model_validator(mode="after")
    def _tag_is_asked_for(self) -> SolvingParams:
        if self.answer_tag and f"<{self.answer_tag}>" not in self.solve + self.system:
            raise ValueError(
                f"neither 'solve' nor 'system' tells the solver to answer in <{self.answer_tag}>; say so, or change 'answer_tag'"
            )
        return self


@dataclass(frozen=True, slots=True)
class Solved:
    """What became of a task. ``rate`` is the share that the judge saw solved, ``label`` the answer it takes for right."""

    rate: float
    label: str
    attempts: list[Turn] = field(default_factory=list)


class Solving:
    """Asks the solver and rewards it."""

    def __init__(self, params: SolvingParams) -> None:
        self.params = params

    def question(self, task: Task) -> str:
        return self.params.solve.replace("{task}", task.prompt)

    def answer_in(self, public: str) -> str:
        """The answer in what a solver said; empty if there is none."""
        return inside(public, self.params.answer_tag)

    async def solve(self, table: Table, task: Task, probes: int = 0, label: str | None = None) -> Solved:
        """``probes`` untrained attempts and the trained ones, judged and rewarded.

        If there are probes they alone decide the rate and the label, and the attempts are scored against that label. With a
        ``label`` given, that is the answer taken for right, whatever the task's own is.
        """
        p = self.params
        conversation = table.conversation(SOLVER, system=p.system)
        conversation.say(self.question(task))
        probing = await table.act(SOLVER, conversation, n=probes, tag="probe") if probes else []
        attempts = await table.act(SOLVER, conversation, n=p.attempts, tag="attempt") if p.attempts else []
        for turn in probing:
            turn.trained = False
        for turn in [*probing, *attempts]:
            table.label(turn, task=task.prompt, legal=bool(self.answer_in(turn.public)))
        deciding = probing or attempts
        asked = task if label is None else replace(task, answer=label)
        verdict = await table.judge(p.judge, task=asked, answers=self._answers(deciding), label=label or "")
        solved = Solved(float(verdict.detail["rate"]), verdict.label, attempts)
        if probing and attempts:
            verdict = await table.judge(p.judge, task=asked, answers=self._answers(attempts), label=solved.label)
        for turn, value in zip(attempts, verdict.values if attempts else (), strict=True):
            table.reward(turn, p.judge, value)
            if p.format_reward and turn.labels["legal"]:
                table.reward(turn, "format", p.format_reward)
        table.note(rate=solved.rate, undecided=not solved.label)
        if p.check is not None and task.answer is not None:
            true = await table.judge(p.check, task=task, answers=[*self._answers(deciding), solved.label])
            hits = [value > 0 for value in true.values]
            table.note(solve_rate=sum(hits[:-1]) / len(deciding), label_right=hits[-1])
        return solved

    def _answers(self, turns: Sequence[Turn]) -> list[str]:
        return [self.answer_in(turn.public) for turn in turns]

    def example(self, tasks: TaskSource, chance: Chance) -> Transcript:
        """A task with an answer in the right format: right as often as `known` says, else that of another task."""
        task = tasks.draw(chance)
        right = chance.pick([True, False], [self.params.known, 1 - self.params.known])
        answer = (task if right else tasks.draw(chance)).answer or ""
        return [
            *opening(self.params.system),
            ("user", self.question(task)),
            ("assistant", wrapped(answer, self.params.answer_tag)),
        ]


def opening(system: str) -> list[tuple[str, str]]:
    return [("system", system)] if system else []


def inside(text: str, tag: str) -> str:
    """What stands in the last ``<tag>…</tag>``, without space around it; with no ``tag`` the whole text."""
    if not tag:
        return text.strip()
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return found[-1].strip() if found else ""


def wrapped(text: str, tag: str) -> str:
    return f"<{tag}>{text}</{tag}>" if tag else text


def trained_tokens(turns: Sequence[Turn]) -> int:
    """Sampled tokens of turns that are trained."""
    return sum(len(span.tokens) for turn in turns if turn.trained for span in turn.spans if span.kind == "sampled")
