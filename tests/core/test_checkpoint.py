"""Half a checkpoint is never read, and a failed save loses nothing that was saved before."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sparring import checkpoint
from sparring.errors import CheckpointError

TENSORS = {"learner-main": {"a": torch.arange(6.0).reshape(2, 3)}, "pool-main@2": {"w": torch.ones(3)}}


def save(folder: Path, step: int, **more: Any) -> Path:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    return checkpoint.save(folder, step, {"trainer": {"x": [1, 2.5]}}, TENSORS, {}, **more)


@pytest.fixture(autouse=True)
def _no_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """These checkpoints have no models; the folder of them is made all the same."""
    write = checkpoint._write

    def with_folder(aside: Path, *rest: Any) -> None:
        write(aside, *rest)
        (aside / "policies").mkdir(exist_ok=True)

    monkeypatch.setattr(checkpoint, "_write", with_folder)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = checkpoint.load(save(tmp_path, 7))
    assert saved.step == 7
    assert saved.state["trainer"] == {"x": [1, 2.5]}
    assert saved.tensors["learner-main"]["a"].equal(TENSORS["learner-main"]["a"])


def test_a_checkpoint_without_its_last_file_is_not_there(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (save(tmp_path, 2) / "complete.json").unlink()
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert newest.name == "step-000001"


@pytest.mark.parametrize("name", ["learner-main.safetensors", "state.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, 1)
    with (path / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match=name):
        checkpoint.load(path)


def test_a_full_disk_leaves_earlier_checkpoints_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_sync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*--resume"):
        save(tmp_path, 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]


def test_unchanged_tensors_are_linked_not_written(tmp_path: Path) -> None:
    first = save(tmp_path, 1)
    second = save(tmp_path, 2, unchanged={"pool-main@2": first})
    name = "pool-main@2.safetensors"
    assert (first / name).stat().st_ino == (second / name).stat().st_ino


def test_retention_keeps_the_last_the_rounds_and_the_best(tmp_path: Path) -> None:
    for step in range(1, 9):
        save(tmp_path, step)
    checkpoint.retain(tmp_path, keep_last=2, keep_every=4, best=3)
    assert [path.name for path in checkpoint.steps(tmp_path)] == [f"step-{n:06d}" for n in (3, 4, 7, 8)]
