"""The command line: a client of `sparring`, which does not know of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from sparring import __version__
from sparring.errors import RecipeError, SparringError
from sparring_cli.commands import COMMANDS, bundled
from sparring_cli.options import host_options, load_host


class _Main(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(self._added(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return bundled(cmd_name) if cmd_name in COMMANDS else self._added(ctx).get(cmd_name)

    def _added(self, ctx: click.Context) -> dict[str, click.Command]:
        """Commands of plugins, which are loaded only if no bundled command is meant."""
        added: dict[str, click.Command] | None = ctx.meta.get(__name__)
        if added is None:
            with _told(ctx):
                host = load_host((), ())
            for line in host.registry.broken:
                click.echo(f"warning: {line}", err=True)
            added = ctx.meta[__name__] = {name: command for name, (_, command) in host.commands.items()}
        return added

    def invoke(self, ctx: click.Context) -> Any:
        with _told(ctx):
            return super().invoke(ctx)


@contextmanager
def _told(ctx: click.Context) -> Iterator[None]:
    """Errors of the library end the program in a sentence."""
    try:
        yield
    except SparringError as error:
        # A recipe's problems begin with file and line, as compilers' do and editors read.
        told = str(error) if isinstance(error, RecipeError) else f"error: {error}"
        click.echo("\n".join([told, *getattr(error, "__notes__", ())]), err=True)
        ctx.exit(error.exit_status)


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sparring")
@host_options
def main(plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Self-play training for language models.

    `sparring list recipes` shows what there is to run, `sparring run RECIPE` runs it.
    """
