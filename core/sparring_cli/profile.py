"""`sparring profile`: where a step's time goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparring_cli.options import console, host_options, load_host

if TYPE_CHECKING:
    from sparring.trainer import Trainer

Parts = dict[tuple[str, str], float]  # (stage, part) -> seconds


@click.command()
@click.argument("recipe")
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True, help="Steps that are measured.")
@click.option("--chart", type=click.Path(path_type=Path, dir_okay=False), help="Draw it too, into this PNG file.")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one value of the recipe; may be repeated."
)
@click.option("--smoke", is_flag=True, help="Apply the recipe's smoke block.")
@host_options
def profile(
    recipe: str,
    steps: int,
    chart: Path | None,
    sets: tuple[str, ...],
    smoke: bool,
    plugins: tuple[Path, ...],
    blocked: tuple[str, ...],
) -> None:
    """Take a few steps of RECIPE and tell where their time goes. Medians; one step before them is not counted.

    Nothing is saved. The share of the peak is of what this machine does in one large matrix product.
    """
    from sparring.assemble import assemble
    from sparring.recipe import find_recipe, load_recipe
    from sparring_memory.garbage import settled

    host = load_host(plugins, blocked)
    trainer = assemble(load_recipe(find_recipe(recipe, host.recipe_packages), host.registry, sets=sets, smoke=smoke))
    trainer.step()
    measured: list[Parts] = []
    metrics: list[dict[str, float]] = []
    with settled():  # as a run is
        for _ in range(steps):
            before = _generator_seconds(trainer)
            found, _ = trainer.step()
            after = _generator_seconds(trainer)
            metrics.append(found)
            measured.append(_parts(found, {part: after[part] - before.get(part, 0.0) for part in after}))
    parts = {key: statistics.median(step.get(key, 0.0) for step in measured) for key in measured[-1]}
    rates = _rates(trainer, metrics)
    _print(parts, rates)
    if chart is not None:
        _draw(recipe, parts, rates, chart)
        click.echo(f"wrote {chart}")


def _generator_seconds(trainer: Trainer) -> dict[str, float]:
    """What the generator says about itself: generators may have ``seconds``, by part and since their beginning."""
    return dict(getattr(trainer.generator, "seconds", {}))


def _parts(metrics: Mapping[str, float], generator: Mapping[str, float]) -> Parts:
    def seconds(name: str) -> float:
        return metrics.get(f"seconds/{name}", 0.0)

    model = {part: seconds(f"model/{part}") for part in ("sample", "forward", "backward", "optimizer")}
    parts = {("play", part): value for part, value in generator.items()}
    parts["play", "rest of the generator"] = max(0.0, model["sample"] - sum(generator.values()))
    parts["play", "games and schemes"] = seconds("play") - model["sample"]
    for verb in ("judge", "estimate", "build"):
        parts["reward", verb] = seconds(verb)
    for part in ("forward", "backward", "optimizer"):
        parts["learn", part] = model[part]
    parts["learn", "rest of the update"] = seconds("update") - sum(model.values()) + model["sample"]
    parts["publish", "publish"] = seconds("publish")
    return parts


def _rates(trainer: Trainer, metrics: Sequence[Mapping[str, float]]) -> list[tuple[str, str]]:
    def median(name: str) -> float:
        return statistics.median(step.get(name, 0.0) for step in metrics)

    rates = []
    sampling, learning = (
        median("seconds/model/sample"),
        median("seconds/model/forward") + median("seconds/model/backward"),
    )
    if sampling:
        rates.append(("sampled", f"{median('tokens/sampled') / sampling:,.0f} tokens a second of sampling"))
    if learning and median("tokens/computed"):
        rows, computed = median("tokens/rows"), median("tokens/computed")
        rates.append(
            ("learned", f"{rows / learning:,.0f} tokens a second, {rows / computed:.1f} for each one computed")
        )
        # Two operations a weight and token forward, four backward; embeddings are looked up, the head is not counted.
        (model, *others) = (learner.loaded.model for learner in trainer.learners.values())
        if not others:
            weights = sum(p.numel() for p in model.parameters()) - sum(
                p.numel() for p in model.get_input_embeddings().parameters()
            )
            peak = _peak()
            share = 6 * weights * computed / learning / peak
            rates.append(("of the peak", f"{share:.0%} of {peak / 1e9:,.0f} GFLOP/s in fp32, while learning"))
    return rates


def _peak(size: int = 1536, runs: int = 5) -> float:
    """Operations a second of the best of a few large matrix products, with the threads and the device of the run."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    best = float("inf")
    for _ in range(runs):
        began = time.perf_counter()
        float((a @ b)[0, 0])  # reading a number waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def _print(parts: Parts, rates: Sequence[tuple[str, str]]) -> None:
    from rich.table import Table

    total = sum(parts.values())
    table = Table(box=None, pad_edge=False)
    for title, justify in (("stage", "left"), ("part", "left"), ("ms a step", "right"), ("share", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    last = ""
    for (stage, part), seconds in parts.items():
        table.add_row("" if stage == last else stage, part, f"{1000 * seconds:,.1f}", f"{seconds / total:.1%}")
        last = stage
    table.add_row("step", "", f"{1000 * total:,.1f}", "", style="bold")
    out = console()
    out.print(table)
    for what, text in rates:
        out.print(f"{what:<12}{text}", highlight=False)


def _draw(recipe: str, parts: Parts, rates: Sequence[tuple[str, str]], file: Path) -> None:
    """A bar for each part, in the order of a step, coloured by stage, with its time and share; the rates stand below."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    total = sum(parts.values())
    colours = dict(zip(dict.fromkeys(stage for stage, _ in parts), ("C0", "C1", "C2", "C3"), strict=True))
    figure, axes = pyplot.subplots(figsize=(8, 1.6 + 0.28 * len(parts)), layout="constrained")
    bars = axes.barh(
        range(len(parts)),
        [1000 * max(0.0, seconds) for seconds in parts.values()],
        color=[colours[stage] for stage, _ in parts],
    )
    axes.bar_label(bars, [f"{1000 * s:,.1f} ms, {s / total:.1%}" for s in parts.values()], padding=4, fontsize=8)
    names = [stage if stage == part else part for stage, part in parts]
    axes.set(
        yticks=range(len(parts)),
        yticklabels=names,
        xlabel="milliseconds a step",
        title=f"{recipe}: {1000 * total:,.1f} ms a step",
    )
    axes.margins(x=0.2)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend([Patch(color=colour) for colour in colours.values()], list(colours), loc="lower right", fontsize=8)
    figure.supxlabel("\n".join(f"{what}: {text}" for what, text in rates), fontsize=8)
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
