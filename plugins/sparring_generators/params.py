"""Parameters of the generators, apart from the engines so that a recipe is checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from sparring import Generator, Params


class TransformersParams(Params):
    prefill_tokens: int = Field(
        8192, ge=1, description="Most prompt tokens in one call of the model, shared prefixes counted once."
    )
    decode_batch: int = Field(256, ge=1, description="Most distinct sequences in one decoding call.")
    segment_tokens: int = Field(
        1024,
        ge=1,
        description="Most tokens that attend to each other when prompts that share a prefix are run as a tree.",
    )


def make_transformers(params: TransformersParams) -> Generator:
    """The model itself, in process: equal contexts are computed once, decoding keeps keys and values.

    It samples with the very weights that are trained, so nothing is copied and a published version is exact. Requests
    whose tokens have been equal so far are one sequence; it splits where their samples differ.
    """
    from sparring_generators.transformers import TransformersGenerator

    return TransformersGenerator(params)
