"""Bundled recipes: ``<family>/<method>.yaml`` beside this file."""

from sparring import hookimpl


@hookimpl
def sparring_register_recipes() -> list[str]:
    return ["sparring_recipes"]
