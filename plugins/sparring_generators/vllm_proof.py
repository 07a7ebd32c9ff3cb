"""What is published is what samples: an engine's log-probabilities against the model's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from sparring import Completion, LoadedModel, Request
from sparring.adapters import plain, trained_parameters
from sparring.errors import GenerationError
from sparring_generators.scoring import score
from sparring_generators.vllm_engine import Engine

# Nats. In fp32 engine and model agree to 3e-5; bfloat16 rounds by up to 0.2, which hides a small change of weights.
EXACT, ROUNDED = 1e-3, 0.5
CHANGES = (0.03, 0.1, 0.3, 1.0, 3.0)  # of weights, in their standard deviations


@torch.no_grad()
def prove(engine: Engine, loaded: LoadedModel) -> None:
    """Weights arrive in the engine: its log-probabilities are the model's before and after a change of the embedding, and of the adapter.

    The embedding, because a head that is tied to it is what goes stale. All is put back as it was. Raises `GenerationError`.
    """
    served = engine.serves(loaded)
    mine = loaded if served else LoadedModel(plain(loaded), loaded.tokenizer, loaded.bf16)
    embedding: torch.Tensor = mine.model.get_input_embeddings().weight  # type: ignore[assignment]  # its declared type is wider
    tokens = [(7 * i + 3) % embedding.shape[0] for i in range(12)]
    tolerance = ROUNDED if loaded.bf16 else EXACT

    def scores() -> list[float]:
        return score(mine, [(tokens[:1], tokens[1:])], len(tokens))[0]

    def compare(what: str) -> None:
        adapter = engine.adopt(mine) if served else None
        worst = _furthest(scores(), engine.prompt_logprobs(tokens, adapter))
        if adapter is not None:
            engine.forget(adapter)
        if not worst <= tolerance:
            raise GenerationError(_differs(what, worst, tolerance, served))

    @contextmanager
    def changed(weights: Sequence[torch.Tensor], deviations: Sequence[float]) -> Iterator[None]:
        """By as little as can be told from rounding: far from what it was trained to be, a model rounds by nats itself."""
        before, known = [w.clone() for w in weights], scores()
        source = torch.Generator().manual_seed(0)
        noise = [torch.randn(w.shape, generator=source).to(w) * std for w, std in zip(weights, deviations, strict=True)]
        try:
            for size in CHANGES:
                for weight, old, more in zip(weights, before, noise, strict=True):
                    weight.copy_(old + size * more)
                if _furthest(scores(), known) >= 4 * tolerance:
                    break
            yield
        finally:
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)

    engine.load(mine.model)
    compare("the first weights")
    with changed([embedding], [embedding.float().std().item()]):
        engine.load(mine.model)
        compare("a changed embedding")
    engine.load(mine.model)
    compare("the embedding after it was put back")
    if served:
        adapter = list(trained_parameters(mine).values())
        # A half of it is zero at first, so the deviations are those that linear layers begin with.
        with changed(adapter, [p.shape[1] ** -0.5 for p in adapter]):
            compare("a changed adapter")


def check(
    policy: str, loaded: LoadedModel, ended: Sequence[tuple[Request, Completion]], served: bool, token_budget: int
) -> None:
    """Compare one completion with the model's own probabilities: cheap, and enough to see weights that did not arrive."""
    for request, completion in ended:
        sampling = request.sampling
        if sampling.temperature != 1 or sampling.top_p != 1 or sampling.top_k:
            continue
        (expected,) = score(loaded, [(request.context, completion.tokens)], token_budget)
        worst = _furthest(expected, completion.logprobs)
        if not worst <= EXACT:
            raise GenerationError(_differs(f"the weights of {policy!r}", worst, EXACT, served))
        return


def _furthest(some: Sequence[float], others: Sequence[float]) -> float:
    return (torch.tensor(some) - torch.tensor(others)).abs().max().item()  # NaN if there is one, unlike Python's max


def _differs(what: str, worst: float, tolerance: float, served: bool) -> str:
    added = ", `adapters: 0`, which adds an adapter to its base first," if served else ""
    return (
        f"generator vllm: after {what} went into the engine its log-probabilities differ from the model's by up to {worst:.2g} nats "
        f"(allowed {tolerance:.2g}): it samples with other weights than those that are trained. Use the generator 'transformers'{added} "
        "or a vLLM whose reload_weights is known to work (0.32)."
    )
