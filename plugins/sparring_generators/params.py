"""Parameters of the generators, apart from the engines so that a recipe is checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from sparring import Generator, Params


class TransformersParams(Params):
    prefill_tokens: int = Field(
        8192, ge=1, description="Most prompt tokens in one call of the model, shared prefixes counted once."
    )
    decode_batch: int = Field(
        256, ge=1, description="Distinct sequences that are written at once; more are admitted as others end."
    )
    pack: bool = Field(
        True,
        description="On a CPU, keep the weights of models above 8 million parameters a second time, laid out for its matrix "
        "products.",
    )
    kv_gib: float = Field(
        2.0,
        gt=0,
        description="Memory for keys and values of each policy, in GiB: half for what is being written, which bounds how "
        "much is admitted at once, half for conversations that may go on.",
    )


def make_transformers(params: TransformersParams) -> Generator:
    """The model itself, in process, with continuous batching: shared prefixes are computed once and kept while there is room.

    It samples with the very weights that are trained, so nothing is copied and a published version is exact. Requests
    whose tokens have been equal so far are one sequence; it splits where their samples differ.
    """
    from sparring_generators.transformers import TransformersGenerator

    return TransformersGenerator(params)


class VllmParams(Params):
    prefill_tokens: int = Field(4096, ge=1, description="Most prompt tokens in one call of the model.")
    decode_batch: int = Field(
        64, ge=1, description="Sequences that are written at once; more are admitted as others end."
    )
    kv_gib: float = Field(
        2.0, gt=0, description="Memory for keys and values, in GiB; on a CPU the next whole number of them is taken."
    )
    max_length: int | None = Field(
        None, ge=1, description="Most tokens of a prompt with its answer; None: as many as the model knows positions."
    )
    adapters: int = Field(
        8,
        ge=0,
        description="LoRA adapters on one base that are written with at once; more of them take turns. 0: each is added to a copy "
        "of its base, which takes turns as any other weights do.",
    )
    eager: bool = Field(
        True,
        description="Run operation by operation. Without, vLLM compiles: about a minute at the first start, then faster.",
    )
    sleep: bool = Field(
        False, description="Leave the GPU to the learner between episodes (vLLM's sleep mode; CUDA alone)."
    )


def make_vllm(params: VllmParams) -> Generator:
    """vLLM's engine in process, with its prefix cache; weights are handed over in memory and proven to arrive.

    All policies share an engine, which holds one set of weights at a time and adapters on them: policies that are adapters on one
    base are written at once, others are loaded at each turn. Scores come from the training forward.
    """
    from sparring_generators.vllm import VllmGenerator

    return VllmGenerator(params)
