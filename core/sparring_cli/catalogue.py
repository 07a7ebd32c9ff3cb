"""`sparring list` and `sparring describe`: what there is, and everything about one of it."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import yaml
from pydantic.fields import FieldInfo

from sparring.params import Choice, Params, did_you_mean
from sparring.registry import KINDS, Component
from sparring_cli.options import console, host_options, load_host

RECIPE = "recipe"


@click.command("list")
@click.argument("kind", required=False)
@host_options
def list_(kind: str | None, plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """List what is registered: everything, or one KIND such as games or recipes."""
    from rich.table import Table
    from rich.text import Text

    from sparring.recipe import list_recipes

    wanted = kind_of(kind) if kind else None
    host = load_host(plugins, blocked)
    rows: list[tuple[str, str, str, str]] = []
    if wanted != RECIPE:
        rows += [(c.kind, _name(c), c.plugin, c.summary) for c in host.registry.all(wanted)]
    if wanted in (None, RECIPE):
        rows += [(RECIPE, info.name, info.package, info.summary) for info in list_recipes(host.recipe_packages)]
    table = Table(box=None, pad_edge=False)
    for title, style in (("kind", "dim"), ("name", "bold"), ("from", "dim"), ("", "")):
        table.add_column(title, style=style, no_wrap=True, overflow="ellipsis")
    before = ""
    for row in rows:
        table.add_row(*map(Text, (row[0] if row[0] != before else "", *row[1:])))
        before = row[0]
    console().print(table)
    for line in host.registry.broken:
        click.echo(f"warning: {line}", err=True)


@click.command()
@click.argument("kind")
@click.argument("name")
@host_options
def describe(kind: str, name: str, plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Describe one component: what it does, its parameters, and YAML to paste. `describe recipe NAME` prints a recipe."""
    from sparring.recipe import find_recipe

    wanted = kind_of(kind)
    host = load_host(plugins, blocked)
    if wanted == RECIPE:
        click.echo(find_recipe(name, host.recipe_packages).text, nl=False)
        return
    _print(host.registry.get(wanted, name))


def kind_of(word: str) -> str:
    """A kind by its name, singular or plural, or by the words of its hook."""
    known = {RECIPE: RECIPE, "recipes": RECIPE}
    for kind, hook in KINDS.items():
        plural = hook.removeprefix("sparring_register_")
        for spelling in (kind, f"{kind}s", kind.removesuffix("s"), plural, plural.removesuffix("s")):
            known[spelling] = kind
    found = known.get(word.replace("-", "_"))
    if found is None:
        raise click.UsageError(
            f"no kind named '{word}'{did_you_mean(word, list(known))} (kinds: {', '.join([*KINDS, RECIPE])})"
        )
    return found


def _name(component: Component) -> str:
    return component.name if component.status == "stable" else f"{component.name} ({component.status})"


def _print(component: Component) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    facts = [component.kind, f"plugin {component.plugin}", *([component.paper] if component.paper else [])]
    facts += [component.status] if component.status != "stable" else []
    out.print(Text.assemble((component.name, "bold"), f"  {', '.join(facts)}"))
    if text := documentation(component):
        out.print(Text(f"\n{text}"))
    rows = parameters(component.params)
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("parameter", "type", "default", "range", ""):
            table.add_column(title, style="bold" if title == "parameter" else "", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, (row.name, row.type, row.default, row.range, row.description)))
        out.print("", table)
    if component.metrics:
        out.print()
    for metric in component.metrics:
        unit = f" ({metric.unit})" if metric.unit else ""
        out.print(Text(f"metric {metric.pattern}{unit}: {metric.meaning}"))
    out.print(Text(f"\n{example(component)}"), end="")


# ---- what `describe` says, for other pages too -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """A parameter in words. ``default`` is YAML, or "required"."""

    name: str
    type: str
    default: str
    range: str
    description: str


def documentation(component: Component) -> str:
    """The docstring of the factory, or else of its module."""
    module = inspect.getmodule(component.factory)
    return inspect.cleandoc(component.factory.__doc__ or (module and module.__doc__) or "").rstrip()


def parameters(params: type[Params]) -> list[ParameterRow]:
    return [
        ParameterRow(
            name,
            type_words(info.annotation),
            "required" if info.is_required() else _in_line(_default(info)),
            _range(info.metadata),
            info.description or "",
        )
        for name, info in params.model_fields.items()
    ]


def example(component: Component) -> str:
    """The component as a recipe says it, with every default; what has none stands as …."""
    fields = component.params.model_fields.items()
    values = {name: "…" if info.is_required() else _default(info) for name, info in fields}
    text: str = yaml.safe_dump(
        {"use": component.name, **values}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=100
    )
    return text


def type_words(annotation: Any) -> str:
    """A type as a person says it: ``int or null``, ``plain | terse``, ``a Game``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(arguments[0])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_words(argument) for argument in arguments))
    if origin is Choice:
        # AdvantageEstimator -> advantage estimator
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", getattr(arguments[0], "__name__", str(arguments[0]))).lower()
    if origin in (list, tuple, dict):
        inside = [type_words(argument) for argument in arguments if argument is not Ellipsis]
        return f"mapping of {inside[-1]}" if origin is dict else f"list of {' and '.join(dict.fromkeys(inside))}"
    if annotation is type(None):
        return "null"
    return {str: "text", bool: "true | false", float: "number", int: "whole number"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


def _default(info: FieldInfo) -> Any:
    """A default as plain data."""
    value = info.get_default(call_default_factory=True, validated_data={})
    return value.model_dump(mode="json") if isinstance(value, Params) else value


def _in_line(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()


def _range(metadata: Iterable[Any]) -> str:
    """The limits that `annotated_types` markers set, nested ones of `Field` included."""
    signs = {
        "ge": "≥",
        "gt": ">",
        "le": "≤",
        "lt": "<",
        "multiple_of": "multiple of",
        "min_length": "length ≥",
        "max_length": "length ≤",
    }
    found = [
        f"{sign} {getattr(mark, name)}"
        for mark in metadata
        for name, sign in signs.items()
        if getattr(mark, name, None) is not None
    ]
    return ", ".join(found)
