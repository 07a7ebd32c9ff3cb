"""`sparring run`: train by a recipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sparring.recipe import Recipe, RecipeSource, find_recipe, load_recipe
from sparring_cli.options import host_options, load_host


@click.command()
@click.argument("recipe", required=False)
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one value of the recipe; may be repeated."
)
@click.option("--smoke", is_flag=True, help="Apply the recipe's smoke block: seconds on two cores.")
@click.option("--seeds", metavar="0,1,2", help="One run for each seed, in folders of their own, and one curve of all.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; by default runs/NAME-TIME.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out from its last checkpoint.")
@host_options
def run(
    recipe: str | None, sets: tuple[str, ...], smoke: bool, seeds: str | None, out: Path | None, resume: bool,
    plugins: tuple[Path, ...], blocked: tuple[str, ...],
) -> None:  # fmt: skip
    """Train by RECIPE: a bundled name such as kuhn_poker/quickstart, or a file.

    With --resume the recipe is the one in the run folder, and may be left out.
    """
    host = load_host(plugins, blocked)
    for line in host.registry.broken:
        click.echo(f"warning: {line}", err=True)
    if resume:
        if out is None:
            raise click.UsageError("--resume needs --out: the folder of the run to go on with")
        if seeds:
            raise click.UsageError("--resume goes on with one run; give the folder of one seed")
        folder_recipe = out / "resolved.yaml"
        if not folder_recipe.exists():
            raise click.UsageError(f"{out} is no run folder: it has no resolved.yaml")
        source = RecipeSource(out.name, folder_recipe.read_text(), str(folder_recipe))
        _train(source, load_recipe(source, host.registry, sets=sets), host, out, resume=True)
        return
    if recipe is None:
        raise click.UsageError("names no recipe; `sparring list recipes` shows the bundled ones")
    source = find_recipe(recipe, host.recipe_packages)
    base = out or Path("runs") / f"{source.name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
    if seeds is None:
        _train(source, load_recipe(source, host.registry, sets=sets, smoke=smoke), host, base)
        return
    try:
        numbers = [int(part) for part in seeds.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--seeds takes whole numbers with commas between, such as 0,1,2; got {seeds!r}"
        ) from None
    folders = []
    for number in numbers:
        folder = base / f"seed-{number}"
        click.echo(f"seed {number}:", err=True)
        if not _train(
            source, load_recipe(source, host.registry, sets=(*sets, f"train.seed={number}"), smoke=smoke), host, folder
        ):
            return
        folders.append(folder)
    from sparring_cli.curve import draw_curve

    picture = draw_curve(folders, base / "curve.png", title=source.name)
    if picture:
        click.echo(f"all seeds: {picture}")


def _train(source: RecipeSource, recipe: Recipe, host: object, folder: Path, *, resume: bool = False) -> bool:
    """Run to the end; False after an interruption."""
    from sparring.plugins import Host
    from sparring.run import Run
    from sparring_cli.curve import draw_curve
    from sparring_cli.progress import watch

    assert isinstance(host, Host)
    with watch(host, recipe, source.name):
        made = Run(recipe, source.text, host, folder, resume=resume)
        click.echo(f"memory: {made.memory}")
        for note in made.notes:
            click.echo(f"note: this resume is not exact: {note}", err=True)
        with _way_on(folder):
            result = made.train()
    picture = draw_curve([result.folder], result.folder / "curve.png", title=source.name)
    if not result.finished:
        click.echo(
            f"stopped after step {result.step}, saved. Go on with:\n  sparring run --resume --out {result.folder}"
        )
        return False
    click.echo(f"done: {result.folder}")
    if picture:
        click.echo(f"  curve       {picture}")
    click.echo(f"  metrics     {result.folder / 'metrics.jsonl'}")
    if game := recipe.play[0].game:
        click.echo(f"  play it     sparring play {game.use} --against {result.folder}")
    click.echo(f"  export it   sparring export {result.folder} DIR")
    return True


@contextmanager
def _way_on(folder: Path) -> Iterator[None]:
    """Whatever ends a run, after its error stands what was saved and how to go on."""
    from sparring import checkpoint

    try:
        yield
    except Exception as error:
        if newest := checkpoint.latest(folder):
            step = checkpoint.step_of(newest)
            error.add_note(f"Saved up to step {step}. Go on from there with:\n  sparring run --resume --out {folder}")
        raise
