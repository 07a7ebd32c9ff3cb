"""The generator `vllm`: vLLM's engine in process, given the trained weights in memory, and checked against the model itself."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sparring import Completion, LoadedModel, Request
from sparring.adapters import plain
from sparring.chat import ChatFormat
from sparring.errors import GenerationError
from sparring_generators.capacity import Held, bytes_per_token, fitting, most_tokens
from sparring_generators.continuous import to_the_end
from sparring_generators.params import VllmParams
from sparring_generators.scoring import score
from sparring_generators.vllm_engine import Engine, architecture

# Nats. In fp32 engine and model agree to 3e-5; bfloat16 rounds by up to 0.2, which hides a small change of weights.
EXACT, ROUNDED = 1e-3, 0.5
CHANGES = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the embedding, in its standard deviations


@dataclass(slots=True)
class _Policy:
    loaded: LoadedModel
    stop: frozenset[int]
    capacity: int  # tokens whose keys and values fit


class VllmGenerator:
    def __init__(self, params: VllmParams) -> None:
        self._params = params
        self._policies: dict[str, _Policy] = {}
        self._engine: Engine | None = None
        self._inside: str | None = None  # whose weights are in the engine, as they were published last
        self._proven = False  # that they arrived
        self._numbers = itertools.count()  # of requests
        self._waiting: dict[int, Request] = {}
        self._writing: dict[int, Request] = {}  # in the engine, all of one policy
        self._early: dict[int, Completion] = {}  # ended while others were waited for
        self._asleep = False
        self.seconds: dict[str, float] = defaultdict(float)
        self.max_length = params.max_length

    # ---- weights ---------------------------------------------------------------------------------------------------------

    def publish(self, policy: str, loaded: LoadedModel) -> None:
        """The weights go into the engine when the policy is next asked, since another one may be asked before.

        Raises `GenerationError` if the first ones do not arrive, or the architecture is not that of the others.
        """
        known = self._policies.get(policy)
        stop = known.stop if known and known.loaded is loaded else ChatFormat(loaded.tokenizer).stop_ids
        capacity = max(1, int(self._params.kv_gib * 2**30 / bytes_per_token(loaded)))
        self._policies[policy] = _Policy(loaded, stop, capacity)
        if self._inside == policy:
            self._inside = None
        if self._engine is None:
            self._engine = Engine(self._params, loaded)
            prove(self._engine, loaded)
        elif architecture(loaded) != self._engine.architecture:
            raise GenerationError(
                f"generator vllm: policy {policy!r} has another architecture than the one that its engine was made for; "
                "one run's policies share an engine. Use the same model for all, or the generator 'transformers'."
            )

    def withdraw(self, policy: str) -> None:
        del self._policies[policy]
        if self._inside == policy:
            self._inside = None

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
        """Keys and values, and the engine's own copy of the weights; where adapters are added to a copy of their base, that too."""
        first = next(iter(self._policies.values()), None)
        if first is None:
            return 0
        weights = sum(p.numel() for p in first.loaded.model.parameters())
        added = 4 * weights if any(known.loaded.adapted for known in self._policies.values()) else 0
        on_cpu = first.loaded.model.device.type == "cpu"
        kv_gib = math.ceil(self._params.kv_gib) if on_cpu else self._params.kv_gib
        return int(kv_gib * 2**30) + (2 if first.loaded.bf16 else 4) * weights + added

    def _known(self, policy: str) -> _Policy:
        if policy not in self._policies:
            raise GenerationError(
                f"no weights were published for {policy!r} (published: {', '.join(self._policies) or 'none'})"
            )
        return self._policies[policy]

    # ---- sampling and scoring --------------------------------------------------------------------------------------------

    def room(self, requests: Sequence[Request]) -> int:
        taken = [*self._waiting.values(), *self._writing.values()]

        def held(policy: str) -> Held:
            most = [most_tokens(request) for request in taken if request.policy == policy]
            return Held(len(most), max(most, default=0))

        return fitting(requests, lambda policy: self._known(policy).capacity, held)

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        """By the training forward: the very model is here, and what is scored hardly repeats what the engine has cached."""
        return score(self._known(policy).loaded, rows, self._params.prefill_tokens)

    def admit(self, requests: Sequence[Request]) -> list[int]:
        for request in requests:
            self._known(request.policy)
        numbers = [next(self._numbers) for _ in requests]
        self._waiting |= zip(numbers, requests, strict=True)
        return numbers

    def advance(self) -> dict[int, Completion]:
        ended = dict(self._early)
        self._early.clear()
        while not ended and (self._waiting or self._writing):
            ended = self._step()
        return ended

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """These to their end, beside what else is being written."""
        return to_the_end(self, requests, self._early)

    @torch.no_grad()
    def _step(self) -> dict[int, Completion]:
        """The engine has the weights of one policy, whose requests may join; those of others wait until it has ended them all."""
        engine = self._engine
        assert engine is not None
        if not self._writing:
            policy = next(iter(self._waiting.values())).policy
            if self._asleep:
                engine.wake()
                self._asleep = False
            if self._inside != policy:
                engine.load(plain(self._known(policy).loaded))
                self._inside, self._proven = policy, False
        assert self._inside is not None
        known = self._known(self._inside)
        for number in [n for n, request in self._waiting.items() if request.policy == self._inside]:
            self._writing[number] = self._waiting.pop(number)
            engine.add(number, self._writing[number], known.stop)
        ended = {number: (self._writing.pop(number), done) for number, done in engine.step().items()}
        if ended and not self._proven and not known.loaded.bf16:
            self._check(self._inside, *zip(*ended.values(), strict=True))
        self._proven = self._proven or bool(ended)
        return {number: done for number, (_, done) in ended.items()}

    def _check(self, policy: str, requests: Sequence[Request], completions: Sequence[Completion]) -> None:
        """Compare one completion with the model's own probabilities: cheap, and enough to see weights that did not arrive."""
        for request, completion in zip(requests, completions, strict=True):
            sampling = request.sampling
            if sampling.temperature != 1 or sampling.top_p != 1 or sampling.top_k:
                continue
            (expected,) = self.score(policy, [(request.context, completion.tokens)])
            worst = _furthest(expected, completion.logprobs)
            if not worst <= EXACT:
                raise GenerationError(_differs(f"the weights of {policy!r}", worst, EXACT))
            return


