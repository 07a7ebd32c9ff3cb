"""What past versions take that a run keeps for its opponents and its evaluators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sparring.interfaces import Evaluator, Generator, LoadedModel, OpponentSampler


def most_members(opponents: OpponentSampler, policy: str, steps: int) -> int:
    """How many versions of a policy a sampler may want at once in a run of so many steps.

    It may tell by ``most_members(policy, steps) -> int``; one that does not is taken to keep what it keeps now.
    """
    tell: Callable[[str, int], int] | None = getattr(opponents, "most_members", None)
    return tell(policy, steps) if tell else len(opponents.members(policy))


def version_bytes(
    learners: Mapping[str, LoadedModel],
    generator: Generator,
    opponents: OpponentSampler,
    evaluators: Sequence[Evaluator],
    steps: int,
) -> int:
    """Bytes of all versions that may be kept beside those that are kept already.

    A version is a copy of what is trained, and what the generator makes of it, which it may tell by ``version_bytes(loaded)``.
    Keys and values are not counted again: versions share the matches of a step among them.
    """
    from sparring.adapters import trained_parameters  # with torch, which a sampler's plugin is looked at without

    watched = {v for e in evaluators for v in getattr(e, "members", list)() if isinstance(v, int) and v <= steps}
    made: Callable[[LoadedModel], int] = getattr(generator, "version_bytes", lambda loaded: 0)
    total = 0
    for name, loaded in learners.items():
        kept = len({*opponents.members(name), *(v for v in watched if v == 0)})
        more = max(0, most_members(opponents, name, steps) + len(watched) - kept)
        size = sum(p.numel() * p.element_size() for p in trained_parameters(loaded).values())
        total += more * (size + made(loaded))
    return total
