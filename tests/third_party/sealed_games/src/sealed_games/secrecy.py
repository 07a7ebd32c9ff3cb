"""Who knows the secret: Bob should, Eve should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field
from sparring import Params, Verdict


class SecrecyParams(Params):
    leak: float = Field(1.0, ge=0, description="What Alice and Bob lose if Eve knows the secret too.")


class Secrecy:
    """Alice and Bob are paid if Bob knows the secret and pay if Eve does; Eve is paid if she does."""

    def __init__(self, params: SecrecyParams) -> None:
        self.params = params

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``secret``, ``bob`` and ``eve``, all texts. Values are of Alice, Bob and Eve."""
        return [self._one(item) for item in items]

    def _one(self, item: Mapping[str, Any]) -> Verdict:
        bob, eve = (float(item[name].strip().casefold() == item["secret"].casefold()) for name in ("bob", "eve"))
        kept = bob - self.params.leak * eve
        return Verdict((kept, kept, eve), detail={"bob_knows": bob, "eve_knows": eve})
