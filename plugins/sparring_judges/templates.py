"""Texts with named places: ``{prompt}`` stands for the field ``prompt`` of an item. Other braces are only braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparring import SparringError

_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


def fill(template: str, item: Mapping[str, Any], judge: str) -> str:
    """``template`` with the item's fields. What a field says is not filled again. Raises `SparringError` if one is missing."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in item:
            raise SparringError(
                f"the template of {judge} has a place for '{name}', which the scheme does not give (it gives: {', '.join(item)})"
            )
        return str(item[name])

    return _PLACE.sub(value, template)


def places(template: str) -> set[str]:
    """The names a template has places for."""
    return set(_PLACE.findall(template))
