"""`sparring check`: is a recipe right?"""

from __future__ import annotations

from pathlib import Path

import click

from sparring_cli.options import host_options, load_host


@click.command()
@click.argument("recipe")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one value of the recipe; may be repeated."
)
@click.option("--smoke", is_flag=True, help="Apply the recipe's smoke block.")
@click.option("--resolved", "show", is_flag=True, help="Print every value after defaults, as YAML.")
@host_options
def check(
    recipe: str, sets: tuple[str, ...], smoke: bool, show: bool, plugins: tuple[Path, ...], blocked: tuple[str, ...]
) -> None:
    """Check RECIPE, a bundled name or a file, without loading a model. Everything wrong is told at once."""
    from sparring.recipe import find_recipe, load_recipe, resolved

    host = load_host(plugins, blocked)
    for line in host.registry.broken:
        click.echo(f"warning: {line}", err=True)
    source = find_recipe(recipe, host.recipe_packages)
    loaded = load_recipe(source, host.registry, sets=sets, smoke=smoke)
    click.echo(resolved(loaded) if show else f"{source.where}: nothing is wrong", nl=not show)
