"""Whether a judge keeps its contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparring.errors import EpisodeError
from sparring.interfaces import Judge, Verdict, Voice
from sparring.judging import ask
from sparring.testing.memory import check_memory, copied
from sparring.testing.report import Reporter, another_order, shown

_SECONDS = 600.0

Item = Mapping[str, Any]


def check_judge(judge: Judge, items: Sequence[Item], *, voice: Voice | None = None, seed: int = 0) -> None:
    """Ask a judge about ``items``, the keyword arguments of ``table.judge`` calls, and check what `Judge` promises.

    - A verdict for each item, all its numbers finite, with a value or a label; with an ``outcome`` among an item's
      arguments, a value for each player. Nothing asked, nothing said. Items are not changed.
    - Asked again it says the same, whatever it was asked before. One with ``state_dict`` says what it would have said
      had it not been saved and loaded.
    - What it says of an item does not depend on the order of items nor, unless its scope is the step, on the others.

    ``voice(policy, transcripts, sampling)`` answers for the policies that a judge with ``attach`` asks. Raises
    `CheckFailed`.
    """
    _Check(judge, list(items), voice, seed).run()


class _Check:
    def __init__(self, judge: Judge, items: list[Item], voice: Voice | None, seed: int) -> None:
        self.judge, self.items, self.voice, self.seed = judge, items, voice, seed
        self.report = Reporter(judge, seed)
        self.scope = getattr(judge, "scope", "item")

    def run(self) -> None:
        self.report.require(self.items, "is given no items to judge")
        self.report.require(self.scope in ("item", "step"), f"its scope is {self.scope!r}; there are item and step")
        if hasattr(self.judge, "attach"):
            self.report.require(self.voice, "wants a policy's opinion: give check_judge one that answers (voice=…)")
        before = repr(self.items)
        verdicts = self.ask(self.fresh(), self.items)
        self.report.require(repr(self.items) == before, "changes the items that it is asked about")
        for item, verdict in zip(self.items, verdicts, strict=True):
            self._says_something(item, verdict)
        self._same(self.ask(self.fresh(), self.items), verdicts, "asked again about the same items it says otherwise")
        self.report.require(not self.ask(self.fresh(), []), "has verdicts where nothing was asked")
        order = another_order(len(self.items), "check_judge", self.seed)
        self._same(
            self.ask(self.fresh(), [self.items[i] for i in order]),
            [verdicts[i] for i in order],
            f"in the order {order} it says otherwise about the same items",
        )
        if self.scope == "item":
            alone = [self.ask(self.fresh(), [item])[0] for item in self.items]
            self._same(
                alone, verdicts, "alone an item gets another verdict than among others (then its scope is 'step')"
            )
        check_memory(self.judge, self._use, [self.items, self.items[::-1], self.items], self.report)

    def fresh(self) -> Judge:
        """A copy that has not been asked anything."""
        judge = copied(self.judge, self.report)
        if attach := getattr(judge, "attach", None):
            attach(self.voice)
        return judge

    def _use(self, judge: Judge, items: list[Item]) -> Sequence[Verdict]:
        if attach := getattr(judge, "attach", None):
            attach(self.voice)
        return self.ask(judge, items)

    def ask(self, judge: Judge, items: Sequence[Item]) -> Sequence[Verdict]:
        try:
            return ask(judge, items, _SECONDS)
        except EpisodeError as error:
            self.report.fail(str(error), error.__cause__)
            raise

    def _says_something(self, item: Item, verdict: Verdict) -> None:
        self.report.require(
            verdict.values or verdict.label or verdict.detail, f"says nothing about {shown(item)}: the verdict is empty"
        )
        returns = getattr(item.get("outcome"), "returns", None)
        if returns is not None:
            self.report.require(
                len(verdict.values) == len(returns),
                f"has {len(verdict.values)} values for {len(returns)} players, about {shown(item)}",
            )

    def _same(self, found: Sequence[Verdict], expected: Sequence[Verdict], what: str) -> None:
        for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            self.report.require(ours == theirs, f"{what}: {shown(ours)} instead of {shown(theirs)}, number {number}")
