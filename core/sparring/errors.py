"""Everything Sparring raises on purpose.

::

    SparringError
    ├── RecipeError         the recipe is wrong; carries every Problem found
    ├── PluginError         a plugin cannot be used
    │   ├── PluginLoadError     it does not import, or a hook of it does not fit
    │   └── NameClashError      two plugins register one name
    ├── RunFolderError      a run folder cannot be used: taken, unwritable, full, or not a run
    ├── CheckpointError     a checkpoint is missing, half written or of another recipe
    ├── ModelError          a model or its tokenizer cannot be loaded or does not fit
    ├── MemoryPlanError     training would take more memory than is free
    ├── MemoryShortError    a single row does not fit into memory
    ├── GameError           a game broke its own contract: a bug in the game, stops the run
    ├── EpisodeError        an episode failed; carries which, and the cause
    ├── JudgeError          a judge does not answer
    ├── PlayerError         a player that speaks failed, or has failed too often
    ├── EstimatorError      an advantage estimator broke its contract
    ├── GenerationError     the generator failed
    └── NumericsError       NaN or infinity; names step, tensor, and whose row it is

An illegal move is no error: it is data that the scheme handles (see ``Move``).
``RecipeError``, ``PluginError``, ``RunFolderError`` and ``MemoryPlanError`` mean "what you typed is wrong" (exit status 2); the others fail a run (1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SparringError(Exception):
    """Base of every error that is shown to a person without a traceback."""

    exit_status = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a recipe: where (file, line, dotted key) and what (a sentence with the value and the remedy)."""

    where: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class RecipeError(SparringError):
    """The recipe is wrong. All problems are reported at once."""

    exit_status = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class PluginError(SparringError):
    exit_status = 2


class PluginLoadError(PluginError):
    pass


class NameClashError(PluginError):
    pass


class RunFolderError(SparringError):
    exit_status = 2


class CheckpointError(SparringError):
    pass


class ModelError(SparringError):
    pass


class MemoryPlanError(SparringError):
    exit_status = 2


class MemoryShortError(SparringError):
    pass


class GameError(SparringError):
    pass


class EpisodeError(SparringError):
    pass


class JudgeError(SparringError):
    pass


class PlayerError(SparringError):
    pass


class EstimatorError(SparringError):
    pass


class GenerationError(SparringError):
    pass


class NumericsError(SparringError):
    pass
