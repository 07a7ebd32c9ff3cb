"""`train.staleness: 1`: the next step is played by a copy of the weights as they were, while this one is learned from."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sparring import Completion, LoadedModel, RunEnded, StepEnded, checkpoint, hookimpl, transcripts
from sparring.adapters import trained_parameters, twin
from sparring.assemble import assemble
from sparring.errors import GenerationError, NumericsError, RecipeError
from sparring.plugins import Host, load_plugins
from sparring.recipe import Recipe, RecipeSource, load_recipe
from sparring.records import Episode
from sparring.run import Run
from sparring.trainer import Trainer

RECIPE = """
format: 1
policies:
  main: {model: {use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 0}ADAPTER}
play: [{game: {use: kuhn_poker, wording: terse}}]
advantage: role_conditioned
objective: {use: truncated_importance, normalize: token_sum}
opponents: {use: uniform_pool, every: 2, size: 2}
sampling: {max_tokens: 3}
batch: {size: 8}
train: {steps: 6, threads: 1, learning_rate: 1.0e-2, staleness: 1}
checkpoint: {every: 50}
transcripts: {every: 1}
"""
SOURCE = RecipeSource("test", RECIPE.replace("ADAPTER", ""), "test")
Play = Callable[..., dict[int, Completion]]


def recipe(*sets: str, source: RecipeSource = SOURCE) -> Recipe:
    return load_recipe(source, load_plugins().registry, sets=sets)


def in_play() -> bool:
    return threading.current_thread().name.startswith("play")


def sample_by(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, how: Callable[[Play], Play]) -> None:
    generator: Any = trainer.generator
    monkeypatch.setattr(generator, "advance", how(generator.advance))


def scores(loaded: LoadedModel, episodes: Sequence[Episode], policy: str = "main") -> list[tuple[int, float, float]]:
    """Of sampled tokens of a policy: the version that is on record, the sampler's log-probability and that of ``loaded``.

    The model's own forward pass of a whole row, without any of what plays or learns.
    """
    found = []
    for episode in episodes:
        for turn in episode.turns:
            if turn.holder != policy:
                continue
            row = torch.tensor([episode.rows[turn.row].tokens])
            model = twin(loaded).model
            model.set_attn_implementation("eager")
            with torch.no_grad():
                logprobs = torch.log_softmax(model(row).logits[0].float(), -1)
            for i, (token, sampled) in enumerate(zip(turn.spans[0].tokens, turn.spans[0].logprobs, strict=True)):
                found.append((turn.version, sampled, logprobs[turn.start + i - 1, token].item()))
    return found


# ---- who plays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ["", ", adapter: {rank: 4}"])
def test_a_step_is_played_by_the_version_on_record_though_the_learner_is_one_ahead(
    monkeypatch: pytest.MonkeyPatch, adapter: str
) -> None:
    """Nothing is sampled beside before the learner's weights have changed: the copy has to be one."""
    trainer = assemble(recipe(source=RecipeSource("test", RECIPE.replace("ADAPTER", adapter), "test")))
    learner, learned = trainer.learners["main"], threading.Event()
    update, beside = learner.update, list[int]()

    def tells(*args: Any) -> Any:
        report = update(*args)
        learned.set()
        return report

    def waits(advance: Play) -> Play:
        def advance_late(*until: Callable[[], bool]) -> dict[int, Completion]:
            if in_play():
                assert learned.wait(60)
                beside.append(step)
            return advance(*until)

        return advance_late

    monkeypatch.setattr(learner, "update", tells)
    sample_by(trainer, monkeypatch, waits)
    versions = [twin(learner.loaded)]
    for step in range(1, 7):
        learned.clear()
        metrics, episodes = trainer.step()
        versions.append(twin(learner.loaded))
        sampled_by = max(0, step - 2)
        own = scores(versions[sampled_by], episodes)
        assert {version for version, _, _ in own} == {sampled_by}
        assert max(abs(sampled - ours) for _, sampled, ours in own) < 1e-4
        if step > 1:  # and the one that the learner began with would have said something else
            others = scores(versions[step - 1], episodes)
            assert max(abs(sampled - theirs) for _, sampled, theirs in others) > 1e-3
        assert metrics["staleness/main"] == step - 1 - sampled_by <= 1
    assert beside  # it did happen


