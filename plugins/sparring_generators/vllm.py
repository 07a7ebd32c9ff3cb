"""The generator `vllm`: vLLM's engine in process, given the trained weights in memory, and checked against the model itself."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sparring import Completion, LoadedModel, Request
from sparring.adapters import plain
from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring_generators.capacity import bytes_per_token, fitting, most_tokens
from sparring_generators.continuous import to_the_end
from sparring_generators.params import VllmParams
from sparring_generators.scoring import score
from sparring_generators.vllm_engine import BLOCK, Engine, architecture
from sparring_generators.vllm_proof import check, prove

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest


@dataclass(slots=True)
class _Policy:
    loaded: LoadedModel
    stop: frozenset[int]
    capacity: int  # tokens whose keys and values fit
    served: bool  # as an adapter beside others, not added to its base
    weights: Hashable  # names what the engine has to have loaded: its own weights, or a base that others may share
    adapter: LoRARequest | None = None  # once it was asked


class VllmGenerator:
    def __init__(self, params: VllmParams) -> None:
        self._params = params
        self._policies: dict[str, _Policy] = {}
        self._engine: Engine | None = None
        self._inside: _Policy | None = None  # whose weights are in the engine, or whose base
        self._proven: set[str] = set()  # policies whose weights are known to have arrived
        self._numbers = itertools.count()  # of requests, and of weights that no other policy shares
        self._waiting: dict[int, Request] = {}
        self._writing: dict[int, Request] = {}  # in the engine, all with the weights that are inside
        self._early: dict[int, Completion] = {}  # ended while others were waited for
        self._asleep = False
        self.seconds: dict[str, float] = defaultdict(float)
        self.max_length = params.max_length

    # ---- weights ---------------------------------------------------------------------------------------------------------

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        """The weights go into the engine when the policy is next asked, since another one may be asked before. None of
        what was asked of it before may still be written.

        Raises `GenerationError` if the first ones do not arrive, or the architecture is not that of the others.
        """
        if self._engine is None:
            self._engine = Engine(self._params, loaded)
            prove(self._engine, loaded)
        elif architecture(loaded) != self._engine.architecture:
            raise GenerationError(
                f"generator vllm: policy {policy!r} has another architecture than the one that its engine was made for; "
                "one run's policies share an engine. Use the same model for all, or the generator 'transformers'."
            )
        known = self._policies.get(policy)
        stop = known.stop if known and known.loaded is loaded else ChatFormat(loaded.tokenizer).stop_ids
        capacity = max(1, int(self._params.kv_gib * 2**30 / bytes_per_token(loaded)))
        if known:
            self.withdraw(policy)
        served = self._engine.serves(loaded)
        weights = base_of(loaded) if served else next(self._numbers)
        self._policies[policy] = _Policy(loaded, stop, capacity, served, weights)

    def withdraw(self, policy: str) -> None:
        known = self._policies.pop(policy)
        self._proven.discard(policy)
        if known.adapter is not None and self._engine is not None:
            self._engine.forget(known.adapter)

    def release(self) -> None:
        self._waiting.clear()
        self._early.clear()
        if self._writing and self._engine is not None:
            self._engine.abort()
            self._writing.clear()
        if self._params.sleep and self._engine is not None and not self._asleep:
            self._engine.sleep()
            self._asleep = True

    def memory_bytes(self) -> int:
        """Keys and values, the engine's own copy of the weights, and room for adapters; where those are added to a copy of their
        base, that too."""
        first = next(iter(self._policies.values()), None)
        if first is None or self._engine is None:
            return 0
        weights = sum(p.numel() for p in first.loaded.model.parameters())
        adapted = [known for known in self._policies.values() if known.loaded.adapted]
        added = 4 * weights if any(not known.served for known in adapted) else 0
        room = next((self._engine.room_bytes(known.loaded) for known in adapted if known.served), 0)
        on_cpu = first.loaded.model.device.type == "cpu"
        kv_gib = math.ceil(self._params.kv_gib) if on_cpu else self._params.kv_gib
        return int(kv_gib * 2**30) + (2 if first.loaded.bf16 else 4) * weights + added + room

    def _known(self, policy: str) -> _Policy:
        if policy not in self._policies:
            raise GenerationError(
                f"no weights were published for {policy!r} (published: {', '.join(self._policies) or 'none'})"
            )
        return self._policies[policy]

    # ---- sampling and scoring --------------------------------------------------------------------------------------------

    def room(self, requests: Sequence[Request]) -> int:
        def weights(policy: str) -> Hashable:
            """Policies that are written at once share the engine's memory; others have it one after another."""
            return self._known(policy).weights

        taken = [*self._waiting.values(), *self._writing.values()]

        def held(policy: str) -> int:
            return sum(needs(request) for request in taken if weights(request.policy) == weights(policy))

        return fitting(requests, lambda policy: self._known(policy).capacity, held, needs, weights)

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        """By the training forward: the very model is here, and what is scored hardly repeats what the engine has cached."""
        return score(self._known(policy).loaded, rows, self._params.prefill_tokens)

    def admit(self, requests: Sequence[Request]) -> list[int]:
        for request in requests:
            self._known(request.policy)
        numbers = [next(self._numbers) for _ in requests]
        self._waiting |= zip(numbers, requests, strict=True)
        return numbers

    def advance(self, until: Callable[[], bool] = bool) -> dict[int, Completion]:
        ended = dict(self._early)
        self._early.clear()
        while not ended and (self._waiting or self._writing) and not until():
            ended = self._step()
        return ended

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """These to their end, beside what else is being written."""
        return to_the_end(self, requests, self._early)

    @torch.no_grad()
    def _step(self) -> dict[int, Completion]:
        """What needs the weights that are in the engine may join, by whatever adapter; all else waits until it has ended them all."""
        engine = self._engine
        assert engine is not None
        if not self._writing:
            first = self._known(next(iter(self._waiting.values())).policy)
            if self._asleep:
                engine.wake()
                self._asleep = False
            if self._inside is None or self._inside.weights != first.weights:
                engine.load(first.loaded.model if first.served else plain(first.loaded))
                self._inside = first
                self._proven.clear()
        assert self._inside is not None
        for number, request in list(self._waiting.items()):
            known = self._known(request.policy)
            if known.weights != self._inside.weights:
                continue
            if known.served and known.adapter is None:
                known.adapter = engine.adopt(known.loaded)
            self._writing[number] = self._waiting.pop(number)
            engine.add(number, request, known.stop, known.adapter)
        ended = {number: (self._writing.pop(number), done) for number, done in engine.step().items()}
        for policy in {request.policy for request, _ in ended.values()} - self._proven:
            self._check(policy, [pair for pair in ended.values() if pair[0].policy == policy])
        return {number: done for number, (_, done) in ended.items()}

    def _check(self, policy: str, ended: Sequence[tuple[Request, Completion]]) -> None:
        known = self._known(policy)
        if not known.loaded.bf16:
            check(policy, known.loaded, ended, known.served, self._params.prefill_tokens)
        self._proven.add(policy)


def needs(request: Request) -> int:
    """Tokens of the blocks that it may fill."""
    return -(-most_tokens(request) // BLOCK) * BLOCK


def base_of(loaded: LoadedModel) -> Hashable:
    """Equal for adapters on the same base, as long as that has not changed. What is in the engine is held, so no other gets its ids."""
    return tuple((id(p), p._version) for name, p in loaded.model.named_parameters() if ".lora_" not in name)
