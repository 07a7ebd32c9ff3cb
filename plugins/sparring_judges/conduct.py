"""The judge `conduct`: pays a turn for how it was answered, not for what came of it.

UnstableBaselines (at 11f37be) gives +1.5 if an answer keeps the format, and +1 for a valid move, -1 for an invalid one:
``{use: conduct, formatted: 1.5}`` and ``{use: conduct, legal: 1.0, illegal: -1.0}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sparring import Params, Verdict


class ConductParams(Params):
    formatted: float = Field(0.0, description="For an answer in the format that the scheme asks for.")
    unformatted: float = Field(0.0, description="For one that is not.")
    legal: float = Field(0.0, description="For a legal move.")
    illegal: float = Field(0.0, description="For an illegal one.")


class Conduct:
    """A turn's pay for its format and for making a legal move."""

    def __init__(self, params: ConductParams) -> None:
        self.params = params

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``formatted`` and ``legal``. A verdict has one value."""
        p = self.params
        return [
            Verdict(((p.formatted if i["formatted"] else p.unformatted) + (p.legal if i["legal"] else p.illegal),))
            for i in items
        ]
