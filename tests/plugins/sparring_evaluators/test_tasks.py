"""Solve rates on held-out tasks: the interval, the counts by difficulty, and always the same questions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sparring import SparringError, Task
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.testing import make
from sparring.trainer import Trainer
from sparring_evaluators.tasks import Tasks, score, wilson

SMALL = "{use: tiny, hidden: 32, heads: 1, kv_heads: 1, layers: 1, warmup_steps: 0, warmup_examples: 64}"
LANGUAGE = "use: arithmetic, largest: 4, operators: ['+'], operations: [2, 6]"


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (500, 1000, 0.4691, 0.5309)]
)  # fmt: skip
def test_intervals_are_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == pytest.approx((hits / count, low, high), abs=1e-4)


def test_rates_are_also_told_by_difficulty() -> None:
    items = [Task(str(n), facts={"difficulty": n % 2 + 1}) for n in range(4)] + [Task("4")]
    found = score(items, ["1", "", "1", "1", ""], [True, False, False, True, False])
    assert found["solve_rate"] == 0.4
    assert found["missing_rate"] == 0.4
    assert found["solve_rate_at/1"] == 0.5
    assert found["solve_rate_at/2"] == 0.5
    assert found["solve_rate_low"] < 0.4 < found["solve_rate_high"]


def test_questions_are_all_different_the_same_for_everybody_and_held_out() -> None:
    tasks = {"use": "arithmetic", "largest": 4, "operations": [2, 6], "split": "heldout"}
    one, other = (make("evaluator", "tasks", tasks=tasks, items=300)._draw() for _ in range(2))
    assert one == other
    assert len({task.prompt for task in one}) == 300
    assert all(task.facts["held_out"] for task in one)


def test_a_source_with_too_few_tasks_is_refused() -> None:
    made: Tasks = make("evaluator", "tasks", tasks={"use": "arithmetic", "largest": 1, "operations": [0, 0]}, items=3)
    with pytest.raises(SparringError, match=r"gave only [012] different tasks"):
        made._draw()


def trainer_of(name: str, sets: Sequence[str]) -> Trainer:
    host = load_plugins()
    source = find_recipe(name, host.recipe_packages)
    small = [f"policies.main.model={SMALL}", "train.threads=1"]
    return assemble(load_recipe(source, host.registry, smoke=True, sets=[*small, *sets]))


def test_a_policy_that_knows_nothing_solves_nothing() -> None:
    trainer = trainer_of("arithmetic/proposer_solver", ["evaluate.0.name=sums_1", "evaluate.0.temperature=0"])
    found = trainer.evaluate(final=True)
    assert found["eval/tasks/sums_1/solve_rate"] == 0
    assert found == trainer.evaluate(final=True)


@pytest.mark.parametrize(
    ("more", "reason"),
    [("entry: kuhn_poker", "'kuhn_poker' is none"), ("items: 20", "there is none")],
)
def test_an_entry_that_asks_no_tasks_is_refused(more: str, reason: str) -> None:
    evaluator = f"{{use: tasks, tasks: {{{LANGUAGE}}}, every: 1, {more}}}"
    trainer = trainer_of("kuhn_poker/quickstart", [f"evaluate=[{evaluator}]"])
    with pytest.raises(SparringError, match=reason):
        trainer.evaluate(final=True)


def test_a_policy_that_is_not_there_is_refused() -> None:
    trainer = trainer_of("arithmetic/proposer_solver", ["evaluate.0.policy=other"])
    with pytest.raises(SparringError, match="'other' is no policy of this recipe"):
        trainer.evaluate(final=True)
