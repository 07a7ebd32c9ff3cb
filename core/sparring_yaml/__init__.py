"""YAML to data plus the line of every value, with YAML's traps closed.

PyYAML keeps the last of two equal keys without a word and reads ``1e-6`` as a string. Here equal keys are refused, with
both lines; the string is left to pydantic, which makes a number of it where a number is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from sparring.errors import Problem, RecipeError

KeyPath = tuple[str | int, ...]


def read_yaml(text: str, where: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The mapping in a text, and the line of each of its values by key path.

    ``where`` names the source in messages. Raises `RecipeError` for syntax errors, equal keys, keys that are no text and
    a top that is no mapping; all equal keys are reported at once.
    """
    node = _compose(text, where)
    if not isinstance(node, yaml.MappingNode):
        found = "nothing" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else repr(node.value)
        raise RecipeError([Problem(where, 1, "", f"needs to be a mapping of sections, 'key: value'; found {found}")])
    problems = list(_bad_keys(node, (), where))
    if problems:
        raise RecipeError(problems)
    data = yaml.safe_load(text)
    return data, _lines(node)


def read_value(text: str, key: str) -> Any:
    """The value in ``--set key=text``, as YAML reads it. Raises `RecipeError`."""
    node = _compose(text, "--set", key)
    problems = list(_bad_keys(node, (key,), "--set")) if node is not None else []
    if problems:
        raise RecipeError([replace(problem, line=None) for problem in problems])
    return yaml.safe_load(text)


def dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))


def _compose(text: str, where: str, key: str = "") -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        yaml.safe_load(text)  # refuses what composes but cannot be built: unknown tags, dates that do not exist
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark is not None and not key else None
        raise RecipeError([Problem(where, line, key, f"is not valid YAML: {reason}")]) from error
    return node


def _bad_keys(node: yaml.Node, at: KeyPath, where: str) -> Iterator[Problem]:
    if isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _bad_keys(value, (*at, i), where)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            # A key that YAML reads as a number, a truth value or a merge would not be found under what was typed.
            told = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            yield Problem(
                where, line, dotted(at), f"keys are text; YAML reads {told} as something else, so put it in quotes"
            )
            continue
        if key.value in first:
            lines = f"line {line}" if first[key.value] == line else f"lines {first[key.value]} and {line}"
            text = f"is given twice, in {lines}; remove one"
            yield Problem(where, line, dotted((*at, key.value)), text)
        first.setdefault(key.value, line)
        yield from _bad_keys(value, (*at, key.value), where)


def _lines(node: yaml.Node, at: KeyPath = ()) -> dict[KeyPath, int]:
    found = {at: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*at, key.value))
            found[(*at, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            found |= _lines(value, (*at, i))
    return found
