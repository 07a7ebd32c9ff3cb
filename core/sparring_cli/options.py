"""What every command takes: which plugins to load besides the installed ones, and which to leave out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sparring.errors import PluginLoadError
from sparring_cli.commands import COMMANDS

if TYPE_CHECKING:
    from rich.console import Console

    from sparring.plugins import Host

F = TypeVar("F", bound=Callable[..., Any])


def host_options(command: F) -> F:
    """Give a command ``--plugin`` and ``--no-plugin``, as ``plugins`` and ``blocked``; pass them to `load_host`."""
    blocked = click.option(
        "--no-plugin", "blocked", multiple=True, metavar="NAME", help="Leave a plugin out; may be repeated."
    )
    plugins = click.option(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Load a Python file as a plugin too.",
    )
    return plugins(blocked(command))


def load_host(plugins: Sequence[Path], blocked: Sequence[str], *, tolerant: bool = False) -> Host:
    """Load plugins, with the options given before the command's name added to its own.

    Raises `PluginLoadError` if a file among ``plugins`` cannot be used, unless ``tolerant``: who names one wants it. Of the
    installed ones, those that cannot be used are only reported. Raises `NameClashError` if a plugin has a command that is called
    like a bundled one.
    """
    from sparring.plugins import load_plugins, refuse_command

    given = click.get_current_context().find_root().params
    files = tuple(dict.fromkeys((*given.get("plugins", ()), *plugins)))
    host = load_plugins(block=(*given.get("blocked", ()), *blocked), files=files)
    error_of = {info.name: info.error for info in host.plugins}
    for file in files:
        if not tolerant and error_of.get(file.stem):
            raise PluginLoadError(f"the plugin {file} could not be loaded: {error_of[file.stem]}")
    for name, (plugin, _) in host.commands.items():
        if name in COMMANDS:
            refuse_command(name, "sparring", plugin)
    return host


def console() -> Console:
    """Standard output. Away from a terminal lines are not cut, so that they can be searched."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=1000)
