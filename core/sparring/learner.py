"""The learner: one policy's weights, its optimizer and its reference, and the update from records.

Rows run as a forest of shared prefixes (see `sparring.forward`), in micro-batches by token budget. The rows of a record
stay together: a pair is compared in one batch.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import torch
from torch.optim.lr_scheduler import LambdaLR

from sparring import numerics
from sparring.adapters import overwrite, trained_parameters, twin
from sparring.batch import ObjectiveBatch, Totals, objective_batch
from sparring.chance import key_of
from sparring.errors import CheckpointError, NumericsError
from sparring.forward import Scored, attend_by_plan, autocast, check_forward, recomputed, token_logprobs
from sparring.interfaces import LoadedModel, Objective
from sparring.records import PolicyGradientRecord, Record, TokenRow
from sparring_memory import plan as memory
from sparring_memory.token_budget import CountedOnce, TokenBudget

if TYPE_CHECKING:
    from accelerate import Accelerator

    from sparring.sections import PolicySpec, TrainSpec


class _Fixed(NamedTuple):
    """Log-probabilities of a record's rows that do not change during an update: the old ones, and the reference's."""

    old: Sequence[Sequence[float]]
    reference: Sequence[Sequence[float]] | None


class _Loss(NamedTuple):
    """The loss of a micro-batch, metric sums by name, and what they were made of."""

    loss: torch.Tensor
    sums: dict[str, torch.Tensor]
    batch: ObjectiveBatch
    scored: Scored


@dataclass(frozen=True, slots=True)
class Part:
    """Records of one kind with the objective they are trained by. ``totals`` count those already dropped too."""

    objective: Objective
    records: Sequence[Record]
    totals: Totals


@dataclass(frozen=True, slots=True)
class _Share:
    """An optimizer step's share of a part, and what is known of its records."""

    part: Part
    records: list[Record]
    fixed: list[_Fixed]
    totals: Totals

    @classmethod
    def of(cls, part: Part, fixed: Sequence[_Fixed], numbers: Sequence[int]) -> _Share:
        totals = part.totals.share(len(numbers) / len(part.records))
        return cls(part, [part.records[n] for n in numbers], [fixed[n] for n in numbers], totals)


@dataclass(slots=True)
class UpdateReport:
    """Metrics of an update, and the seconds spent in the model."""

    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"forward": 0.0, "backward": 0.0, "optimizer": 0.0})
    nodes: int = 0


