"""Whether an objective keeps its contract."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from sparring.chance import Chance, SeededChance
from sparring.interfaces import NeedsReference, Objective
from sparring.records import DemonstrationRecord, PolicyGradientRecord, PreferenceRecord, Record, RecordKind
from sparring.testing.report import Reporter, another_order, shown

if TYPE_CHECKING:
    import torch

    from sparring.batch import ObjectiveBatch

_RECORDS = 12
_TOLERANCE = 2e-5  # relative: float32 sums in another order


def check_objective(
    objective: Objective, *, record: RecordKind = "policy_gradient", direction: bool = True, seed: int = 0
) -> None:
    """Give an objective random batches of ``record`` records, and check what `Objective` promises.

    - A finite scalar with a finite gradient that is not zero everywhere, and finite numbers as metrics. It is given what
      ``needs_reference`` asks for and no more.
    - Cut into micro-batches, losses, gradients and metric sums add up to what the whole batch gives (those called
      ``…_max`` are the largest): every mean divides by ``batch.totals``.
    - The order of records does not matter, and a record of weight 0 has no gradient.
    - With ``direction``, where policy, sampling policy and reference are equal, a step along minus the gradient makes
      tokens with positive advantages likelier and those with negative ones less so; likewise chosen and rejected answers,
      and what was demonstrated.

    Raises `CheckFailed`.
    """
    _Check(objective, record, seed).run(direction)


@dataclass(frozen=True, slots=True)
class _Case:
    """Records with the log-probabilities of their trained tokens, flat, ``(M,)``."""

    records: Sequence[Record]
    logprobs: Sequence[float]
    old: Sequence[float]
    reference: Sequence[float]

    def counts(self) -> list[int]:
        """Trained tokens of each record."""
        return [sum(len(positions) for _, positions in record.rows) for record in self.records]

    def tokens(self, order: Sequence[int]) -> list[int]:
        """The numbers of the trained tokens of some records, in that order."""
        counts = self.counts()
        return [sum(counts[:number]) + i for number in order for i in range(counts[number])]

    def picked(self, order: Sequence[int]) -> _Case:
        """Some of the records, in that order."""
        at = self.tokens(order)
        flat = ([values[i] for i in at] for values in (self.logprobs, self.old, self.reference))
        return _Case([self.records[number] for number in order], *flat)


@dataclass(frozen=True, slots=True)
class _Result:
    loss: float
    gradient: list[float]
    metrics: dict[str, float]


class _Check:
    def __init__(self, objective: Objective, record: RecordKind, seed: int) -> None:
        self.objective, self.seed = objective, seed
        self.report = Reporter(objective, seed)
        self.report.where += f", {record} records"
        self.needs = objective.needs_reference
        self.report.require(
            self.needs in get_args(NeedsReference),
            f"needs_reference is {self.needs!r}; there are {', '.join(get_args(NeedsReference))}",
        )
        self.case = _random_case(record, SeededChance("check_objective", seed))

    def run(self, direction: bool) -> None:
        whole = self.evaluate([self.case])
        self.report.require(
            any(whole.gradient), "has a gradient of zero everywhere; is it computed from batch.logprobs?"
        )
        self._same(self.evaluate([self.case]), whole, "given the same batch twice")
        for size in (4, 1):
            cut = [self.case.picked(range(at, at + size)) for at in range(0, _RECORDS, size)]
            self._same(
                self.evaluate(cut), whole,
                f"cut into {len(cut)} micro-batches (divide by batch.totals, not by what is in the batch)",
            )  # fmt: skip
        order = another_order(_RECORDS, "check_objective", self.seed)
        moved = self.evaluate([self.case.picked(order)])
        expected = replace(whole, gradient=[whole.gradient[i] for i in self.case.tokens(order)])
        self._same(moved, expected, "given the records in another order")
        self._weightless()
        if direction:
            self._directed()

    def evaluate(self, cases: Sequence[_Case]) -> _Result:
        """Loss, gradient of each token's log-probability and metrics, ``cases`` being micro-batches of one step."""
        import torch

        from sparring.batch import objective_batch, totals
        from sparring.forward import Scored

        together = totals([record for case in cases for record in case.records])
        loss, gradient, metrics = 0.0, list[float](), dict[str, float]()
        for case in cases:
            logprobs = torch.tensor(list(case.logprobs), dtype=torch.float32, requires_grad=True)
            rows = _by_row(case)
            reference = [[case.reference[i] for i in row] for row in rows]
            divergence = None
            if self.needs in ("reverse_kl", "forward_kl"):
                # Any divergence will do that is zero, and flat, where the two policies agree.
                divergence = 0.5 * (logprobs - torch.tensor(list(case.reference))) ** 2
            batch = objective_batch(
                case.records,
                [[case.old[i] for i in row] for row in rows],
                reference if self.needs == "tokens" else None,
                Scored(logprobs, divergence, len(case.logprobs)),
                together,
                torch.device("cpu"),
            )
            share, sums = self._call(batch)
            loss += share.item()
            share.backward()
            gradient += [0.0] * len(case.logprobs) if logprobs.grad is None else logprobs.grad.tolist()
            for name, value in sums.items():
                self.report.require(
                    not getattr(value, "requires_grad", False), f"the metric {name!r} carries a gradient; detach it"
                )
                number = float(value)
                self.report.require(math.isfinite(number), f"the metric {name!r} is {number}")
                largest = name.endswith("_max")
                metrics[name] = (
                    max(metrics.get(name, -math.inf), number) if largest else metrics.get(name, 0.0) + number
                )
        self.report.require(all(map(math.isfinite, gradient)), f"the gradient is not finite: {shown(gradient)}")
        return _Result(loss, gradient, metrics)

    def _call(self, batch: ObjectiveBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        import torch

        try:
            returned = self.objective(batch)
        except Exception as error:  # a plugin may raise anything
            self.report.fail(f"raises {error!r}", error)
            raise
        self.report.require(
            isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict),
            f"returns {shown(returned)} instead of a loss and a mapping of metrics",
        )
        loss, sums = returned
        self.report.require(
            isinstance(loss, torch.Tensor) and loss.ndim == 0, f"the loss is {shown(loss)} instead of a scalar tensor"
        )
        self.report.require(math.isfinite(loss.item()), f"the loss is {loss.item()}")
        self.report.require(
            loss.requires_grad, "the loss carries no gradient; is it computed from batch.logprobs, undetached?"
        )
        return loss, sums

    def _same(self, found: _Result, expected: _Result, what: str) -> None:
        scale = max(1.0, *map(abs, expected.gradient))
        self.report.require(
            _close(found.loss, expected.loss), f"{what}, the loss is {found.loss:.6g} instead of {expected.loss:.6g}"
        )
        for token, (ours, theirs) in enumerate(zip(found.gradient, expected.gradient, strict=True)):
            self.report.require(
                abs(ours - theirs) <= _TOLERANCE * scale,
                f"{what}, the gradient at token {token} is {ours:.6g} instead of {theirs:.6g}",
            )
        self.report.require(
            found.metrics.keys() == expected.metrics.keys(),
            f"{what}, its metrics are {sorted(found.metrics)} instead of {sorted(expected.metrics)}",
        )
        for name, value in expected.metrics.items():
            self.report.require(
                _close(found.metrics[name], value),
                f"{what}, the metric {name!r} is {found.metrics[name]:.6g} instead of {value:.6g}",
            )

    def _weightless(self) -> None:
        first, *others = self.case.records
        weightless = replace(self.case, records=[replace(first, weight=0.0), *others])
        gradient = self.evaluate([weightless]).gradient[: self.case.counts()[0]]
        self.report.require(
            not any(gradient),
            f"a record of weight 0 has the gradient {shown(gradient)}; multiply by the batch's weights",
        )

    def _directed(self) -> None:
        equal = replace(self.case, old=self.case.logprobs, reference=self.case.logprobs)
        gradient = self.evaluate([equal]).gradient
        for token, (slope, wanted) in enumerate(zip(gradient, _wanted(equal.records), strict=True)):
            self.report.require(
                slope * wanted <= 0,
                f"the gradient of a token that should become {'likelier' if wanted > 0 else 'less likely'} is "
                f"{slope:+.6g} (token {token}); a loss falls along minus its gradient (if it should not: direction=False)",
            )
        self.report.require(any(gradient), "has no gradient where policy, sampling policy and reference are equal")


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= _TOLERANCE * max(1.0, abs(a), abs(b))


