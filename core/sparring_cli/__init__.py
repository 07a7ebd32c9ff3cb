"""The command line. A command's module is imported when the command is used, so that none waits for another's imports."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from sparring import __version__
from sparring.errors import RecipeError, SparringError
from sparring_cli.options import host_options

#: command -> where it is, in the order of `sparring --help`
COMMANDS: dict[str, str] = {
    "run": "sparring_cli.run:run",
    "play": "sparring_cli.play:play",
    "eval": "sparring_cli.results:evaluate",
    "export": "sparring_cli.results:export",
    "check": "sparring_cli.check:check",
    "list": "sparring_cli.catalogue:list_",
    "describe": "sparring_cli.catalogue:describe",
    "models": "sparring_cli.inventory:models",
    "plugins": "sparring_cli.inventory:plugins",
    "new-plugin": "sparring_cli.new_plugin:new_plugin",
}


class _Main(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SparringError as error:
            # A recipe's problems begin with file and line, as compilers' do and editors read.
            click.echo(str(error) if isinstance(error, RecipeError) else f"error: {error}", err=True)
            ctx.exit(error.exit_status)


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sparring")
@host_options
def main(plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Self-play training for language models.

    `sparring list recipes` shows what there is to run, `sparring run RECIPE` runs it.
    """
