"""The learner: one policy's weights, its optimizer and its reference, and the update from records.

Rows run as a forest of shared prefixes (see `sparring.forward`), in micro-batches by token budget. A loss is normalised
by the counts of its whole optimizer step, so how it is cut into micro-batches changes nothing but rounding.

Legend: M trained tokens, S sequences (trained turns).
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch

from sparring.chance import key_of
from sparring.errors import CheckpointError, NumericsError
from sparring.forward import Scored, attend_by_plan, autocast, check_forward, token_logprobs
from sparring.interfaces import LoadedModel, Objective
from sparring.prefix_tree import batches
from sparring.records import PolicyGradientRecord

if TYPE_CHECKING:
    from accelerate import Accelerator

    from sparring.recipe import PolicySpec, TrainSpec

Normalize = Literal["token_mean", "sequence_mean", "token_sum", "constant"]


@dataclass(frozen=True, slots=True)
class Totals:
    """What an optimizer step trains on as a whole, weights included. Rows dropped for zero advantage still count."""

    tokens: float
    sequences: float
    records: float


@dataclass(slots=True)
class ObjectiveBatch:
    """Trained tokens of a micro-batch, flat. All tensors are ``(M,)``.

    ``logprobs`` and ``divergence`` carry the gradient; ``old_logprobs`` are the sampling policy's, ``reference`` the
    reference's. ``divergence`` is the whole KL divergence to the reference where each token was sampled. The last two are
    None unless the objective needs them.
    ``sequence`` numbers the trained turns of the batch from 0; ``weights`` are the records'.
    """

    logprobs: torch.Tensor
    old_logprobs: torch.Tensor
    reference: torch.Tensor | None
    divergence: torch.Tensor | None
    advantages: torch.Tensor
    weights: torch.Tensor
    sequence: torch.Tensor
    sequences: int
    totals: Totals

    def reduce(self, values: torch.Tensor, how: Normalize, constant: float = 1.0) -> torch.Tensor:
        """This batch's share of the mean of per-token ``values`` ``(M,)``.

        ``token_mean``: over all trained tokens. ``sequence_mean``: over turns, of the mean over each turn's tokens.
        ``token_sum``: over turns, of the sum over each turn's tokens. ``constant``: the same divided by ``constant``.
        """
        weighted = values * self.weights
        if how == "token_mean":
            return weighted.sum() / self.totals.tokens
        if how == "sequence_mean":
            length = torch.bincount(self.sequence, minlength=self.sequences).to(values.dtype)
            return (weighted / length[self.sequence]).sum() / self.totals.sequences
        total = weighted.sum() / self.totals.sequences
        return total / constant if how == "constant" else total

    def mean_of(self, values: torch.Tensor) -> torch.Tensor:
        """The share of a plain mean over trained tokens, for metrics."""
        return (values.detach() * self.weights).sum() / self.totals.tokens


@dataclass(slots=True)
class UpdateReport:
    """Metrics of an update, and the seconds spent in the model."""

    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"forward": 0.0, "backward": 0.0, "optimizer": 0.0})
    nodes: int = 0


class Learner:
    """One trained policy."""

    def __init__(
        self, name: str, loaded: LoadedModel, spec: PolicySpec, train: TrainSpec, accelerator: Accelerator
    ) -> None:
        self.name, self.loaded, self._train, self._accelerator = name, loaded, train, accelerator
        self._refresh_every = spec.reference_refresh
        model = loaded.model
        model.requires_grad_(True)
        # Without biases and norms in weight decay, as GPT-style training does.
        decayed = [p for p in model.parameters() if p.ndim >= 2]
        plain = [p for p in model.parameters() if p.ndim < 2]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=spec.learning_rate or train.learning_rate, betas=train.betas, eps=train.eps, fused=True,
        )  # fmt: skip
        from transformers import get_scheduler

        updates = train.steps * train.epochs * train.minibatches
        self._scheduler = get_scheduler(
            "constant_with_warmup" if train.schedule == "constant" else train.schedule,
            self._optimizer,
            num_warmup_steps=train.warmup_steps,
            num_training_steps=updates,
        )
        self.reference: LoadedModel | None = None
        self.version = 0

    # ---- reference ---------------------------------------------------------------------------------------------------

    def keep_reference(self) -> None:
        """Start a reference from the present weights, or bring the one there is up to date."""
        if self.reference is None:
            model = copy.deepcopy(self.loaded.model).requires_grad_(False).eval()
            self.reference = LoadedModel(model, self.loaded.tokenizer, self.loaded.bf16)
            return
        with torch.no_grad():
            for old, new in zip(self.reference.model.parameters(), self.loaded.model.parameters(), strict=True):
                old.copy_(new)

    def step_ended(self, step: int) -> None:
        self.version = step
        if self.reference is not None and self._refresh_every and step % self._refresh_every == 0:
            self.keep_reference()

    # ---- update ------------------------------------------------------------------------------------------------------

    def update(
        self, records: Sequence[PolicyGradientRecord], objective: Objective, counts: Totals, step: int
    ) -> UpdateReport:
        """Train on ``records``: `epochs` passes, each in `minibatches` optimizer steps.

        ``counts`` are of all the step's records, those already dropped for zero advantage included.
        """
        report = UpdateReport()
        if not records:
            return report
        model = self.loaded.model.eval()  # no dropout: the ratio to the sampling policy must be 1 on policy
        fixed = self._fixed_logprobs(records, objective, report)
        optimizer_steps = 0
        for epoch in range(self._train.epochs):
            for part in self._minibatches(len(records), (step, epoch)):
                share = len(part) / len(records)
                totals = (
                    counts
                    if share == 1
                    else Totals(counts.tokens * share, counts.sequences * share, counts.records * share)
                )
                self._accumulate([records[i] for i in part], [fixed[i] for i in part], objective, totals, report, step)
                began = time.perf_counter()
                norm = self._accelerator.clip_grad_norm_(model.parameters(), self._train.max_grad_norm)
                if norm is not None and not math.isfinite(float(norm)):
                    raise NumericsError(self._where_gradient_broke(step, float(norm)))
                self._optimizer.step()
                self._scheduler.step()
                self._optimizer.zero_grad(set_to_none=True)
                report.seconds["optimizer"] += time.perf_counter() - began
                report.metrics["grad_norm"] = report.metrics.get("grad_norm", 0.0) + float(norm or 0.0)
                optimizer_steps += 1
        for name in [n for n in report.metrics if not n.endswith(("_max", "logprob_gap"))]:
            report.metrics[name] /= optimizer_steps
        report.metrics["learning_rate"] = float(self._scheduler.get_last_lr()[0])
        return report

    def _minibatches(self, count: int, key: tuple[int, int]) -> list[list[int]]:
        if self._train.minibatches == 1:
            return [list(range(count))]
        order = list(range(count))
        random.Random(key_of(self._train.seed, "minibatches", self.name, *key)).shuffle(order)
        size = math.ceil(count / self._train.minibatches)
        return [sorted(order[a : a + size]) for a in range(0, count, size)]

    def _fixed_logprobs(
        self, records: Sequence[PolicyGradientRecord], objective: Objective, report: UpdateReport
    ) -> list[tuple[list[float], list[float] | None]]:
        """Old and reference log-probabilities of every record, before anything is updated."""
        old = [record.logprobs for record in records]
        reference: list[list[float] | None] = [None] * len(records)
        if self._train.old_logprobs == "learner":
            old = self._logprobs_of(self.loaded, records, report)
        if objective.needs_reference == "tokens":
            if self.reference is None:
                self.keep_reference()
            assert self.reference is not None
            reference = list(self._logprobs_of(self.reference, records, report))
        return list(zip(old, reference, strict=True))

    @torch.no_grad()
    def _logprobs_of(
        self, loaded: LoadedModel, records: Sequence[PolicyGradientRecord], report: UpdateReport
    ) -> list[list[float]]:
        began = time.perf_counter()
        out: list[list[float]] = [[] for _ in records]
        rows = [record.tokens for record in records]
        for group in batches(rows, self._train.token_budget):
            with autocast(loaded):
                flat = token_logprobs(
                    loaded.model, [rows[r] for r in group], [records[r].positions for r in group]
                ).logprobs.tolist()
            at = 0
            for r in group:
                out[r] = flat[at : at + len(records[r].positions)]
                at += len(records[r].positions)
        report.seconds["forward"] += time.perf_counter() - began
        return out

    def _accumulate(
        self,
        records: Sequence[PolicyGradientRecord],
        fixed: Sequence[tuple[list[float], list[float] | None]],
        objective: Objective,
        totals: Totals,
        report: UpdateReport,
        step: int,
    ) -> None:
        """Add the gradient of the whole optimizer step, micro-batch by micro-batch."""
        device = self.loaded.model.device
        rows = [record.tokens for record in records]
        whole = objective.needs_reference == "distributions"
        if whole and self.reference is None:
            self.keep_reference()
        for group in batches(rows, self._train.token_budget):
            mine = [records[r] for r in group]
            began = time.perf_counter()
            with autocast(self.loaded):
                scored = token_logprobs(
                    self.loaded.model,
                    [record.tokens for record in mine],
                    [record.positions for record in mine],
                    reference=self.reference.model if whole and self.reference else None,
                )
            batch = _objective_batch(mine, [fixed[r] for r in group], scored, totals, device)
            loss, sums = objective(batch)
            report.seconds["forward"] += time.perf_counter() - began
            if not torch.isfinite(loss):
                raise NumericsError(_where_loss_broke(step, self.name, loss, batch, mine))
            began = time.perf_counter()
            self._accelerator.backward(loss)
            report.seconds["backward"] += time.perf_counter() - began
            report.nodes += scored.nodes
            gap = (batch.logprobs.detach() - batch.old_logprobs).abs().max().item()
            report.metrics.setdefault("logprob_gap", gap)  # of the first micro-batch, before any update
            for name, value in {"loss": loss.detach(), "entropy": batch.mean_of(-batch.logprobs), **sums}.items():
                number = float(value)
                if name.endswith("_max"):
                    report.metrics[name] = max(report.metrics.get(name, -math.inf), number)
                else:
                    report.metrics[name] = report.metrics.get(name, 0.0) + number

    def _where_gradient_broke(self, step: int, norm: float) -> str:
        bad = [
            n
            for n, p in self.loaded.model.named_parameters()
            if p.grad is not None and not torch.isfinite(p.grad).all()
        ]
        return (
            f"step {step}: the gradient norm of policy {self.name!r} is {norm}; not finite in {len(bad)} tensors, first "
            f"{bad[0] if bad else '?'}. The weights are still those of the step before. A smaller train.learning_rate "
            "or train.max_grad_norm is the usual cure; `--resume` goes on from the last checkpoint."
        )

    # ---- checkpoint --------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """Optimizer moments and the reference's weights, by name."""
        names = [
            name for group in self._optimizer.param_groups for name in (self._names[id(p)] for p in group["params"])
        ]
        found: dict[str, torch.Tensor] = {}
        for name, state in zip(
            names, (self._optimizer.state[p] for g in self._optimizer.param_groups for p in g["params"]), strict=True
        ):
            for key, value in state.items():
                found[f"optimizer/{key}/{name}"] = torch.as_tensor(value)
        if self.reference is not None:
            found |= {f"reference/{n}": p.detach() for n, p in self.reference.model.named_parameters()}
        return found

    @property
    def _names(self) -> dict[int, str]:
        return {id(p): n for n, p in self.loaded.model.named_parameters()}

    def state_dict(self) -> dict[str, Any]:
        state = self._scheduler.state_dict()
        return {"version": self.version, "updates": state["last_epoch"]}

    def restore(
        self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]
    ) -> None:
        """Take up a checkpoint: weights, moments, learning-rate schedule, reference."""
        parameters = dict(self.loaded.model.named_parameters())
        missing = sorted(set(parameters) - set(weights))
        if missing:
            raise CheckpointError(
                f"the checkpoint of policy {self.name!r} lacks {len(missing)} tensors, first {missing[0]}"
            )
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])
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
            with torch.no_grad():
                for name, parameter in self.reference.model.named_parameters():
                    parameter.copy_(tensors[f"reference/{name}"])
        for _ in range(int(state["updates"])):
            self._scheduler.step()
        self.version = int(state["version"])