def _wanted(records: Sequence[Record]) -> list[float]:
    """For each trained token whether it should become likelier (positive) or less so."""
    found: list[float] = []
    for record in records:
        if isinstance(record, PolicyGradientRecord):
            found += record.advantages
        elif isinstance(record, PreferenceRecord):
            found += [1.0] * len(record.chosen_positions) + [-1.0] * len(record.rejected_positions)
        else:
            found += [1.0] * len(record.positions)
    return found


def _by_row(case: _Case) -> list[list[int]]:
    """The numbers of the case's tokens, by row."""
    rows, at = [], 0
    for record in case.records:
        for _, positions in record.rows:
            rows.append(list(range(at, at + len(positions))))
            at += len(positions)
    return rows


def _random_case(kind: RecordKind, chance: Chance) -> _Case:
    makers = {"policy_gradient": _policy_gradient, "preference": _preference, "demonstration": _demonstration}
    records = [makers[kind](chance) for _ in range(_RECORDS)]
    count = sum(len(positions) for record in records for _, positions in record.rows)
    logprobs = [-_uniform(chance, 0.05, 3.0) for _ in range(count)]
    old = [value + _uniform(chance, -0.4, 0.4) for value in logprobs]
    reference = [value + _uniform(chance, -0.4, 0.4) for value in logprobs]
    if kind == "policy_gradient":
        at = 0
        for record in records:
            assert isinstance(record, PolicyGradientRecord)
            record.logprobs = old[at : at + len(record.positions)]
            at += len(record.positions)
    return _Case(records, logprobs, old if kind == "policy_gradient" else [0.0] * count, reference)


