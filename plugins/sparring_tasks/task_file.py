"""The task source `task_file`: prompts, with answers if there are any, from a file of JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from sparring import Chance, Params, SparringError, Task


class TaskFileParams(Params):
    path: str = Field(description="A file with one JSON object a line.")
    prompt: str = Field("prompt", description="Key of the prompt.")
    answer: str = Field("answer", description="Key of the answer; lines may lack it.")


class TaskFile:
    """Tasks from a file of JSON lines, drawn with equal chances."""

    def __init__(self, params: TaskFileParams) -> None:
        self.params = params
        self._tasks: list[Task] = []

    def draw(self, chance: Chance) -> Task:
        if not self._tasks:
            self._tasks = self._read()
        return chance.pick(self._tasks)

    def _read(self) -> list[Task]:
        path = Path(self.params.path).expanduser()
        tasks = []
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        tasks.append(self._task(json.loads(line), f"{path}:{number}"))
        except OSError as error:
            raise SparringError(f"task_file: {path} cannot be read: {error.strerror}") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise SparringError(f"{path}: not JSON lines in UTF-8: {error}") from error
        if not tasks:
            raise SparringError(f"task_file: {path} holds no task")
        return tasks

    def _task(self, line: object, where: str) -> Task:
        if not isinstance(line, dict) or not isinstance(line.get(self.params.prompt), str):
            raise SparringError(f"{where}: needs an object with the text {self.params.prompt!r}")
        answer = line.get(self.params.answer)
        return Task(line[self.params.prompt], None if answer is None else str(answer))
