"""Watching a run: a live table at a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sparring.hookspecs import hookimpl
from sparring.interfaces import RunStarted, StepEnded

if TYPE_CHECKING:
    from rich.table import Table

    from sparring.plugins import Host
    from sparring.recipe import Recipe


class Progress:
    """Keeps what is shown. It is a plugin like any other: it sees events and changes nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step, self.steps = 0, 0
        self.shown: dict[str, float] = {}
        self.history: list[float] = []  # of the headline metric
        self.headline = ""
        self._began = time.perf_counter()
        self._first = 0

    @hookimpl
    def sparring_run_started(self, event: RunStarted) -> None:
        self._began, self._first, self.steps = time.perf_counter(), event.first_step, event.steps

    @hookimpl
    def sparring_step_ended(self, event: StepEnded) -> None:
        self.step, self.steps = event.step, event.steps
        self.shown |= event.metrics
        self.headline = self.headline or next(
            (name for name in event.metrics if name.startswith("eval/") and not name.endswith("/uniform")), ""
        )
        if self.headline in event.metrics:
            self.history.append(event.metrics[self.headline])
        self.changed(event.metrics)

    def changed(self, metrics: Mapping[str, float]) -> None:
        """Show it."""

    @property
    def remaining(self) -> str:
        """Time to go at the pace so far, as m:ss."""
        done = self.step - self._first
        if not done:
            return "–"
        seconds = (time.perf_counter() - self._began) / done * (self.steps - self.step)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

    def lines(self) -> list[tuple[str, str]]:
        """Rows to show: label and value."""
        rows: list[tuple[str, str]] = [("step", f"{self.step} of {self.steps}, {self.remaining} to go")]
        for name, value in self.shown.items():
            if name.startswith("eval/"):
                rows.append((name[5:], f"{value:.4f}"))
        for prefix in ("reward/", "illegal_rate/", "kl/", "loss/", "grad_norm/"):
            rows += [
                (name, f"{value:+.4f}" if prefix == "reward/" else f"{value:.4f}")
                for name, value in self.shown.items()
                if name.startswith(prefix)
            ]
        seconds = sum(v for n, v in self.shown.items() if n.startswith("seconds/") and n.count("/") == 1)
        if seconds and "tokens/sampled" in self.shown:
            rows.append(("sampled tokens/s", f"{self.shown['tokens/sampled'] / seconds:,.0f}"))
            rows.append(("seconds a step", f"{seconds:.2f}"))
        return rows


class _Plain(Progress):
    """A line for each evaluation, and at least one every ten seconds."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._last = 0.0

    def changed(self, metrics: Mapping[str, float]) -> None:
        now = time.perf_counter()
        evaluated = [f"{n[5:]} {v:.4f}" for n, v in metrics.items() if n.startswith("eval/")]
        if not evaluated and now - self._last < 10 and self.step < self.steps:
            return
        self._last = now
        rewards = [f"{n} {v:+.3f}" for n, v in metrics.items() if n.startswith("reward/")]
        illegal = [f"{n} {v:.3f}" for n, v in metrics.items() if n.startswith("illegal_rate/")]
        print(
            f"step {self.step}/{self.steps}  " + "  ".join([*evaluated, *rewards, *illegal, f"to go {self.remaining}"]),
            flush=True,
        )


def sparkline(values: list[float], width: int = 48) -> str:
    """``values`` as bars, thinned to ``width``, between 0 and their largest."""
    if not values:
        return ""
    if len(values) > width:
        values = [values[i * (len(values) - 1) // (width - 1)] for i in range(width)]
    top = max(max(values), 1e-12)
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(7.999 * max(0.0, v) / top))] for v in values)


class _Live(Progress):
    def __init__(self, name: str, refresh: Any) -> None:
        super().__init__(name)
        self._refresh = refresh

    def table(self) -> Table:
        from rich import box
        from rich.table import Table

        table = Table(title=self.name, box=box.ROUNDED, show_header=False, title_justify="left")
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        for label, value in self.lines():
            table.add_row(label, value)
        if len(self.history) > 1:
            table.add_section()
            table.add_row(self.headline[5:], sparkline(self.history))
        return table

    def changed(self, metrics: Mapping[str, float]) -> None:
        self._refresh(self.table())


@contextmanager
def watch(host: Host, recipe: Recipe, name: str) -> Iterator[None]:
    """Show the run that is trained inside."""
    if not sys.stdout.isatty():
        plain = _Plain(name)
        host.manager.register(plain)
        try:
            yield
        finally:
            host.manager.unregister(plain)
        return
    from rich.console import Console
    from rich.live import Live

    with Live("loading …", console=Console(), refresh_per_second=4) as live:
        shown = _Live(name, live.update)
        host.manager.register(shown)
        try:
            yield
        finally:
            host.manager.unregister(shown)
