"""The bundled commands. A command's module is imported when it is used, so that none waits for another's imports."""

from __future__ import annotations

import importlib

import click

#: command -> where it is, in the order of `sparring --help`
COMMANDS: dict[str, str] = {
    "run": "sparring_cli.run:run",
    "play": "sparring_cli.play:play",
    "eval": "sparring_cli.results:evaluate",
    "export": "sparring_cli.results:export",
    "profile": "sparring_cli.profile:profile",
    "check": "sparring_cli.check:check",
    "check-game": "sparring_cli.check_game:check_game",
    "list": "sparring_cli.catalogue:list_",
    "describe": "sparring_cli.catalogue:describe",
    "models": "sparring_cli.inventory:models",
    "plugins": "sparring_cli.inventory:plugins",
    "new-plugin": "sparring_cli.new_plugin:new_plugin",
}


def bundled(name: str) -> click.Command:
    module, _, attribute = COMMANDS[name].partition(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command
