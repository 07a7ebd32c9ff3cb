"""The tracker `tensorboard`: event files in the run folder's ``tensorboard``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring import Params


class TensorBoardParams(Params):
    pass


class TensorBoard:
    """TensorBoard event files; look at them with ``tensorboard --logdir RUN``."""

    def __init__(self, params: TensorBoardParams) -> None:
        self._writer: Any = None

    def open(self, folder: Path, resume_after: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Rows of later steps, written before a crash, are hidden from here on.
        purge = None if resume_after is None else resume_after + 1
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if name != "step":
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
