"""What curricula share that change the shares of entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring import Params

if TYPE_CHECKING:
    from sparring.recipe import Recipe


class ChangingParams(Params):
    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        if len(recipe.play) > 1:
            return []
        return [("", "'play' has one entry, so there are no shares to change; remove this, or play more")]
