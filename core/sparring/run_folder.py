"""The folder of one run, and the lock that keeps two runs out of it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sparring.errors import RunFolderError


def write_text_atomically(path: Path, text: str) -> None:
    """A reader sees the old text or the new one, never half of it."""
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


class RunFolder:
    """Paths of a run. Holds the folder's lock until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"{path} is in use by another run; wait for it, or choose another folder with --out"
            ) from None

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A new folder. Raises `RunFolderError` if it holds something already or cannot be written."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = [entry.name for entry in path.iterdir() if entry.name != ".lock"]
            if held:
                raise RunFolderError(
                    f"{path} is not empty ({', '.join(sorted(held)[:4])}{', …' if len(held) > 4 else ''}); go on with that run by "
                    "--resume, or choose another folder with --out"
                )
            return cls(path)
        except OSError as error:
            raise RunFolderError(
                f"cannot write to {path}: {error.strerror or error}; choose another folder with --out"
            ) from error

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of a run to go on with."""
        if not (path / "resolved.yaml").exists():
            raise RunFolderError(f"{path} is no run folder: it has no resolved.yaml")
        try:
            return cls(path)
        except OSError as error:
            raise RunFolderError(f"cannot write to {path}: {error.strerror or error}") from error

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def resolved(self) -> Path:
        return self.path / "resolved.yaml"

    def write_manifest(self, record: dict[str, Any]) -> None:
        write_text_atomically(self.path / "manifest.json", json.dumps(record, indent=2) + "\n")

    def read_manifest(self) -> dict[str, Any]:
        path = self.path / "manifest.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def discard(self) -> None:
        """Give up a new folder in which nothing has happened yet, so that its name is free again."""
        self.recipe.unlink(missing_ok=True)
        self.resolved.unlink(missing_ok=True)
        self.close()
        (self.path / ".lock").unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            self.path.rmdir()

    def close(self) -> None:
        self._lock.release()
