"""What is done with a run afterwards: `sparring eval` and `sparring export`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from sparring.errors import CheckpointError, RunFolderError
from sparring.recipe import RecipeSource, load_recipe
from sparring_cli.options import host_options, load_host
from sparring_cli.play import trained_weights


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the run's recipe, its evaluators for example.",
)
@host_options
def evaluate(run: Path, sets: tuple[str, ...], plugins: tuple[Path, ...], blocked: tuple[str, ...]) -> None:
    """Run the recipe's evaluators on the newest checkpoint of RUN."""
    from sparring.assemble import assemble

    host = load_host(plugins, blocked)
    if not (run / "resolved.yaml").exists():
        raise RunFolderError(f"{run} is no run folder: it has no resolved.yaml")
    source = RecipeSource(run.name, (run / "resolved.yaml").read_text(), str(run / "resolved.yaml"))
    trainer = assemble(load_recipe(source, host.registry, sets=(*trained_weights(run), *sets)))
    found = trainer.evaluate(final=True)
    if not found:
        click.echo("the recipe names no evaluator; add one with --set 'evaluate=[{use: …, every: 1}]'")
    width = max(map(len, found), default=0)
    for name, value in found.items():
        click.echo(f"{name.removeprefix('eval/'):{width}}  {value:.4f}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--policy", help="Which policy; the only one if there is one.")
@click.option("--step", type=int, help="Which checkpoint; the newest by default.")
def export(run: Path, folder: Path, policy: str | None, step: int | None) -> None:
    """Copy a policy of RUN into FOLDER as a plain Hugging Face model folder."""
    from sparring import checkpoint

    chosen = checkpoint.latest(run) if step is None else run / "checkpoints" / f"step-{step:06d}"
    if chosen is None or not chosen.exists():
        there = ", ".join(sorted(p.name for p in (run / "checkpoints").glob("step-*"))) or "none"
        raise CheckpointError(f"{run} has no such checkpoint (there are: {there})")
    names = sorted(path.name for path in (chosen / "policies").iterdir())
    name = policy or (names[0] if len(names) == 1 else "")
    if name not in names:
        raise click.UsageError(f"--policy is one of {', '.join(names)}; got {policy!r}")
    if folder.exists() and any(folder.iterdir()):
        raise RunFolderError(f"{folder} exists and is not empty; choose another folder")
    shutil.copytree(chosen / "policies" / name, folder, dirs_exist_ok=True)
    click.echo(f"{folder}: policy {name} of {run} after {chosen.name.replace('-', ' ')}, loads with transformers")
