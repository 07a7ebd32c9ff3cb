"""A run from start to end: its folder, its trackers, its checkpoints, its interruptions."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring import checkpoint, transcripts
from sparring.assemble import assemble
from sparring.errors import CheckpointError, NumericsError, RunFolderError, SparringError
from sparring.interfaces import RunEnded, RunStarted, StepEnded, Tracker
from sparring.manifest import differences, manifest
from sparring.plugins import Host
from sparring.recipe import Recipe, resolved
from sparring.run_folder import RunFolder, write_text_atomically
from sparring.trainer import Trainer
from sparring_memory import plan as memory
from sparring_memory.garbage import settled
from sparring_memory.versions import version_bytes


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. ``finished`` is False after an interruption; ``metrics`` are the last step's."""

    folder: Path
    step: int
    finished: bool
    metrics: Mapping[str, float]


class Run:
    """One run in one folder."""

    def __init__(self, recipe: Recipe, text: str, host: Host, folder: Path, *, resume: bool = False) -> None:
        """``text`` is the recipe as given; with ``resume`` the folder must hold a run with at least one checkpoint."""
        self.recipe, self.host = recipe, host
        self.notes: list[str] = []  # lines for a person: what makes a resume not exact
        self._stop = threading.Event()
        self._best: tuple[float, int] | None = None
        self._logged = -1  # the last step whose metrics are written
        self.folder = RunFolder.open(folder) if resume else RunFolder.create(folder)
        try:
            self._begin(text, resume)
        except BaseException:
            # A mistyped model must not cost the folder's name; what a killed run left is another matter.
            if resume or (self.folder.path / "manifest.json").exists():
                self.folder.close()
            else:
                self.folder.discard()
            raise

    def _begin(self, text: str, resume: bool) -> None:
        whole = resolved(self.recipe)
        if not resume:
            # The recipe comes first, so that a run that dies while loading can be understood.
            write_text_atomically(self.folder.recipe, text)
            write_text_atomically(self.folder.resolved, whole)
        self.trainer: Trainer = assemble(self.recipe)
        learners = {name: learner.loaded for name, learner in self.trainer.learners.items()}
        train, generator = self.recipe.train, self.trainer.generator
        evaluators = [evaluator for evaluator, _ in self.trainer.evaluators]
        versions = version_bytes(learners, generator, self.trainer.opponents, evaluators, train.steps)
        again = train.activation_checkpointing
        self.memory = memory.plan(learners, generator, train.token_budget, checkpointing=again, versions=versions)
        self.memory.require_room()
        record = manifest(text, whole, self.host, self.recipe)
        if resume:
            self.notes = differences(self.folder.read_manifest(), record)
            self._load()
        else:
            self.folder.write_manifest(record)
        self.trackers: list[Tracker] = [choice.make() for choice in self.recipe.trackers]
        step = self.trainer.counters.step
        for tracker in self.trackers:
            tracker.open(self.folder.path, step if resume else None)
        transcripts.drop_after(self.folder.path, step)

    def _load(self) -> None:
        newest = checkpoint.latest(self.folder.path)
        if newest is None:
            raise CheckpointError(
                f"{self.folder.path} has no whole checkpoint to resume from; start again in another folder with --out"
            )
        saved = checkpoint.load(newest)
        self.trainer.load(saved.state["trainer"], saved.tensors, saved.weights)
        best = saved.state["best"]
        self._best = (float(best[0]), int(best[1])) if best else None

    def stop_after_this_step(self) -> None:
        """Ask the run to save and end when the step in hand has ended."""
        self._stop.set()

    def train(self) -> RunResult:
        """Steps until the recipe's number of them, an interruption, or an error, which is raised after what can be saved is."""
        steps, trainer = self.recipe.train.steps, self.trainer
        hooks = self.host.manager.hook
        with ExitStack() as closing:
            closing.callback(self.folder.close)
            closing.enter_context(settled())
            for tracker in self.trackers:
                closing.callback(tracker.close)
            try:
                hooks.sparring_run_started(
                    event=RunStarted(self.recipe, self.folder.path, trainer.counters.step, steps)
                )
                with self._interruptible():
                    metrics = self._steps(steps)
            except BaseException as error:
                self._rescue(error)
                told = str(error) if isinstance(error, SparringError) else repr(error)
                hooks.sparring_run_ended(event=RunEnded(self.folder.path, trainer.counters.step, False, told))
                raise
        finished = trainer.counters.step >= steps
        hooks.sparring_run_ended(event=RunEnded(self.folder.path, trainer.counters.step, finished))
        return RunResult(self.folder.path, trainer.counters.step, finished, metrics)

    def _steps(self, steps: int) -> Mapping[str, float]:
        """The metrics of the last one."""
        trainer, hooks = self.trainer, self.host.manager.hook
        metrics: dict[str, float] = {}
        if checkpoint.latest(self.folder.path) is None:
            metrics = {"step": 0.0, **trainer.evaluate(final=steps == 0)}
            self._log(metrics)
            hooks.sparring_step_ended(event=StepEnded(0, steps, metrics, ()))
            self._save(trainer.state_dict())
        while trainer.counters.step < steps and not self._stop.is_set():
            metrics, episodes = trainer.step()
            step = trainer.counters.step
            began = time.perf_counter()
            metrics |= trainer.evaluate(final=step == steps)
            metrics["seconds/evaluate"] = time.perf_counter() - began
            self._note_best(metrics)
            keep = self.recipe.transcripts
            if step % keep.every == 0 or step == steps:
                transcripts.write(self.folder.path, step, episodes)
                transcripts.retain(self.folder.path, keep.keep_last)
            if step % self.recipe.checkpoint.every == 0 or step == steps:
                began = time.perf_counter()
                self._save(trainer.state_dict())
                metrics["seconds/save"] = time.perf_counter() - began
            self._log(metrics)
            hooks.sparring_step_ended(event=StepEnded(step, steps, metrics, episodes))
        if not self._saved(trainer.counters.step):  # asked to stop
            self._save(trainer.state_dict())
        return metrics

    def _saved(self, step: int) -> bool:
        newest = checkpoint.latest(self.folder.path)
        return newest is not None and checkpoint.step_of(newest) >= step

    def _rescue(self, error: BaseException) -> None:
        """Save the last whole step, if its weights are still there, so that going on costs no more than what failed."""
        if not isinstance(error, Exception) or isinstance(error, (NumericsError, CheckpointError, RunFolderError)):
            return  # in a hurry; learned from numbers that may be the cause; or there is no writing
        state = self.trainer.last_whole_state()
        if state is None and self._logged == self.trainer.counters.step:  # a hook failed after the step
            state = self.trainer.state_dict()
        if state is not None and not self._saved(state["counters"]["step"]):
            with suppress(SparringError):  # the first error is the one to tell
                self._save(state)

    def _log(self, metrics: Mapping[str, float]) -> None:
        for tracker in self.trackers:
            try:
                tracker.log(self.trainer.counters.step, metrics)
            except OSError as error:
                raise RunFolderError(
                    f"cannot write metrics into {self.folder.path}: {error}; free space, then --resume"
                ) from error
        self._logged = self.trainer.counters.step

    def _note_best(self, metrics: Mapping[str, float]) -> None:
        name = self.recipe.checkpoint.keep_best
        if name and name in metrics and (self._best is None or metrics[name] < self._best[0]):
            self._best = (metrics[name], self.trainer.counters.step)

    def _save(self, state: Mapping[str, Any]) -> None:
        """A checkpoint of the trainer's ``state``, which fits the weights as they are."""
        trainer, keep = self.trainer, self.recipe.checkpoint
        whole = {"trainer": state, "best": self._best}
        models = {name: learner.loaded for name, learner in trainer.learners.items()}
        before = checkpoint.latest(self.folder.path)
        tensors = trainer.tensors()
        # A pool member never changes, so its file is shared with the checkpoint before.
        unchanged = {name: before for name in tensors if name.startswith("pool-")} if before else {}
        checkpoint.save(self.folder.path, state["counters"]["step"], whole, tensors, models, unchanged=unchanged)
        checkpoint.retain(self.folder.path, keep.keep_last, keep.keep_every, self._best[1] if self._best else None)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C and a polite kill end the run after the step in hand; a second Ctrl-C ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: object) -> None:
            if self._stop.is_set():
                raise KeyboardInterrupt
            self._stop.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
