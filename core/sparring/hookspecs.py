"""Every hook, grouped by when it is called. This file is the reference; the docs page is generated from it.

Implement any of them in a module or object that the entry-point group ``sparring`` names, marked with
``@sparring.hookimpl``. A hook may take fewer arguments than its specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from sparring.game import Game
from sparring.interfaces import (
    AdvantageEstimator,
    Curriculum,
    Evaluator,
    Generator,
    Judge,
    ModelSource,
    Objective,
    OpponentSampler,
    Player,
    RecordBuilder,
    RoleScheme,
    RunEnded,
    RunStarted,
    StepEnded,
    TaskSource,
    Tracker,
)
from sparring.registry import Register

if TYPE_CHECKING:
    import click

PROJECT = "sparring"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# ---- registration: called once at start, each plugin with a `register` of its own ------------------------------------


@hookspec
def sparring_register_games(register: Register[Game]) -> None:
    """Register games: rules that a role scheme plays."""


@hookspec
def sparring_register_role_schemes(register: Register[RoleScheme]) -> None:
    """Register role schemes: who speaks when, and who is trained."""


@hookspec
def sparring_register_judges(register: Register[Judge]) -> None:
    """Register judges: what makes rewards, labels and preferences."""


@hookspec
def sparring_register_advantage_estimators(register: Register[AdvantageEstimator]) -> None:
    """Register advantage estimators: rewards to advantages."""


@hookspec
def sparring_register_record_builders(register: Register[RecordBuilder]) -> None:
    """Register record builders: episodes to what is trained on."""


@hookspec
def sparring_register_objectives(register: Register[Objective]) -> None:
    """Register objectives: records to loss."""


@hookspec
def sparring_register_opponent_samplers(register: Register[OpponentSampler]) -> None:
    """Register opponent samplers: which version of a policy sits opposite."""


@hookspec
def sparring_register_players(register: Register[Player]) -> None:
    """Register players: what acts without being a policy."""


@hookspec
def sparring_register_task_sources(register: Register[TaskSource]) -> None:
    """Register task sources: where schemes and evaluators take tasks from."""


@hookspec
def sparring_register_curricula(register: Register[Curriculum]) -> None:
    """Register curricula: how often each entry of a recipe's `play:` is begun."""


@hookspec
def sparring_register_models(register: Register[ModelSource]) -> None:
    """Register models: names for weights to load or build."""


@hookspec
def sparring_register_generators(register: Register[Generator]) -> None:
    """Register generators: engines that sample and score tokens."""


@hookspec
def sparring_register_evaluators(register: Register[Evaluator]) -> None:
    """Register evaluators: numbers that are not rewards."""


@hookspec
def sparring_register_trackers(register: Register[Tracker]) -> None:
    """Register trackers: where metrics are written."""


@hookspec
def sparring_register_recipes() -> str | list[str] | None:
    """Return names of importable packages whose ``<family>/<method>.yaml`` files are recipes."""


@hookspec
def sparring_register_commands() -> Sequence[click.Command] | None:
    """Return commands of the command line, each called by its name after ``sparring``."""


# ---- observing: an event, never a way to change a run ----------------------------------------------------------------


@hookspec
def sparring_run_started(event: RunStarted) -> None:
    """See a run that is about to take its first step."""


@hookspec
def sparring_step_ended(event: StepEnded) -> None:
    """See a step that has ended: its metrics and its episodes."""


@hookspec
def sparring_run_ended(event: RunEnded) -> None:
    """See a run that has ended, finished or not."""