class Learner:
    """One trained policy."""

    def __init__(
        self, name: str, loaded: LoadedModel, spec: PolicySpec, train: TrainSpec, steps: int, accelerator: Accelerator
    ) -> None:
        """``steps`` are how many steps of the run train it: the learning rate's schedule is over those."""
        self.name, self.loaded, self._train, self._accelerator = name, loaded, train, accelerator
        self._refresh_every, self._refresh_rate = spec.reference_refresh, spec.reference_rate
        self._parameters = trained_parameters(loaded)
        for parameter in self._parameters.values():
            parameter.requires_grad_(True)
        # Without biases and norms in weight decay, as GPT-style training does.
        decayed = [p for p in self._parameters.values() if p.ndim >= 2]
        plain = [p for p in self._parameters.values() if p.ndim < 2]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=spec.learning_rate or train.learning_rate, betas=train.betas, eps=train.eps, fused=True,
        )  # fmt: skip
        self._factor = partial(
            learning_rate_factor, train.schedule, train.warmup_steps, steps * train.epochs * train.minibatches
        )
        self._scheduler = LambdaLR(self._optimizer, self._factor)
        self.reference: LoadedModel | None = None
        self.version = 0
        self._step = 0  # the one in hand
        self.budget = TokenBudget(name, train.token_budget, memory.watermark(loaded.model.device, train.memory_share))

    # ---- reference ---------------------------------------------------------------------------------------------------

    def keep_reference(self, rate: float = 1.0) -> None:
        """Start a reference from the present weights, or bring the one there is ``rate`` of the way up to date."""
        if self.reference is None:
            self.reference = twin(self.loaded)
            return
        overwrite(self.reference, self._parameters, rate)

    def step_ended(self, step: int) -> None:
        self.version = step
        if self.reference is not None and self._refresh_every and step % self._refresh_every == 0:
            self.keep_reference(self._refresh_rate)

    # ---- update ------------------------------------------------------------------------------------------------------

    def update(self, parts: Sequence[Part], step: int) -> UpdateReport:
        """Train on the records of a step: `epochs` passes, each in `minibatches` optimizer steps.

        The losses of ``parts`` are added: each is a mean over its own records.
        """
        report = UpdateReport()
        parts = [part for part in parts if part.records]
        if not parts:
            return report
        self._step = step
        self.loaded.model.eval()  # no dropout: the ratio to the sampling policy must be 1 on policy
        fixed = [self._fixed_logprobs(part, report) for part in parts]
        optimizer_steps = 0
        for epoch in range(self._train.epochs):
            numbers = [self._minibatches(len(part.records), (step, epoch, i)) for i, part in enumerate(parts)]
            for minibatch in range(max(map(len, numbers))):
                mine = [
                    _Share.of(part, known, which[minibatch])
                    for part, known, which in zip(parts, fixed, numbers, strict=True)
                    if minibatch < len(which)
                ]
                for share in mine:
                    self._accumulate(share, report)
                began = time.perf_counter()
                norm = self._accelerator.clip_grad_norm_(self._parameters.values(), self._train.max_grad_norm)
                if norm is not None and not math.isfinite(float(norm)):
                    self._gradient_broke(mine, float(norm))
                self._optimizer.step()
                self._scheduler.step()
                self._optimizer.zero_grad(set_to_none=True)
                report.seconds["optimizer"] += time.perf_counter() - began
                report.metrics["grad_norm"] = report.metrics.get("grad_norm", 0.0) + float(norm or 0.0)
                optimizer_steps += 1
        for name in [n for n in report.metrics if not n.endswith(("_max", "logprob_gap"))]:
            report.metrics[name] /= optimizer_steps
        report.metrics["learning_rate"] = float(self._scheduler.get_last_lr()[0])
        report.metrics["token_budget"] = float(self.budget.tokens)
        return report

    def _minibatches(self, count: int, key: tuple[int, int, int]) -> list[list[int]]:
        if self._train.minibatches == 1:
            return [list(range(count))]
        order = list(range(count))
        random.Random(key_of(self._train.seed, "minibatches", self.name, *key)).shuffle(order)
        size = math.ceil(count / self._train.minibatches)
        return [sorted(order[a : a + size]) for a in range(0, count, size)]

    def _fixed_logprobs(self, part: Part, report: UpdateReport) -> list[_Fixed]:
        """Old and reference log-probabilities of every record's rows, before anything is updated."""
        rows = [record.rows for record in part.records]
        old = [
            [r.logprobs] if isinstance(r, PolicyGradientRecord) else [[0.0] * len(where) for _, where in r.rows]
            for r in part.records
        ]
        if self._train.old_logprobs == "learner" and isinstance(part.records[0], PolicyGradientRecord):
            old = self._logprobs_of(self.loaded, rows, report)
        if part.objective.needs_reference != "tokens":
            return [_Fixed(values, None) for values in old]
        if self.reference is None:
            self.keep_reference()
        assert self.reference is not None
        return [_Fixed(*both) for both in zip(old, self._logprobs_of(self.reference, rows, report), strict=True)]

    @torch.no_grad()
    def _logprobs_of(
        self, loaded: LoadedModel, bundles: Sequence[Sequence[TokenRow]], report: UpdateReport
    ) -> list[list[list[float]]]:
        """Log-probabilities of trained tokens, by bundle and row."""
        began = time.perf_counter()
        out: list[list[list[float]]] = [[] for _ in bundles]

        def work(group: list[int]) -> None:
            rows = [row for b in group for row in bundles[b]]
            with autocast(loaded):
                scored = token_logprobs(loaded.model, [t for t, _ in rows], [where for _, where in rows])
            self.budget.look()
            flat = scored.logprobs.tolist()
            at = 0
            for b in group:
                for _, where in bundles[b]:
                    out[b].append(flat[at : at + len(where)])
                    at += len(where)

        self.budget.run(bundles, work, self._step)
        report.seconds["forward"] += time.perf_counter() - began
        return out

    def _accumulate(self, share: _Share, report: UpdateReport) -> None:
        """Add the gradient of an optimizer step's share of a part, micro-batch by micro-batch."""
        once = CountedOnce(self._parameters.values())

        def work(group: list[int]) -> None:
            began = time.perf_counter()
            loss, sums, batch, scored = self._loss(share, group)
            self.budget.look()
            report.seconds["forward"] += time.perf_counter() - began
            if not torch.isfinite(loss):
                self._loss_broke(share, group, loss, batch)
            began = time.perf_counter()
            with once.backward(group):
                self._accelerator.backward(loss)
            report.seconds["backward"] += time.perf_counter() - began
            report.nodes += scored.nodes
            measured = {"loss": loss.detach(), "entropy": batch.mean_of(-batch.logprobs), **sums}
            if isinstance(share.records[0], PolicyGradientRecord):
                gap = (batch.logprobs.detach() - batch.old_logprobs).abs().max().item()
                report.metrics.setdefault("logprob_gap", gap)  # of the first micro-batch, before any update
            for name, value in measured.items():
                number = float(value)
                if name.endswith("_max"):
                    report.metrics[name] = max(report.metrics.get(name, -math.inf), number)
                else:
                    report.metrics[name] = report.metrics.get(name, 0.0) + number

        self.budget.run([record.rows for record in share.records], work, self._step)

    def _loss(self, share: _Share, group: Sequence[int]) -> _Loss:
        """The loss of some records of a share."""
        mine, known = [share.records[i] for i in group], [share.fixed[i] for i in group]
        objective = share.part.objective
        whole = objective.needs_reference in ("reverse_kl", "forward_kl")
        if whole and self.reference is None:
            self.keep_reference()
        rows = [row for record in mine for row in record.rows]
        kept = recomputed(self.loaded.model) if self._train.activation_checkpointing else nullcontext()
        with autocast(self.loaded), kept:
            scored = token_logprobs(
                self.loaded.model,
                [tokens for tokens, _ in rows],
                [where for _, where in rows],
                reference=self.reference.model if whole and self.reference else None,
                forward_kl=objective.needs_reference == "forward_kl",
            )
        batch = objective_batch(
            mine,
            [row for f in known for row in f.old],
            None if known[0].reference is None else [row for f in known for row in f.reference or ()],
            scored,
            share.totals,
            self.loaded.model.device,
        )
        return _Loss(*objective(batch), batch, scored)

    # ---- numbers that break ------------------------------------------------------------------------------------------

    def _loss_broke(self, share: _Share, group: Sequence[int], loss: torch.Tensor, batch: ObjectiveBatch) -> NoReturn:
        number = {id(share.records[i]): i for i in group}

        @torch.no_grad()
        def alone(record: Record) -> torch.Tensor:
            return self._loss(share, [number[id(record)]]).loss

        why = numerics.why_loss_broke(batch, [share.records[i] for i in group], self._parameters, alone)
        what = f"step {self._step}: the loss of policy {self.name!r} is {loss.item()}"
        raise NumericsError(f"{what} because {why}. {numerics.CURE}")

    def _gradient_broke(self, shares: Sequence[_Share], norm: float) -> NoReturn:
        why = numerics.why_gradient_broke(self._parameters, lambda: self._first_broken(shares))
        what = f"step {self._step}: the gradient norm of policy {self.name!r} is {norm}"
        raise NumericsError(f"{what}: {why}. {numerics.CURE}")

    def _first_broken(self, shares: Sequence[_Share]) -> Record | None:
        """The first record whose own gradient is not finite; micro-batches first, so that few are run alone."""

        def breaks(share: _Share, group: Sequence[int]) -> bool:
            self._optimizer.zero_grad(set_to_none=True)
            self._accelerator.backward(self._loss(share, group).loss)
            return bool(numerics.broken({name: p.grad for name, p in self._parameters.items()}))

        for share in shares:
            for group in self.budget.cut([r.rows for r in share.records], range(len(share.records))):
                if breaks(share, group):
                    return next((share.records[i] for i in group if breaks(share, [i])), None)
        return None

    # ---- checkpoint --------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """Optimizer moments, the reference's weights, and an adapter's: by name."""
        found: dict[str, torch.Tensor] = {}
        for name, parameter in self._parameters.items():
            for key, value in self._optimizer.state[parameter].items():
                found[f"optimizer/{key}/{name}"] = torch.as_tensor(value)
        if self.reference is not None:
            found |= {f"reference/{n}": p.detach() for n, p in trained_parameters(self.reference).items()}
        if self.loaded.adapted:
            found |= {f"adapter/{n}": p.detach() for n, p in self._parameters.items()}
        return found

    def state_dict(self) -> dict[str, Any]:
        state = self._scheduler.state_dict()
        return {"version": self.version, "updates": state["last_epoch"], "budget": self.budget.state_dict()}

    def restore(
        self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]
    ) -> None:
        """Take up a checkpoint: weights, moments, learning-rate schedule, reference."""
        if self.loaded.adapted:  # the checkpoint's policy folder holds base and adapter added up
            weights = {key.removeprefix("adapter/"): v for key, v in tensors.items() if key.startswith("adapter/")}
        parameters = self._parameters
        missing = sorted(set(parameters) - set(weights))
        if missing:
            raise CheckpointError(
                f"the checkpoint of policy {self.name!r} lacks {len(missing)} tensors, first {missing[0]}"
            )
        overwrite(self.loaded, weights)
        for key, value in tensors.items():
            kind, _, rest = key.partition("/")
            if kind == "optimizer":
                moment, _, name = rest.partition("/")
                self._optimizer.state[parameters[name]][moment] = value.clone().to(
                    parameters[name].device if moment != "step" else value.device
                )
        if any(key.startswith("reference/") for key in tensors):
            self.keep_reference()
            assert self.reference is not None
            overwrite(self.reference, {name: tensors[f"reference/{name}"] for name in parameters})
        self._scheduler = LambdaLR(self._optimizer, self._factor, last_epoch=int(state["updates"]) - 1)
        self.version = int(state["version"])
        self.budget.load_state_dict(state["budget"])


def learning_rate_factor(schedule: str, warmup: int, updates: int, done: int) -> float:
    """What the highest learning rate is multiplied by after ``done`` of ``updates`` optimizer steps."""
    if done < warmup:
        return done / warmup
    if schedule == "constant":
        return 1.0
    gone = min(1.0, (done - warmup) / max(1, updates - warmup))
    return 1 - gone if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * gone))


def prepare(loaded: LoadedModel) -> LoadedModel:
    """Check a freshly loaded model against its own forward, then leave it attending by plan for good."""
    check_forward(loaded.model)
    attend_by_plan(loaded.model)
    return loaded