def test_records_beyond_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = assemble(recipe())
    trainer.step()
    trainer.learners["main"].version = 2
    with pytest.raises(AssertionError, match="2"):
        trainer.step()


def test_the_default_is_strictly_on_policy_and_keeps_no_copy() -> None:
    trainer = assemble(recipe("train.staleness=0", "objective=policy_gradient"))
    for step in range(1, 4):
        metrics, episodes = trainer.step()
        assert {turn.version for e in episodes for turn in e.turns if turn.trained} == {step - 1}
        assert not any(name.startswith("staleness/") for name in metrics)
        assert metrics["logprob_gap/main"] < 1e-4
        assert trainer.state_dict()["ahead"] is None
    known: Any = trainer.generator
    assert known._policies["main"].loaded is trainer.learners["main"].loaded


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("objective=policy_gradient", r"objective: is right only for rows .* use truncated_importance"),
        ("train.old_logprobs=learner", r"train\.old_logprobs: 'learner' would hide .* use 'sampler'"),
        ("train.staleness=2", r"train\.staleness: should be less than or equal to 1 \(got 2\)"),
    ],
)
def test_what_would_ignore_the_staleness_is_refused(setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(setting)


# ---- what fails ----------------------------------------------------------------------------------------------------------


class Watch:
    """Sees how a run goes, and may stop it."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.ended: list[RunEnded] = []
        self.stop_after = -1
        self.run: Run | None = None

    @hookimpl
    def sparring_step_ended(self, event: StepEnded) -> None:
        self.steps.append(event.step)
        if event.step == self.stop_after and self.run:
            self.run.stop_after_this_step()

    @hookimpl
    def sparring_run_ended(self, event: RunEnded) -> None:
        self.ended.append(event)


def start(folder: Path, *sets: str, resume: bool = False) -> tuple[Run, Watch]:
    host: Host = load_plugins()
    watch = Watch()
    host.manager.register(watch)
    watch.run = Run(load_recipe(SOURCE, host.registry, sets=sets), SOURCE.text, host, folder, resume=resume)
    return watch.run, watch


def rows(folder: Path) -> list[dict[str, float]]:
    """Metrics without timings."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if "seconds" not in k and k != "framework_share"} for line in lines
    ]


def test_play_that_fails_beside_ends_the_run_in_its_own_step_with_the_one_before_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, watch = start(tmp_path / "run")

    def fails(advance: Play) -> Play:
        def advance_or_fail(*until: Callable[[], bool]) -> dict[int, Completion]:
            if in_play() and run.trainer.counters.step == 3:
                raise RuntimeError("the engine fell over")
            return advance(*until)

        return advance_or_fail

    sample_by(run.trainer, monkeypatch, fails)
    with pytest.raises(GenerationError, match="the engine fell over"):
        run.train()
    assert watch.steps == [0, 1, 2, 3]  # what was being learned has been
    (ended,) = watch.ended
    assert re.fullmatch(
        r"step 4, episode 24 of kuhn_poker \(seed 0, start 25\): the generator failed on 8 requests at once, of episodes 24 to "
        r"31 with prompts of up to \d+ tokens: RuntimeError\('the engine fell over'\)",
        ended.error,
    )
    newest = checkpoint.latest(tmp_path / "run")
    assert newest is not None
    saved = checkpoint.load(newest)
    assert (saved.step, saved.state["trainer"]["ahead"]) == (3, None)
    assert saved.state["trainer"]["counters"]["episodes"] == 24
    weights = trained_parameters(run.trainer.learners["main"].loaded)
    assert all(saved.weights["main"][name].equal(weights[name]) for name in weights)
    again, seen = start(tmp_path / "run", resume=True)
    assert again.train().finished
    assert seen.steps == [4, 5, 6]
    assert [row["staleness/main"] for row in rows(tmp_path / "run")[1:]] == [0, 1, 1, 0, 1, 1]
    assert [row["step"] for row in rows(tmp_path / "run")] == [*range(7)]