def prepare(loaded: LoadedModel) -> LoadedModel:
    """Check a freshly loaded model against its own forward, then leave it attending by plan for good."""
    check_forward(loaded.model)
    attend_by_plan(loaded.model)
    return loaded


def _objective_batch(
    records: Sequence[PolicyGradientRecord],
    fixed: Sequence[tuple[list[float], list[float] | None]],
    scored: Scored,
    totals: Totals,
    device: torch.device,
) -> ObjectiveBatch:
    def flat(values: Sequence[Sequence[float]]) -> torch.Tensor:
        return torch.tensor([v for row in values for v in row], dtype=torch.float32, device=device)

    sequence: list[int] = []
    first = 0
    for record in records:
        sequence += [first + turn for turn in record.turns]
        first += record.turn_count
    reference = [r for _, r in fixed if r is not None]
    return ObjectiveBatch(
        logprobs=scored.logprobs,
        divergence=scored.divergence,
        old_logprobs=flat([old for old, _ in fixed]),
        reference=flat(reference) if reference else None,
        advantages=flat([record.advantages for record in records]),
        weights=flat([[record.weight] * len(record.positions) for record in records]),
        sequence=torch.tensor(sequence, device=device),
        sequences=first,
        totals=totals,
    )


def _where_loss_broke(
    step: int, policy: str, loss: torch.Tensor, batch: ObjectiveBatch, records: Sequence[PolicyGradientRecord]
) -> str:
    places = [(record.episode, turn) for record in records for turn in record.turns]
    for name in ("logprobs", "old_logprobs", "reference", "advantages"):
        values = getattr(batch, name)
        if values is not None and not torch.isfinite(values).all():
            bad = (~torch.isfinite(values)).nonzero()[:, 0]
            episode, turn = places[int(bad[0])]
            return (
                f"step {step}: the loss of policy {policy!r} is {loss.item()} because {name} has {len(bad)} values that are not "
                f"finite, first in episode {episode}, turn {turn} of its row. The weights are still those of the step before; "
                "`--resume` goes on from the last checkpoint, and a smaller train.learning_rate is the usual cure."
            )
    return f"step {step}: the loss of policy {policy!r} is {loss.item()} though all its inputs are finite: the objective overflows"
