"""The generator `transformers`: any causal language model, in process, on CPU or CUDA, with continuous batching."""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache

from sparring import Completion, LoadedModel, Request
from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring_generators.capacity import fitting
from sparring_generators.continuous import to_the_end
from sparring_generators.packed import PackedLinears, pack, packed_bytes
from sparring_generators.params import TransformersParams
from sparring_generators.rows import KEPT, ROOM
from sparring_generators.scoring import score
from sparring_generators.writing import Writing
from sparring_memory.token_budget import lack


@dataclass(slots=True)
class _Policy:
    """A published policy, and what is written by it."""

    loaded: LoadedModel
    writing: Writing
    packed: PackedLinears | None = None
    asked: bool = False  # a policy may be published and never asked, and is packed when it first is


class TransformersGenerator:
    def __init__(self, params: TransformersParams) -> None:
        self._params = params
        self._policies: dict[str, _Policy] = {}
        self._numbers = itertools.count()  # of requests
        self._early: dict[int, Completion] = {}  # ended while others were waited for
        self._halvings = 0  # of what is done at once, since memory ran short
        self.seconds: dict[str, float] = defaultdict(float)  # of prefill, decode and sample, since the beginning

    # ---- weights ---------------------------------------------------------------------------------------------------------

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        known = self._policies.get(policy)
        stop = known.writing.stop if known and known.loaded is loaded else ChatFormat(loaded.tokenizer).stop_ids
        self._policies[policy] = _Policy(loaded, Writing(loaded, stop, self._limits(), self.seconds))

    def memory_bytes(self) -> int:
        """Keys and values of what is published; the second, packed copy of the weights comes on top where there is one.

        On CUDA room that no row has taken yet counts too; on a CPU it takes no memory.
        """
        packed = sum(packed_bytes(known.loaded) for known in self._policies.values()) if self._params.pack else 0
        rows = sum(1 if known.loaded.model.device.type == "cpu" else ROOM * KEPT for known in self._policies.values())
        return int((len(self._policies) + rows) * self._params.kv_gib / 2 * 2**30) + packed

    def version_bytes(self, loaded: LoadedModel) -> int:
        """Of one more set of weights that is published: their packed copy."""
        return packed_bytes(loaded) if self._params.pack else 0

    def withdraw(self, policy: str) -> None:
        del self._policies[policy]

    def release(self) -> None:
        self._early.clear()
        for known in self._policies.values():
            known.writing = known.writing.anew()

    def _known(self, policy: str) -> _Policy:
        if policy not in self._policies:
            raise GenerationError(
                f"no weights were published for {policy!r} (published: {', '.join(self._policies) or 'none'})"
            )
        return self._policies[policy]

    # ---- scoring ---------------------------------------------------------------------------------------------------------

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        return score(self._known(policy).loaded, rows, self._params.prefill_tokens)

    # ---- sampling --------------------------------------------------------------------------------------------------------

    def room(self, requests: Sequence[Request]) -> int:
        return fitting(
            requests,
            lambda policy: self._known(policy).writing.capacity,
            lambda policy: self._known(policy).writing.held,
            Writing.needs,
        )

    def admit(self, requests: Sequence[Request]) -> list[int]:
        numbers = []
        for request in requests:
            numbers.append(next(self._numbers))
            self._known(request.policy).writing.add(numbers[-1], request)
        return numbers

    def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
        ended = dict(self._early)
        self._early.clear()
        for policy, known in self._policies.items():
            self._proceed(policy, known, until)
            ended |= known.writing.take()
        return ended

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """These to their end, beside what else is being written."""
        return to_the_end(self, requests, self._early)

    @torch.no_grad()
    def _proceed(self, policy: str, known: _Policy, until: Callable[[], bool]) -> None:
        """Until something has ended, or ``until()``; where memory does not suffice, all from the beginning with half as much at once.

        A sample depends on its key and its context alone, so that changes no more than rounding does.
        Raises `GenerationError` if a single sequence does not fit.
        """
        if not known.writing.busy:
            return
        if self._params.pack and not known.asked:
            known.packed = pack(known.loaded)
        known.asked = True
        with known.packed.in_use() if known.packed else nullcontext():
            while why := lack(partial(known.writing.proceed, until)):
                self._halve(policy, known.writing, why)

    # ---- memory that runs short ------------------------------------------------------------------------------------------

    def _halve(self, policy: str, writing: Writing, why: str) -> None:
        writing.forget()
        if self._limits().decode_batch == 1:
            raise GenerationError(
                f"generator transformers: a single sequence of policy {policy!r}, of up to {writing.longest} tokens, does not "
                f"fit into memory: {why}. Shorten answers (sampling.max_tokens) or conversations, or leave more free "
                "(train.token_budget, the policies' dtype or adapter)"
            )
        self._halvings += 1
        now = self._limited()
        clear_device_cache(garbage_collection=True)
        print(
            f"warning: generator transformers: memory ran short ({why}); from now on {now.decode_batch} sequences are written "
            f"and {now.prefill_tokens} prompt tokens read at once, with keys and values of {now.kv_gib:.3g} GiB",
            file=sys.stderr,
        )

    def _limits(self) -> TransformersParams:
        """The parameters, as far as memory has sufficed for them."""
        given, n = self._params, self._halvings
        smaller = {"decode_batch": given.decode_batch >> n, "prefill_tokens": given.prefill_tokens >> n}
        return given.model_copy(update={"kv_gib": given.kv_gib / 2**n, **{k: max(1, v) for k, v in smaller.items()}})

    def _limited(self) -> TransformersParams:
        """The limits, now kept by all policies: keys and values of conversations that may go on are read again when they do."""
        limits = self._limits()
        for known in self._policies.values():
            known.writing.limits = limits
            known.writing.forget()
        return limits

    def state_dict(self) -> dict[str, Any]:
        return {"halvings": self._halvings, "given": self._params.model_dump()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """A recipe that has been given other limits since begins with those."""
        if state["given"] == self._params.model_dump():
            self._halvings = int(state["halvings"])
            self._limited()
