"""A run's folder is its own."""

from pathlib import Path

import pytest

from sparring.errors import RunFolderError
from sparring.run_folder import RunFolder


def test_two_runs_cannot_hold_one_folder(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path / "run")
    with pytest.raises(RunFolderError, match="in use"):
        RunFolder.create(tmp_path / "run")
    first.close()


def test_a_folder_with_something_in_it_is_refused_with_the_remedies(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RunFolderError, match=r"mine\.txt.*--resume.*--out"):
        RunFolder.create(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunFolderError, match="file"):
        RunFolder.create(tmp_path / "file" / "run")


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"resolved\.yaml"):
        RunFolder.open(tmp_path)
