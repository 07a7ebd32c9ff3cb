"""The scheme `answer_task`: one role answers tasks, beside demonstrations or not.

The room in which preferences and demonstrations are collected: SPIN compares the policy's own answer with the
demonstration of the same task, SPPO several answers with each other, imitation takes the demonstration alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from sparring import (
    Chance,
    Choice,
    Game,
    Params,
    RoleSpec,
    SparringError,
    Table,
    Task,
    TaskSource,
    Transcript,
    component,
)

ROLE = "solver"


class AnswerTaskParams(Params):
    tasks: Annotated[Choice[TaskSource], component("task")] = Field(description="Where tasks come from.")
    system: str = Field("", description="System message.")
    answers: int = Field(1, ge=0, description="Answers sampled for each task.")
    demonstrate: bool = Field(False, description="Write the task's own answer beside them, as a demonstration.")
    judge: str | None = Field(
        None, description="The judge that rewards each answer: it is told `task` and `answer`, a text. None: no reward."
    )

    @model_validator(mode="after")
    def _something_happens(self) -> AnswerTaskParams:
        if not self.answers and not self.demonstrate:
            raise ValueError("with 'answers: 0' and no demonstration nothing would be written")
        return self


class AnswerTask:
    """One role answers a task, once or several times, beside its demonstration or not."""

    def __init__(self, params: AnswerTaskParams) -> None:
        self.params = params
        self.tasks = params.tasks.make()

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is not None:
            raise SparringError("answer_task takes its tasks from `scheme.tasks` and plays no game; leave `game` out")
        return [RoleSpec(ROLE)]

    @property
    def system(self) -> str:
        return self.params.system

    def question(self, task: Task) -> str:
        """What the solver is told."""
        return task.prompt

    def answer_in(self, public: str) -> str:
        """The whole answer counts."""
        return public.strip()

    async def play(self, table: Table) -> None:
        task = self.tasks.draw(table.chance)
        conversation = table.conversation(ROLE, system=self.params.system)
        conversation.say(self.question(task))
        if self.params.demonstrate:
            if task.answer is None:
                raise SparringError(f"a task without an answer cannot be demonstrated: {task.prompt[:80]!r}")
            table.give(ROLE, conversation.fork(), task.answer)
        if self.params.answers:
            for turn in await table.act(ROLE, conversation, n=self.params.answers):
                if self.params.judge is not None:
                    verdict = await table.judge(self.params.judge, task=task, answer=turn.public)
                    table.reward(turn, self.params.judge, verdict.values[0])

    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        """Tasks with the answers of others: what an answer looks like, and nothing of which one is right."""
        found: list[Transcript] = []
        for _ in range(n):
            asked, other = self.tasks.draw(chance), self.tasks.draw(chance)
            system = [("system", self.params.system)] if self.params.system else []
            found.append([*system, ("user", asked.prompt), ("assistant", other.answer or "")])
        return found
