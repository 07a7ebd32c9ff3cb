"""Checks that authors of plugins call in their own tests."""

from sparring.testing.checks import check_game, check_twin

__all__ = ["check_game", "check_twin"]
