"""Checkpoints: everything a run needs to go on exactly, written aside and renamed, so that half of one is never read.

``checkpoints/step-000010/`` holds ``policies/<name>/`` (plain Hugging Face folders), ``<tensors>.safetensors``,
``state.json`` and, written last, ``complete.json`` with the size of every file and a digest of the state. No pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.errors import CheckpointError, NumericsError

if TYPE_CHECKING:
    import torch

    from sparring.interfaces import LoadedModel

_COMPLETE = "complete.json"


@dataclass(slots=True)
class Saved:
    """What a checkpoint holds: JSON state, tensor files by name, and policies' weights by policy and parameter."""

    step: int
    state: dict[str, Any]
    tensors: dict[str, dict[str, torch.Tensor]]
    weights: dict[str, dict[str, torch.Tensor]]


def save(
    folder: Path,
    step: int,
    state: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    models: Mapping[str, LoadedModel],
    *,
    unchanged: Mapping[str, Path] | None = None,
) -> Path:
    """Write the checkpoint of ``step`` of the run in ``folder``.

    ``unchanged`` names tensor files that are the same as in an earlier checkpoint; they are linked, not written again.
    Raises `CheckpointError` if the disk is full or refuses; earlier checkpoints are as they were.
    """
    home = folder / "checkpoints"
    final, aside = home / f"step-{step:06d}", home / f".step-{step:06d}.tmp-{os.getpid()}"
    try:
        home.mkdir(exist_ok=True)
        for left in home.glob(".step-*.tmp-*"):  # of a killed run: the folder's lock says that nobody is writing them
            shutil.rmtree(left)
        _write(aside, step, state, tensors, models, unchanged or {})
        if final.exists():
            shutil.rmtree(final)
        os.replace(aside, final)
        _sync(home)
    except NumericsError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    # safetensors reports a failed write as an exception of its own, not as an OSError.
    except Exception as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(
            f"cannot save step {step} into {home}: {error}. Nothing saved before is lost; free some space (or keep fewer "
            "checkpoints: checkpoint.keep_last), then go on with --resume"
        ) from error
    return final


def _write(
    aside: Path,
    step: int,
    state: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    models: Mapping[str, LoadedModel],
    unchanged: Mapping[str, Path],
) -> None:
    import torch
    from safetensors.torch import save_file

    from sparring.adapters import plain

    for name, loaded in models.items():
        bad = [key for key, p in loaded.model.named_parameters() if not bool(torch.isfinite(p).all())]
        if bad:
            raise NumericsError(
                f"step {step}: weights of policy {name!r} are not finite in {len(bad)} tensors, first {bad[0]}; they are not "
                "saved. Go on from the checkpoint before with --resume, with a smaller train.learning_rate"
            )
    aside.mkdir(parents=True)
    for name, loaded in models.items():
        plain(loaded).save_pretrained(aside / "policies" / name)
        loaded.tokenizer.save_pretrained(aside / "policies" / name)
    for name, group in tensors.items():
        path = aside / f"{name}.safetensors"
        earlier = unchanged[name] / path.name if name in unchanged else None
        if earlier is not None and earlier.exists():
            try:
                os.link(earlier, path)
            except OSError:  # a file system without links
                shutil.copyfile(earlier, path)
            continue
        # Copies, because tied tensors share memory, which the format refuses.
        save_file({key: value.detach().cpu().contiguous().clone() for key, value in group.items()}, path)
    text = json.dumps({"step": step, **state})
    (aside / "state.json").write_text(text)
    files = sorted(path for path in aside.rglob("*") if path.is_file())
    sizes = {str(path.relative_to(aside)): path.stat().st_size for path in files}
    complete = {"step": step, "files": sizes, "state_sha256": hashlib.sha256(text.encode()).hexdigest()}
    (aside / _COMPLETE).write_text(json.dumps(complete, indent=1))
    for path in [*files, aside / _COMPLETE]:
        _sync(path)
    _sync(aside)


def _sync(path: Path) -> None:
    """To the disk: a rename may not overtake what it renames."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def steps(folder: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first."""
    return sorted(path for path in (folder / "checkpoints").glob("step-*") if (path / _COMPLETE).exists())


def step_of(path: Path) -> int:
    """Which step a checkpoint is of."""
    return int(path.name.removeprefix("step-"))


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint; None if there is none."""
    found = steps(folder)
    return found[-1] if found else None


def load(path: Path) -> Saved:
    """Read a checkpoint. Raises `CheckpointError` if a file is missing, of another size, or the state was changed."""
    from safetensors.torch import load_file

    try:
        complete = json.loads((path / _COMPLETE).read_text())
        text = (path / "state.json").read_text()
        for name, size in complete["files"].items():
            actual = (path / name).stat().st_size
            if actual != size:
                raise CheckpointError(
                    f"{path / name} has {actual} bytes instead of {size}: the checkpoint is damaged; remove it to use the one before"
                )
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: {error}; remove it to use the one before") from error
    if hashlib.sha256(text.encode()).hexdigest() != complete["state_sha256"]:
        raise CheckpointError(
            f"{path / 'state.json'} was changed after it was saved; remove the checkpoint to use the one before"
        )
    tensors = {file.stem: load_file(file) for file in path.glob("*.safetensors")}
    weights: dict[str, dict[str, torch.Tensor]] = {}
    for policy in sorted((path / "policies").iterdir()):
        weights[policy.name] = {}
        for file in sorted(policy.glob("*.safetensors")):
            weights[policy.name] |= load_file(file)
    return Saved(int(complete["step"]), json.loads(text), tensors, weights)


def retain(folder: Path, keep_last: int, keep_every: int = 0, best: int | None = None) -> None:
    """Remove checkpoints that no rule keeps: the newest ``keep_last``, those divisible by ``keep_every``, ``best``."""
    found = steps(folder)
    for path in found[:-keep_last]:
        step = step_of(path)
        if step != best and not (keep_every and step % keep_every == 0):
            # Renamed first: a removal that is cut short leaves no half checkpoint under a whole one's name.
            gone = path.with_name(f".{path.name}.tmp-{os.getpid()}")
            os.replace(path, gone)
            shutil.rmtree(gone)
