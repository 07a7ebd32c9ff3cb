"""Checks and fakes for the tests of plugins. Games, schemes and the rest are checked without a model."""

from sparring.testing.checks import check_game, check_twin
from sparring.testing.estimators import check_estimator
from sparring.testing.fakes import Answer, Answers, ScriptedGenerator, byte_chat, chosen, make, play_episode, trajectory
from sparring.testing.judges import check_judge
from sparring.testing.objectives import check_objective
from sparring.testing.recipes import check_recipe
from sparring.testing.report import CheckFailed
from sparring.testing.schemes import Write, check_scheme

__all__ = [
    "Answer", "Answers", "CheckFailed", "ScriptedGenerator", "Write", "byte_chat", "check_estimator", "check_game",
    "check_judge", "check_objective", "check_recipe", "check_scheme", "check_twin", "chosen", "make", "play_episode", "trajectory",
]  # fmt: skip