def _uniform(chance: Chance, low: float, high: float) -> float:
    return low + (high - low) * chance.pick(range(1000)) / 999


def _weight(chance: Chance) -> float:
    return chance.pick([0.5, 1.0, 1.0, 2.0])


def _policy_gradient(chance: Chance) -> Record:
    """A row with one to three turns of one to four tokens."""
    lengths = [chance.pick([1, 2, 4]) for _ in range(chance.pick([1, 2, 3]))]
    turns = [turn for turn, length in enumerate(lengths) for _ in range(length)]
    each = [_uniform(chance, 0.2, 2.0) * chance.pick([-1, 1]) for _ in lengths]
    return PolicyGradientRecord(
        "main", 0, list(range(len(turns) + 1)), list(range(1, len(turns) + 1)), [], [each[turn] for turn in turns], turns,
        len(lengths), 0, {"entry": 0}, _weight(chance),
    )  # fmt: skip


def _preference(chance: Chance) -> Record:
    chosen, rejected = (list(range(chance.pick([2, 3, 5]))) for _ in range(2))
    # All between even chances and certainty: a pair whose better side hardly wins wants nothing clear.
    win = _uniform(chance, 0.6, 1.0)
    return PreferenceRecord(
        "main", chosen, rejected, chosen[1:], rejected[1:], win, 1 - win, _uniform(chance, 0.0, 1.0), labels={"entry": 0},
        weight=_weight(chance),
    )  # fmt: skip


def _demonstration(chance: Chance) -> Record:
    tokens = list(range(chance.pick([2, 3, 6])))
    return DemonstrationRecord("main", tokens, tokens[1:], labels={"entry": 0}, weight=_weight(chance))
