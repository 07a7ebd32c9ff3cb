"""The arithmetic recipes do in small what they say they do: phases, one word for whose weights the proposer has, rubbish, R-Zero's iteration."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import find_recipe, load_recipe
from sparring.records import Episode
from sparring.trainer import Trainer

SMALL = "{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 1, warmup_steps: 120, warmup_examples: 512, warmup_tokens: 256}"


def trainer_of(name: str, policies: Sequence[str], *sets: str, model: str = SMALL) -> Trainer:
    host = load_plugins()
    small = [f"policies.{policy}.model={model}" for policy in policies]
    source = find_recipe(f"arithmetic/{name}", host.recipe_packages)
    return assemble(load_recipe(source, host.registry, smoke=True, sets=[*small, "train.threads=1", *sets]))


def weights(trainer: Trainer) -> dict[str, dict[str, torch.Tensor]]:
    return {
        name: {n: p.detach().clone() for n, p in learner.loaded.model.named_parameters()}
        for name, learner in trainer.learners.items()
    }


def changed(before: dict[str, dict[str, torch.Tensor]], after: dict[str, dict[str, torch.Tensor]]) -> set[str]:
    return {name for name in before if any(not after[name][n].equal(p) for n, p in before[name].items())}


def finite(metrics: dict[str, float]) -> bool:
    return all(map(math.isfinite, metrics.values()))


@pytest.mark.parametrize("word", ["solver", "adapter", "model"])
def test_one_word_says_whose_weights_the_proposer_has_and_a_phase_trains_no_others(word: str) -> None:
    policies = ["solver", "adapter", "model"]
    trainer = trainer_of("alternating", policies, f"roles.proposer={word}", "batch.size=16")
    base = {
        name: {n: p for n, p in learner.loaded.model.named_parameters() if ".lora_" not in n}
        for name, learner in trainer.learners.items()
    }
    assert all(base["solver"][name] is p for name, p in base["adapter"].items())
    assert not set(map(id, base["model"].values())) & set(map(id, base["solver"].values()))
    for role, holder in (("proposer", word), ("solver", "solver")):
        before = weights(trainer)
        metrics, episodes = trainer.step()
        assert changed(before, weights(trainer)) == {holder}
        assert {(turn.role, turn.holder) for e in episodes for turn in e.turns if turn.trained} == {(role, holder)}
        assert finite(metrics)
        assert metrics["episodes_failed"] == 0


def test_a_proposer_that_writes_rubbish_is_counted_and_never_nan() -> None:
    """Weights that know nothing: no proposal can be read, so the solver is never asked and all are paid alike."""
    trainer = trainer_of(
        "proposer_solver", ["main"], "objective.kl_coef=0", model=SMALL.replace("steps: 120", "steps: 0")
    )
    before = weights(trainer)
    metrics, episodes = trainer.step()
    assert metrics["illegal_rate/sums/proposer"] == metrics["facts/sums/unreadable"] == 1
    assert metrics["reward/sums/proposer"] == -1
    assert metrics["zero_advantage_rate"] == 1
    assert "reward/sums/solver" not in metrics
    assert finite(metrics)
    assert all(turn.role == "proposer" for episode in episodes for turn in episode.turns)
    assert not changed(before, weights(trainer))


def test_groups_that_are_all_right_or_all_wrong_have_no_advantage() -> None:
    """Whatever is answered, it pays the same."""
    trainer = trainer_of("fixed_curriculum", ["main"], "judges.answer={use: exact_match, right: 0.0}")
    metrics, _ = trainer.step()
    assert metrics["zero_advantage_rate"] == 1
    assert metrics["advantage/sums/solver/mean"] == metrics["advantage/sums/solver/std"] == 0
    assert finite(metrics)


def test_both_arms_of_the_comparison_begin_with_the_same_weights_and_questions() -> None:
    arms = [trainer_of(name, ["main"]) for name in ("proposer_solver", "fixed_curriculum")]
    assert not changed(weights(arms[0]), weights(arms[1]))
    scored = [arm.evaluate(final=True) for arm in arms]
    assert scored[0] == scored[1]


def _tasks(episodes: Sequence[Episode]) -> set[object]:
    return {turn.labels["task"] for episode in episodes for turn in episode.turns if turn.role == "solver"}


def terse(*languages: str) -> list[str]:
    """Prompts and tasks that a tiny model has words for, of each entry in turn."""
    plain = {"task_tag": '""', "answer_tag": '""', "solve": '"{task}"'}
    return [
        f"play.{entry}.scheme.{key}={value}"
        for entry, language in enumerate(languages)
        for key, value in {**plain, "tasks": language}.items()
    ]


def _language(*operators: str, most: int) -> str:
    return f"{{use: arithmetic, largest: 4, operators: {list(operators)}, operations: [1, {most}], heldout: 0.1}}"


def test_r_zero_goes_through_its_phases_and_the_solver_learns_from_votes() -> None:
    """Challenger, labelling, solver: each phase trains one policy or none, and tasks in the band reach the third."""
    short = [*terse(*[_language("+", most=3)] * 3), *(f"play.{entry}.scheme.propose=new" for entry in range(3))]
    trainer = trainer_of("r_zero", ["challenger", "solver"], *short, "batch.size=12")
    start = weights(trainer)
    metrics, _ = trainer.step()
    after_challenge = weights(trainer)
    assert changed(start, after_challenge) == {"challenger"}
    assert finite(metrics)
    metrics, labelled = trainer.step()
    assert not changed(after_challenge, weights(trainer))
    assert finite(metrics)
    kept = [value for episode in labelled for name, value in episode.additions if name == "labelled"]
    assert kept
    assert all(0.3 <= value["rate"] <= 0.8 and value["answer"] for value in kept)
    metrics, solved = trainer.step()
    assert changed(after_challenge, weights(trainer)) == {"solver"}
    assert metrics["facts/solve/stored"] == 1
    assert _tasks(solved) <= {value["task"] for value in kept}
    assert finite(metrics)


def test_absolute_zero_has_six_baselines() -> None:
    short = [
        *terse(*(_language(operator, most=2) for operator in "+-*")),
        *(f'play.{entry}.scheme.propose="{{references}}"' for entry in range(3)),
    ]
    trainer = trainer_of("absolute_zero", ["main"], *short, "advantage.count=turns", "batch.size=48")
    metrics, episodes = trainer.step()
    means = [value for name, value in metrics.items() if name.startswith("advantage/") and name.endswith("/mean")]
    assert len(means) == 6
    assert means == pytest.approx([0.0] * 6, abs=1e-6)
    paid = {turn.reward for episode in episodes for turn in episode.turns if turn.role == "solver" and turn.trained}
    assert paid <= {1.0, -0.5, -1.0}
    assert finite(metrics)
