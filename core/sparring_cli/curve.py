"""The picture of a run: its evaluations over steps, one line for each run, and their mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

#: Last segments of metric names that are drawn as curves, and those that are drawn as level lines.
CURVES = ("last", "average", "sampled", "win_rate", "solve_rate", "mean")
MOST = 6  # lines that can still be told apart
LEVELS = ("uniform",)


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.jsonl, in order; none if there is no file."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def draw_curve(folders: Sequence[Path], picture: Path, *, title: str) -> Path | None:
    """Draw the first evaluated family (``eval/NAME/GAME/*``) of ``folders`` into ``picture``; None if nothing was evaluated."""
    runs = [read_metrics(folder) for folder in folders]
    names = list(dict.fromkeys(name for rows in runs for row in rows for name in row if name.startswith("eval/")))
    if not names:
        return None
    family = names[0].rsplit("/", 1)[0]
    family_names = [n for n in names if n.rsplit("/", 1)[0] == family]
    wanted = [n for n in family_names if n.rsplit("/", 1)[1] in CURVES] or family_names[:MOST]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for number, name in enumerate(wanted):
        for at, rows in enumerate(runs):
            points = [(row["step"], row[name]) for row in rows if name in row]
            if not points:
                continue
            label = name.rsplit("/", 1)[1] if at == 0 else None
            if label and len(runs) > 1:
                label += f", {len(runs)} runs"
            axes.plot(
                *zip(*points, strict=True),
                color=f"C{number}",
                alpha=1.0 if len(runs) == 1 else 0.55,
                linewidth=1.6,
                label=label,
            )
    for level in LEVELS:
        values = [row[f"{family}/{level}"] for rows in runs for row in rows if f"{family}/{level}" in row]
        if values:
            axes.axhline(values[0], color="0.6", linewidth=0.8, linestyle="--")
            axes.annotate(
                level,
                (0.005, values[0]),
                xycoords=("axes fraction", "data"),
                ha="left",
                va="bottom",
                fontsize=7,
                color="0.4",
            )
    axes.set(xlabel="step", ylabel=family.removeprefix("eval/"), title=title)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.legend(loc="upper right", fontsize=8)
    axes.grid(alpha=0.25)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture)
    return picture