@pytest.mark.parametrize(("error", "saved"), [(KeyError("lost"), 2), (NumericsError("step 3: nan"), 0)])
def test_learning_that_fails_waits_for_play_and_is_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, saved: int
) -> None:
    run, watch = start(tmp_path / "run")
    learner = run.trainer.learners["main"]
    update, failing, played = learner.update, threading.Event(), list[int]()

    def fails(parts: Any, step: int) -> Any:
        if step == 3:
            failing.set()
            raise error
        return update(parts, step)

    def late(advance: Play) -> Play:
        def advance_late(*until: Callable[[], bool]) -> dict[int, Completion]:
            if in_play() and run.trainer.counters.step == 3:
                assert failing.wait(60)
                played.append(run.trainer.counters.step)
            return advance(*until)

        return advance_late

    monkeypatch.setattr(learner, "update", fails)
    sample_by(run.trainer, monkeypatch, late)
    with pytest.raises(type(error)) as raised:
        run.train()
    assert raised.value is error
    assert played  # it went on when learning had failed, and nobody is left at it
    assert not any(thread.name.startswith("play") for thread in threading.enumerate())
    assert watch.steps == [0, 1, 2]
    assert [event.error for event in watch.ended] == ["KeyError('lost')" if saved else "step 3: nan"]
    newest = checkpoint.latest(tmp_path / "run")
    assert newest is not None
    assert checkpoint.load(newest).step == saved
    again, seen = start(tmp_path / "run", resume=True)
    assert again.train().finished
    assert seen.steps[-1] == 6
    straight, _ = start(tmp_path / "straight")
    straight.train()
    assert rows(tmp_path / "run") == rows(tmp_path / "straight")


# ---- resume --------------------------------------------------------------------------------------------------------------


def test_a_resume_is_exact_with_what_was_played_ahead_in_the_checkpoint(tmp_path: Path) -> None:
    straight, _ = start(tmp_path / "straight")
    straight.train()
    run, watch = start(tmp_path / "run")
    watch.stop_after = 3
    assert not run.train().finished
    assert rows(tmp_path / "run")[-1]["step"] == 3
    newest = checkpoint.latest(tmp_path / "run")
    assert newest is not None
    ahead = checkpoint.load(newest).state["trainer"]["ahead"]
    assert {episode["step"] for episode in ahead["episodes"]} == {4}
    again, _ = start(tmp_path / "run", resume=True)
    assert again.notes == []
    assert again.train().finished
    assert rows(tmp_path / "run") == rows(tmp_path / "straight")
    last = [tmp_path / name / "checkpoints" / "step-000006" for name in ("run", "straight")]
    for name in ("policies/main/model.safetensors", "learner-main.safetensors"):
        ours, theirs = (load_file(folder / name) for folder in last)
        assert all(ours[key].equal(theirs[key]) for key in ours | theirs), name
    assert (last[0] / "state.json").read_text() == (last[1] / "state.json").read_text()
    for step in range(1, 7):
        ours_, theirs_ = (
            transcripts.read(tmp_path / name / "episodes" / f"step-{step:06d}.jsonl.zst")
            for name in ("run", "straight")
        )
        assert [repr(e) for e in ours_] == [repr(e) for e in theirs_]


def test_the_last_step_plays_nothing_ahead_so_more_steps_begin_on_policy(tmp_path: Path) -> None:
    run, _ = start(tmp_path / "run", "train.steps=2")
    run.train()
    assert run.trainer.state_dict()["ahead"] is None
    again, _ = start(tmp_path / "run", "train.steps=4", resume=True)
    again.train()
    assert [row["staleness/main"] for row in rows(tmp_path / "run")[1:]] == [0, 1, 0, 1]
