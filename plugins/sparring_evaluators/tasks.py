"""The evaluator `tasks`: what share of held-out tasks a policy solves, asked as the recipe's scheme asks it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import Field

from sparring import Choice, Judge, Params, Sampling, SeededChance, SparringError, Task, TaskSource, component
from sparring.evaluation import Evaluation
from sparring.thoughts import split

_DRAWS = 100  # for each item, until they are all different


@runtime_checkable
class AsksTasks(Protocol):
    """A scheme whose role `solver` can be asked a task without an episode, as `proposer_solver` does."""

    @property
    def system(self) -> str: ...
    def question(self, task: Task) -> str: ...
    def answer_in(self, public: str) -> str:
        """The answer in what the solver said; empty if there is none."""
        ...


def _as_written(default: object) -> Any:
    return default


class TasksParams(Params):
    tasks: Annotated[Choice[TaskSource], component("task")] = Field(
        description="Where the tasks come from; they should be held out from training."
    )
    entry: str = Field("", description="The entry of `play:` whose scheme asks; empty: the first that can.")
    name: str = Field("", description="What it is logged under, where there are several; empty: the entry's name.")
    items: int = Field(1000, ge=2, description="How many tasks, all different, the same ones every time.")
    temperature: float = Field(0.0, ge=0, description="0: the likeliest answer; 1: as the policy is trained.")
    judge: Annotated[Choice[Judge], component("judge")] = Field(
        _as_written("exact_match"), description="Decides which answers are right: whose value is above 0."
    )
    policy: str = Field("", description="Which policy; empty: the one that holds the solver in that entry.")


class Tasks:
    """Solve rate on held-out tasks, with a Wilson interval, also by difficulty."""

    def __init__(self, params: TasksParams) -> None:
        self.params = params
        self._judge = params.judge.make()
        self._items: list[Task] = []

    def evaluate(self, run: Evaluation) -> Mapping[str, float]:
        entry = next((e for e in run.entries if self._means(e.name) and isinstance(e.scheme, AsksTasks)), None)
        if entry is None or not isinstance(entry.scheme, AsksTasks):
            known = ", ".join(f"{e.name} ({type(e.scheme).__name__})" for e in run.entries)
            wanted = f"'{self.params.entry}' is none" if self.params.entry else "there is none"
            raise SparringError(
                f"tasks: needs an entry of `play:` whose scheme puts tasks to a solver, such as proposer_solver; {wanted} (there are: "
                f"{known})"
            )
        scheme = entry.scheme
        policy = self.params.policy or entry.roles["solver"].name
        if policy not in run.hall.chats:
            raise SparringError(
                f"tasks: '{policy}' is no policy of this recipe (there are: {', '.join(run.hall.chats)})"
            )
        items = self._items = self._items or self._draw()
        contexts = []
        for task in items:
            conversation = run.conversation(policy, "solver", scheme.system)
            conversation.say(scheme.question(task))
            contexts.append(list(conversation.context()))
        sampling = Sampling(self.params.temperature, max_tokens=entry.sampling.max_tokens)
        said = run.sample(policy, contexts, 1, sampling, f"tasks/{self.params.name or entry.name}")
        chat = run.hall.chats[policy]
        answers = [scheme.answer_in(split(chat.decode(done.tokens))[0]) for (done,) in said]
        verdicts = self._judge.judge([{"task": t, "answer": a} for t, a in zip(items, answers, strict=True)])
        right = [verdict.values[0] > 0 for verdict in verdicts]
        name = self.params.name or entry.name
        return {f"eval/tasks/{name}/{key}": value for key, value in score(items, answers, right).items()}

    def _means(self, name: str) -> bool:
        return self.params.entry in ("", name)

    def _draw(self) -> list[Task]:
        """Different tasks. They depend on the parameters alone, so that runs and seeds are compared on the same ones."""
        source, chance = self.params.tasks.make(), SeededChance("evaluator tasks")
        found: dict[str, Task] = {}
        for _ in range(_DRAWS * self.params.items):
            task = source.draw(chance)
            found.setdefault(task.prompt, task)
            if len(found) == self.params.items:
                return list(found.values())
        raise SparringError(
            f"tasks: {_DRAWS * self.params.items} draws from '{self.params.tasks.use}' gave only {len(found)} different tasks; lower "
            f"'items' ({self.params.items}) or widen the source"
        )


def score(items: Sequence[Task], answers: Sequence[str], right: Sequence[bool]) -> dict[str, float]:
    """Share of right answers with its 95 % interval, of missing ones, and of right ones by the tasks' `difficulty`."""
    rate, low, high = wilson(sum(right), len(right))
    found = {
        "solve_rate": rate,
        "solve_rate_low": low,
        "solve_rate_high": high,
        "missing_rate": sum(not answer for answer in answers) / len(answers),
    }
    by_difficulty: dict[str, list[bool]] = defaultdict(list)
    for task, hit in zip(items, right, strict=True):
        if "difficulty" in task.facts:
            by_difficulty[f"{task.facts['difficulty']}"].append(hit)
    return found | {f"solve_rate_at/{level}": sum(hits) / len(hits) for level, hits in sorted(by_difficulty.items())}


def wilson(hits: int, count: int) -> tuple[float, float, float]:
    """A share and the ends of its 95 % interval (Wilson 1927)."""
    z = 1.959964
    rate = hits / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return rate, max(0.0, centre - half), min(1.0, centre + half)
