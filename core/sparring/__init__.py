"""Sparring: self-play training for language models. These are the public names; all else may move."""

from sparring.chance import Chance, SeededChance
from sparring.errors import GameError, PluginError, RecipeError, SparringError
from sparring.game import FreeText, Game, GameInfo, Move, Outcome, State, Twin, random_action
from sparring.hookspecs import hookimpl
from sparring.interfaces import (
    AdvantageEstimator,
    Blender,
    Completion,
    Curriculum,
    Evaluator,
    Generator,
    Judge,
    LoadedModel,
    Match,
    MatchObserver,
    ModelContext,
    ModelSource,
    NeedsReference,
    Objective,
    Opponent,
    OpponentSampler,
    Player,
    RecordBuilder,
    Request,
    RoleScheme,
    RoleSpec,
    RunEnded,
    RunStarted,
    Sampling,
    Scorer,
    Speaker,
    StepEnded,
    Store,
    Table,
    Task,
    TaskSource,
    Tracker,
    Transcript,
    Verdict,
    Voice,
)
from sparring.metrics import Metric
from sparring.params import Choice, Params, component
from sparring.records import (
    DemonstrationRecord,
    Episode,
    PolicyGradientRecord,
    PreferenceRecord,
    Record,
    RecordKind,
    Span,
    Trajectory,
    Turn,
)
from sparring.registry import Register

__version__ = "0.1.0"

__all__ = [
    "AdvantageEstimator", "Blender", "Chance", "Choice", "Completion", "Curriculum", "DemonstrationRecord", "Episode", "Evaluator", "FreeText",
    "Game", "GameError", "GameInfo", "Generator", "Judge", "LoadedModel", "Match", "MatchObserver", "Metric",
    "ModelContext", "ModelSource", "Move", "NeedsReference", "Objective", "Opponent", "OpponentSampler", "Outcome", "Params", "Player", "PluginError",
    "PolicyGradientRecord", "PreferenceRecord", "RecipeError", "Record", "RecordBuilder", "RecordKind", "Register",
    "Request", "RoleScheme", "RoleSpec", "RunEnded", "RunStarted", "Sampling", "Scorer", "SeededChance", "Span", "SparringError", "Speaker",
    "State", "StepEnded", "Store", "Table", "Task", "TaskSource", "Tracker", "Trajectory", "Transcript", "Turn", "Twin",
    "Verdict", "Voice", "component", "hookimpl", "random_action",
]  # fmt: skip
