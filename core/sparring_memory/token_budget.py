"""How many tokens a micro-batch has, and what happens when memory runs short in the middle of a run.

What does not fit is run again in halves, and from then on every micro-batch is at most half as large. A loss is a sum over
micro-batches, so that changes memory and speed, and the result by no more than rounding.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from sparring.errors import MemoryShortError
from sparring.prefix_tree import batches_of_bundles, build_forest
from sparring.records import TokenRow
from sparring_memory import plan as memory

Bundle = Sequence[TokenRow]  # rows that stay together


class TokenBudget:
    """The budget of one policy: `train.token_budget`, until memory runs short."""

    def __init__(self, policy: str, tokens: int, watermark: int | None) -> None:
        """``watermark`` is how many bytes the process may have in memory; None: no more is known than that a call fails."""
        self.policy, self.tokens = policy, tokens
        self._given, self._watermark = tokens, watermark
        self._most = 0  # bytes seen in the micro-batch in hand

    def cut(self, bundles: Sequence[Bundle], numbers: Iterable[int]) -> list[list[int]]:
        """Micro-batches of those of ``bundles`` that ``numbers`` names."""
        mine = list(numbers)
        rows = [[tokens for tokens, _ in bundles[number]] for number in mine]
        return [[mine[i] for i in group] for group in batches_of_bundles(rows, self.tokens)]

    def run(self, bundles: Sequence[Bundle], work: Callable[[list[int]], None], step: int) -> None:
        """``work`` on micro-batches of ``bundles``, given by number. It may fail for want of memory, and is then called again.

        Raises `MemoryShortError` if a bundle does not fit alone.
        """
        waiting = deque(self.cut(bundles, range(len(bundles))))
        while waiting:
            group = waiting.popleft()
            self._most = 0
            why = lack(partial(work, group))
            if why:
                # Only out here has the exception let go of the tensors of what failed.
                clear_device_cache(garbage_collection=True)
                if len(group) == 1:
                    raise MemoryShortError(self._alone(bundles[group[0]], why, step))
                waiting.appendleft(group)
            elif self._watermark is None or self._most <= self._watermark or len(group) == 1:
                continue
            size = build_forest([tokens for number in group for tokens, _ in bundles[number]]).size
            self.tokens = max(1, min(self.tokens, size) // 2)
            waiting = deque(part for group in waiting for part in self.cut(bundles, group))
            why = why or f"{self._most / memory.GIB:.2f} GiB are in memory, more than train.memory_share allows"
            print(
                f"warning: step {step}: memory ran short in a micro-batch of {size} tokens of policy {self.policy!r} ({why}); "
                f"from now on they have at most {self.tokens} (train.token_budget: {self._given})",
                file=sys.stderr,
            )

    def look(self) -> None:
        """Called where a micro-batch holds most: what is seen has its consequence once it is done."""
        if self._watermark is not None:
            self._most = max(self._most, memory.resident_bytes())

    def _alone(self, bundle: Bundle, why: str, step: int) -> str:
        lengths = " and ".join(str(len(tokens)) for tokens, _ in bundle)
        what = "one row" if len(bundle) == 1 else f"{len(bundle)} rows that stay together"
        return (
            f"step {step}: {what} of {lengths} tokens of policy {self.policy!r} does not fit into memory, and less cannot be "
            f"run at once: {why}. Shorten rows (sampling.max_tokens, or fewer turns), train less (policies.{self.policy}.adapter), "
            f"compute in bfloat16 (policies.{self.policy}.dtype) or leave the generator less (kv_gib); then go on with --resume"
        )

    def state_dict(self) -> dict[str, int]:
        return {"tokens": self.tokens, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """A recipe that has been given another budget since begins with that one."""
        if state["given"] == self._given:
            self.tokens = state["tokens"]


def lack(work: Callable[[], None]) -> str:
    """What the allocator says if memory does not suffice for ``work``; empty if it does. What else it raises is raised."""
    try:
        work()
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not should_reduce_batch_size(error):
            raise
        return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
    return ""


class CountedOnce:
    """Lets backward passes that broke off be run again in parts, with nothing counted twice and no gradient kept aside.

    Where memory runs out on the way back, some parameters have the micro-batch's gradient already. They get none from its
    parts. A parameter gets all of a pass at once or nothing, so each has every item exactly once in the end.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._have: dict[int, set[torch.Tensor]] = {}  # by item: the parameters that have its gradient

    @contextmanager
    def backward(self, items: Sequence[int]) -> Iterator[None]:
        """Around the backward pass of a micro-batch of ``items``; those of a part were together before."""
        have = set(self._have.get(items[0], ()))
        hooks = [
            p.register_hook(torch.zeros_like) if p in have else p.register_post_accumulate_grad_hook(have.add)
            for p in self._parameters
        ]
        try:
            yield
        except BaseException:
            self._have |= dict.fromkeys(items, have)
            raise
        finally:
            for hook in hooks:
                hook.remove()
