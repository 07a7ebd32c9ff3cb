"""The scheme `proposer_solver`: one role sets a task, the other attempts it; the setter is paid for tasks of the right difficulty.

The family of R-Zero (Huang et al. 2025, arXiv:2508.05004) and Absolute Zero (Zhao et al. 2025, arXiv:2505.03335). Which of them it is,
the recipe says: whether the answer is known (`exact_match`) or voted (`majority_vote`), which shaper pays the proposer
(`difficulty`), what a bad proposal costs, which tasks the solver is trained on, and whether both learn at once or in phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sparring import Chance, Game, RoleSpec, SparringError, Table, Task, Transcript, Turn
from sparring_roles.solving import (
    SOLVER,
    ReadsTasks,
    Solved,
    Solving,
    SolvingParams,
    inside,
    opening,
    trained_tokens,
    wrapped,
)

PROPOSER = "proposer"


class ProposerSolverParams(SolvingParams):
    task_from: Literal["proposer", "tasks", "store"] = Field(
        "proposer",
        description="Who sets the tasks. tasks: nobody, they are drawn from `tasks`, a fixed curriculum. store: they are drawn from "
        "the store that another entry fills, with the answers voted right there; from `tasks` as long as it is empty.",
    )
    train: list[Literal["proposer", "solver"]] = Field(
        ["proposer", "solver"],
        description="Roles whose turns are trained here, if a trainable policy holds them; [] only fills the store.",
    )
    probes: int = Field(
        0,
        ge=0,
        description="Further attempts that are never trained and alone decide the solve rate and the vote (Absolute Zero: 8, "
        "R-Zero's labelling: 9); 0: the trained attempts decide.",
    )
    propose: str = Field(
        "Set an arithmetic task that is hard but can be solved. Give it as <q>task</q>.\n{references}",
        description="What the proposer is told; {references} are past tasks, each in the tag on a line of its own.",
    )
    task_tag: str = Field(
        "q", pattern=r"^[a-z]*$", description="The tag the task stands in, the last one; empty: the whole answer."
    )
    references: int = Field(
        6, ge=0, description="Past tasks that the proposer is shown; too few of them are filled up from `tasks`."
    )
    store: str | None = Field(
        "proposed", description="Name of the store that keeps tasks for references and other entries; None: none."
    )
    capacity: int | None = Field(16384, ge=1, description="Tasks the store keeps, the newest; None: all.")
    difficulty: str = Field("difficulty", description="The judge that pays the proposer for its task's solve rate.")
    repetition: str | None = Field(
        None,
        description="The judge of the whole step whose value is subtracted for a task like many others; None: none.",
    )
    repetition_of: Literal["parsed", "all"] = Field(
        "parsed",
        description="Whose proposals are clustered and pay: those that could be read, or all (R-Zero's repository).",
    )
    floor: float | None = Field(
        None, description="Least that difficulty minus repetition comes to (R-Zero's paper: 0); None: no bound."
    )
    invalid: float = Field(
        -1.0,
        description="The proposer's reward for what cannot be read as a task (Absolute Zero and R-Zero's repository: -1).",
    )
    train_band: tuple[float, float] | None = Field(
        None,
        description="The solver is trained on, and the store keeps, only tasks whose solve rate is within, ends included (R-Zero: "
        "0.3 to 0.8); None: all.",
    )

    @field_validator("train_band")
    @classmethod
    def _band_is_in_order(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band is not None and not 0 <= band[0] <= band[1] <= 1:
            raise ValueError(f"is the lowest and the highest solve rate, between 0 and 1; got {band[0]} and {band[1]}")
        return band

    @model_validator(mode="after")
    def _parts_fit(self) -> ProposerSolverParams:
        if self.references and "{references}" not in self.propose:
            raise ValueError(
                f"'propose' has no {{references}}, so the {self.references} past tasks would not be shown; add it or set references: 0"
            )
        if self.task_tag and f"<{self.task_tag}>" not in self.propose + self.system:
            raise ValueError(
                f"neither 'propose' nor 'system' tells the proposer to use <{self.task_tag}>; say so, or change 'task_tag'"
            )
        if self.attempts + self.probes == 0:
            raise ValueError("with 'attempts: 0' and 'probes: 0' nobody would try the tasks")
        if "solver" in self.train and self.attempts == 0:
            raise ValueError("'train' names the solver, but with 'attempts: 0' it has no turn to train")
        if self.task_from == "store" and self.store is None:
            raise ValueError("'task_from: store' needs the name of a store; got store: null")
        return self


class ProposerSolver:
    """A proposer sets a task, a solver attempts it several times (R-Zero, Absolute Zero).

    Labels for estimators: every turn has ``task``, the attempts that of their task, proposals an empty one. So the key
    ``[role, task]`` compares attempts at one task, and proposals with all proposals of the step; ``[start, role]`` compares
    proposals of one group. Proposals that cannot be read, and held-out ones, are not attempted; nobody is trained on the latter.
    """

    def __init__(self, params: ProposerSolverParams) -> None:
        self.params = params
        self.solving = Solving(params)
        self._tasks = reader(params)

    def roles(self, game: Game | None) -> Sequence[RoleSpec]:
        if game is not None:
            raise SparringError("proposer_solver takes tasks from `scheme.tasks` and plays no game; leave `game` out")
        roles = [PROPOSER, SOLVER] if self.params.task_from == "proposer" else [SOLVER]
        return [RoleSpec(role, role in self.params.train) for role in roles]

    # ---- what evaluators ask ---------------------------------------------------------------------------------------------

    @property
    def system(self) -> str:
        return self.params.system

    def question(self, task: Task) -> str:
        return self.solving.question(task)

    def answer_in(self, public: str) -> str:
        return self.solving.answer_in(public)

    # ---- play ------------------------------------------------------------------------------------------------------------

    async def play(self, table: Table) -> None:
        if self.params.task_from != "proposer":
            await self._play_given(table)
            return
        conversation = table.conversation(PROPOSER, system=self.params.system)
        conversation.say(self._request(self._shown(table)))
        (proposal,) = await table.act(PROPOSER, conversation)
        text = inside(proposal.public, self.params.task_tag)
        try:
            task = self._tasks.read(text)
        except ValueError as error:
            table.label(proposal, task="", legal=False)
            table.note(unreadable=True, held_out=False, reason=str(error))
            if self.params.repetition_of == "all":
                await self._pay(table, proposal, text, self.params.invalid)
            else:
                table.reward(proposal, "invalid", self.params.invalid)
            table.note(trained_tokens=trained_tokens([proposal]))
            return
        held_out = bool(task.facts.get("held_out"))
        table.label(proposal, task="", legal=True)
        table.note(unreadable=False, held_out=held_out, task=text, difficulty=task.facts.get("difficulty"))
        if held_out:
            # It is what the solver is measured on. Nobody can know that it is, so the proposer neither gains nor pays.
            proposal.trained = False
            table.note(trained_tokens=0)
            return
        solved = await self.solving.solve(table, task, self.params.probes)
        self._sort(table, task, solved)
        value = (await table.judge(self.params.difficulty, rate=solved.rate)).values[0]
        await self._pay(table, proposal, self._tasks.statement(task), value)
        table.note(trained_tokens=trained_tokens([proposal, *solved.attempts]))

    async def _play_given(self, table: Table) -> None:
        kept = self._kept(table) if self.params.task_from == "store" else []
        item = table.chance.pick(kept) if kept else None
        task = self._tasks.draw(table.chance) if item is None else self._tasks.read(item["task"])
        table.note(stored=item is not None, difficulty=task.facts.get("difficulty"))
        solved = await self.solving.solve(table, task, self.params.probes, None if item is None else item["answer"])
        if self.params.train_band is not None:
            self._sort(table, task, solved)
        table.note(trained_tokens=trained_tokens(solved.attempts))

    def _kept(self, table: Table) -> Sequence[Any]:
        return [] if self.params.store is None else table.store(self.params.store, self.params.capacity).items()

    def _sort(self, table: Table, task: Task, solved: Solved) -> None:
        """Train on the task and keep it, or neither."""
        band = self.params.train_band
        fits = bool(solved.label) and (band is None or band[0] <= solved.rate <= band[1])
        table.note(in_band=fits)
        if not fits:
            for turn in solved.attempts:
                turn.trained = False
        elif self.params.store is not None and self.params.task_from == "proposer":
            kept = {"task": self._tasks.statement(task), "answer": solved.label, "rate": solved.rate}
            table.store(self.params.store, self.params.capacity).add(kept)

    async def _pay(self, table: Table, proposal: Turn, text: str, value: float) -> None:
        """Reward parts `difficulty` (or `invalid`) and `repetition`, which add up to the proposer's reward."""
        part = self.params.difficulty if proposal.labels["legal"] else "invalid"
        table.reward(proposal, part, value)
        if self.params.repetition is not None:
            penalty = (await table.judge(self.params.repetition, text=text)).values[0]
            if self.params.floor is not None:
                penalty = min(penalty, max(0.0, value - self.params.floor))
            table.reward(proposal, "repetition", -penalty)

    # ---- what the proposer is told ---------------------------------------------------------------------------------------

    def _shown(self, table: Table) -> list[str]:
        """Past tasks without replacement, filled up with drawn ones."""
        known = self._kept(table)
        numbers = pick_some(table.chance, len(known), self.params.references)
        return self._filled([known[number]["task"] for number in numbers], table.chance)

    def _filled(self, shown: list[str], chance: Chance) -> list[str]:
        while len(shown) < self.params.references:
            shown.append(self._tasks.statement(self._tasks.draw(chance)))
        return shown

    def _request(self, shown: Sequence[str]) -> str:
        lines = "\n".join(wrapped(statement, self.params.task_tag) for statement in shown)
        return self.params.propose.replace("{references}", lines).strip()

    def examples(self, chance: Chance, n: int) -> list[Transcript]:
        """Proposals and attempts, half of each, in the right format: tasks as drawn, answers right as often as `known` says."""
        return [
            self._proposal(chance) if chance.pick([True, False]) else self.solving.example(self._tasks, chance)
            for _ in range(n)
        ]

    def _proposal(self, chance: Chance) -> Transcript:
        asked = self._request(self._filled([], chance))
        answer = wrapped(self._tasks.statement(self._tasks.draw(chance)), self.params.task_tag)
        return [*opening(self.params.system), ("user", asked), ("assistant", answer)]


def reader(params: SolvingParams) -> ReadsTasks:
    """The task source, which must read tasks. Raises `SparringError` if it cannot."""
    made = params.tasks.make()
    if not isinstance(made, ReadsTasks):
        raise SparringError(
            f"the task source '{params.tasks.use}' cannot read a task that somebody wrote (it has no 'read' and 'statement'); "
            "'arithmetic' can"
        )
    return made


def pick_some(chance: Chance, count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` different numbers below ``count``, all equally likely."""
    found: list[int] = []
    while len(found) < min(count, wanted):
        number = chance.pick(range(count))
        if number not in found:
            found.append(number)
    return found
