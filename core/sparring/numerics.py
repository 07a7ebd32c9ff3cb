"""What to say when a loss or a gradient is not finite: which numbers, and whose row they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from sparring.batch import ObjectiveBatch
from sparring.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

CURE = "A smaller train.learning_rate or train.max_grad_norm is the usual cure; `--resume` goes on from the last checkpoint."


def whose(record: Record) -> str:
    """Where a record comes from."""
    game, role = (record.labels.get(key, "?") for key in ("game", "role"))
    return f"episode {record.episode} of {game} (role {role})"


def broken(tensors: Mapping[str, torch.Tensor | None]) -> list[str]:
    """The names of those that are not finite everywhere."""
    return [name for name, t in tensors.items() if t is not None and not bool(torch.isfinite(t).all())]


def why_loss_broke(
    batch: ObjectiveBatch,
    records: Sequence[Record],
    parameters: Mapping[str, torch.nn.Parameter],
    alone: Callable[[Record], torch.Tensor],
) -> str:
    """What of a micro-batch's loss is not finite. ``alone`` is the loss of a record by itself."""
    places = [
        (record, row, place)
        for record in records
        for row, (_, positions) in enumerate(record.rows)
        for place in positions
    ]
    for name in ("logprobs", "old_logprobs", "reference", "divergence", "advantages"):
        values = getattr(batch, name)
        if name in broken({name: values}):
            bad = (~torch.isfinite(values)).nonzero()[:, 0]
            record, row, place = places[int(bad[0])]
            weights = broken(parameters) if name == "logprobs" else []
            because = f"; so are {len(weights)} parameters, first {weights[0]}" if weights else ""
            return (
                f"{name} has {len(bad)} values that are not finite, first in {whose(record)}, token {place} of row {row} of its "
                f"record{because}"
            )
    first = next((record for record in records if not bool(torch.isfinite(alone(record)))), None)
    row_of = f"first for {whose(first)}" if first else "though for no record by itself"
    return f"the objective overflows, {row_of}, while all that it is given is finite"


def why_gradient_broke(parameters: Mapping[str, torch.nn.Parameter], find: Callable[[], Record | None]) -> str:
    """What of the gradients that ``parameters`` hold is not finite. ``find`` finds the first record whose own is not."""
    gradients = {name: p.grad for name, p in parameters.items()}
    bad = broken(gradients)
    if not bad:
        largest = max((float(g.abs().max()), name) for name, g in gradients.items() if g is not None)
        return (
            f"every tensor is finite and their squares overflow; the largest value is {largest[0]:.3g}, in {largest[1]}"
        )
    first = find()
    row = f"first from {whose(first)}" if first else "though from no record by itself"
    return f"not finite in {len(bad)} tensors, first {bad[0]}; {row}"
