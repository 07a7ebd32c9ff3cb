"""Typed seeds: which seed an attacker rewrites and which one stands as it is, by exact quotas.

Self-RedTeam mixes harmful and benign seeds and, once at the start, marks a fixed share of either kind as *generated*: the
attacker rewrites them. The others are *vanilla*: they are the request. (Its repository at 0c56e503, `prompts_dataset.py`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from sparring import Chance, SeededChance, Task


def typed(texts: Sequence[str], *, harmful: bool, generated: float, seed: int) -> list[Task]:
    """``texts`` as tasks, ``generated`` of them (rounded to the nearest number, a half up) marked as such.

    Facts of a task: ``harmful``, ``generated`` and both as ``seed_type``, for example ``vanilla_benign``.
    """
    chance = SeededChance("typed seeds", seed, harmful, *texts)
    left = list(range(len(texts)))
    # As it is written, so that 0.3 of five is one and a half whatever 0.3 is in binary.
    count = int(Fraction(str(generated)) * len(texts) + Fraction(1, 2))
    chosen = set()
    for _ in range(count):
        number = chance.pick(left)
        left.remove(number)
        chosen.add(number)
    return [_task(text, harmful, number in chosen) for number, text in enumerate(texts)]


def _task(text: str, harmful: bool, generated: bool) -> Task:
    kind = f"{'generated' if generated else 'vanilla'}_{'harmful' if harmful else 'benign'}"
    return Task(text, facts={"harmful": harmful, "generated": generated, "seed_type": kind})


class Mixed:
    """Draws from two lists of typed seeds, ``harmful`` of the time from the first; within a list all are equally likely."""

    def __init__(self, harmful: Sequence[Task], benign: Sequence[Task], share: float) -> None:
        self.harmful, self.benign, self.share = harmful, benign, share

    def draw(self, chance: Chance) -> Task:
        kinds = [tasks for tasks, share in ((self.harmful, self.share), (self.benign, 1 - self.share)) if share > 0]
        shares = [self.share, 1 - self.share] if len(kinds) == 2 else None
        return chance.pick(chance.pick(kinds, shares))
