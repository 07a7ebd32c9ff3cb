"""`sparring plugins` and `sparring models`: what is at hand on this machine."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import ValidationError

from sparring.errors import SparringError
from sparring.registry import Component, Registry
from sparring_cli.options import console, host_options, load_host


@click.command()
@host_options
def plugins(plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Show every plugin, its version and how much it registers; in red what cannot be used and why."""
    from rich.table import Table
    from rich.text import Text

    host = load_host(plugins, blocked, tolerant=True)
    table = Table(box=None, pad_edge=False)
    for title in ("plugin", "distribution", "version", "components", ""):
        table.add_column(title, justify="right" if title == "components" else "left", overflow="fold")
    for info in host.plugins:
        cells = (info.name, info.distribution, info.version, str(len(info.components)), info.error)
        table.add_row(*(Text(cell, style="red" if info.error else "") for cell in cells))
    console().print(table)


@click.command()
@host_options
def models(plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Show the registered models, and where each is or how to get it."""
    from rich.table import Table
    from rich.text import Text

    host = load_host(plugins, blocked)
    table = Table(box=None, pad_edge=False, show_header=False)
    for component in host.registry.all("model"):
        table.add_row(Text(component.name, style="bold"), Text(_where(component, host.registry)))
    console().print(table)


def _where(component: Component, registry: Registry) -> str:
    """What the model says of itself; one that needs parameters cannot be asked without them."""
    required = [name for name, info in component.params.model_fields.items() if info.is_required()]
    if required:
        return f"{component.summary} Give it: {', '.join(required)}."
    try:
        where: str = component.factory(component.params.model_validate({}, context={"registry": registry})).where()
    except (SparringError, ValidationError, ImportError, OSError) as error:
        return f"cannot be asked: {error}"
    return where
