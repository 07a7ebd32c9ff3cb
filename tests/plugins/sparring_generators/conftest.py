"""A model that vLLM's attention can run, and an engine whose weights are seen through."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sparring import Completion, LoadedModel, Request
from sparring.adapters import twin
from sparring.learner import prepare
from sparring_generators import vllm_engine
from sparring_generators.params import TransformersParams, VllmParams
from sparring_generators.transformers import TransformersGenerator
from sparring_generators.vllm_adapters import Adapters, shape


def _make_tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"<|user|>": 0, "<|assistant|>": 1, "<|end|>": 2, **{chr(97 + i): 3 + i for i in range(20)}}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", additional_special_tokens=["<|user|>", "<|assistant|>"]
    )
    tokenizer.chat_template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    return tokenizer


@pytest.fixture(scope="session")
def letters() -> PreTrainedTokenizerFast:
    """A tokenizer of twenty letters and three marks, of which <|end|> is 2."""
    return _make_tokenizer()


def _make_loaded(head_dim: int = 32, *, tied: bool = True, hidden: int = 64) -> LoadedModel:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=64, hidden_size=hidden, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=head_dim, initializer_range=0.15, tie_word_embeddings=tied, max_position_embeddings=256,
    )  # fmt: skip
    return prepare(LoadedModel(LlamaForCausalLM(config).eval(), _make_tokenizer()))


@pytest.fixture(scope="session")
def make_loaded() -> Callable[..., LoadedModel]:
    """A fresh model with the same random weights; keywords: the size of its heads, whether its head is tied, its width."""
    return _make_loaded


class FakeEngine:
    """An engine that has the weights, and the adapters, that were given to it, or those that were given before."""

    def __init__(self, params: VllmParams, loaded: LoadedModel, *, stale: bool = False) -> None:
        self.architecture = vllm_engine.architecture(loaded)
        first = shape(loaded)
        self.adapters = Adapters(first, params.adapters) if first and params.adapters else None
        self.stale, self.loads, self.together = stale, 0, 0
        self._mine = TransformersGenerator(TransformersParams())
        self._tokenizer, self._adopted = loaded.tokenizer, itertools.count(1)
        self._first: LoadedModel | None = None
        self._numbers: dict[int, int] = {}
        self._by: dict[int, str] = {}

    def load(self, model: LlamaForCausalLM) -> None:
        self.loads += 1
        if self.loads == 1 or not self.stale:
            self._mine.publish("main", LoadedModel(copy.deepcopy(model), self._tokenizer))

    def serves(self, loaded: LoadedModel) -> bool:
        return self.adapters is not None and self.adapters.serve(loaded)

    def room_bytes(self, loaded: LoadedModel) -> int:
        return self.adapters.memory_bytes(loaded) if self.adapters else 0

    def adopt(self, loaded: LoadedModel) -> SimpleNamespace:
        mine = twin(loaded)
        if self._first is None or not self.stale:
            self._first = mine
        name = f"adapter {next(self._adopted)}"
        self._mine.publish(name, self._first)
        return SimpleNamespace(name=name)

    def forget(self, adapter: SimpleNamespace) -> None:
        self._mine.withdraw(adapter.name)

    def add(self, number: int, request: Request, stop: frozenset[int], adapter: SimpleNamespace | None = None) -> None:
        name = adapter.name if adapter else "main"
        (mine,) = self._mine.admit([Request(name, request.context, request.key, request.sampling)])
        self._numbers[mine], self._by[mine] = number, request.policy
        self.together = max(self.together, len(set(self._by.values())))

    def step(self) -> dict[int, Completion]:
        ended = self._mine.advance()
        for mine in ended:
            del self._by[mine]
        return {self._numbers.pop(mine): done for mine, done in ended.items()}

    def abort(self) -> None:
        self._numbers.clear()
        self._by.clear()
        self._mine.release()

    def prompt_logprobs(self, tokens: list[int], adapter: SimpleNamespace | None = None) -> list[float]:
        return self._mine.score(adapter.name if adapter else "main", [(tokens[:1], tokens[1:])])[0]


@pytest.fixture
def fake_engine() -> type[FakeEngine]:
    return FakeEngine