@torch.no_grad()
def prove(engine: Engine, loaded: LoadedModel) -> None:
    """Weights arrive in the engine: its log-probabilities are the model's before and after a change of the embedding.

    The embedding, because a head that is tied to it is what goes stale. It is put back as it was. Raises `GenerationError`.
    """
    model = plain(loaded)
    alike = LoadedModel(model, loaded.tokenizer, loaded.bf16)
    embedding: torch.Tensor = model.get_input_embeddings().weight  # type: ignore[assignment]
    tokens = [(7 * i + 3) % embedding.shape[0] for i in range(12)]
    tolerance = ROUNDED if loaded.bf16 else EXACT

    def scores() -> list[float]:
        return score(alike, [(tokens[:1], tokens[1:])], len(tokens))[0]

    def compare(what: str) -> None:
        engine.load(model)
        worst = _furthest(scores(), engine.prompt_logprobs(tokens))
        if not worst <= tolerance:
            raise GenerationError(_differs(what, worst, tolerance))

    compare("the first weights")
    before, known = embedding.clone(), scores()
    noise = torch.randn(embedding.shape, generator=torch.Generator().manual_seed(0)).to(embedding)
    noise *= embedding.float().std()
    try:
        # As small a change as can be told from rounding: far from what it was trained to be, a model rounds by nats itself.
        for size in CHANGES:
            embedding.copy_(before + size * noise)
            if _furthest(scores(), known) >= 4 * tolerance:
                break
        compare("a changed embedding")
    finally:
        embedding.copy_(before)
    compare("the embedding after it was put back")


def _furthest(some: Sequence[float], others: Sequence[float]) -> float:
    return (torch.tensor(some) - torch.tensor(others)).abs().max().item()  # NaN if there is one, unlike Python's max


def _differs(what: str, worst: float, tolerance: float) -> str:
    return (
        f"generator vllm: after {what} went into the engine its log-probabilities differ from the model's by up to {worst:.2g} nats "
        f"(allowed {tolerance:.2g}): it samples with other weights than those that are trained. Use the generator 'transformers', "
        "or a vLLM whose reload_weights is known to work (0.32)."
    )
