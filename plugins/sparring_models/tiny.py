"""The model `tiny`: built in place, tokenizer included, from transcripts of random legal play.

It is warmed up by imitating them, so that it answers in the format of the run. Random play has no strategy, and so
neither has the model: over the legal answers of a position it is close to uniform.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sparring import LoadedModel, ModelContext, SparringError, Transcript
from sparring.chance import key_of
from sparring.chat import ChatFormat, Conversation
from sparring.errors import ModelError
from sparring.forward import token_logprobs
from sparring.prefix_tree import batches, build_forest
from sparring_models.kernels import with_kernels
from sparring_models.params import HEAD_DIM, TinyParams

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

END = "<|end|>"
MARKS = ["<|system|>", "<|user|>", "<|assistant|>", END]
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class Tiny:
    def __init__(self, params: TinyParams) -> None:
        self.params = params

    def where(self) -> str:
        p = self.params
        size = p.vocabulary * p.hidden + p.layers * p.hidden**2 * (2 + 2 * p.kv_heads / p.heads + 3 * p.ffn_multiple)
        return f"built in place, at most {size / 1e6:.1f} M parameters"

    def load(self, context: ModelContext) -> LoadedModel:
        """Build and warm up. Equal seeds and examples give equal weights; no global random state is touched.

        Raises `ModelError` if there are no examples.
        """
        try:
            transcripts = context.examples(self.params.warmup_examples)
        except ModelError:
            raise
        except SparringError as error:
            raise ModelError(f"the model 'tiny' is made of the run's own play, which failed: {error}") from error
        if not any(role == "assistant" for transcript in transcripts for role, _ in transcript):
            raise ModelError(
                "the model 'tiny' is made of examples of play and was given none with an answer; use a pretrained model"
            )
        tokenizer = build_tokenizer(transcripts, self.params.vocabulary, self.params.max_length)
        seed = key_of(context.seed, "tiny", self.params.seed) if self.params.seed else context.seed
        model = self._build(len(tokenizer), tokenizer.eos_token_id, seed)
        warm_up(model, rows_of(transcripts, ChatFormat(tokenizer)), self.params, seed)
        return with_kernels(LoadedModel(model.eval(), tokenizer), self.params.kernels)

    def _build(self, vocabulary: int, end: int, seed: int) -> PreTrainedModel:
        from transformers import LlamaConfig, LlamaForCausalLM

        p = self.params
        config = LlamaConfig(
            vocab_size=vocabulary, hidden_size=p.hidden, intermediate_size=p.ffn_multiple * p.hidden, num_hidden_layers=p.layers,
            num_attention_heads=p.heads, num_key_value_heads=p.kv_heads, head_dim=HEAD_DIM, max_position_embeddings=p.max_length,
            # The usual 0.02 is for wide models. At this width it hardly lets one token's place reach another's output, and a
            # policy that imitates play in which cards do not matter then takes hundreds of steps to see its own card.
            initializer_range=p.hidden**-0.5, tie_word_embeddings=True, bos_token_id=None, eos_token_id=end, pad_token_id=end, dtype="float32",
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            # Not torch.manual_seed, which would seed the GPUs' generators too.
            torch.default_generator.manual_seed(key_of(seed, "tiny", "weights") % 2**63)
            model: PreTrainedModel = LlamaForCausalLM(config).float()
            return model


def build_tokenizer(transcripts: Sequence[Transcript], vocabulary: int, max_length: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most ``vocabulary`` tokens: any text can be written, frequent words are one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=MARKS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for transcript in transcripts for _, text in transcript), trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=MARKS[:-1],
        model_max_length=max_length,
    )
    made.chat_template = TEMPLATE
    return made


@dataclass(frozen=True, slots=True)
class ImitationRow:
    """Tokens, the places of those that are imitated, how many answers they are, and how often the row occurred."""

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    answers: int
    count: int


def rows_of(transcripts: Sequence[Transcript], chat: ChatFormat) -> list[ImitationRow]:
    """The transcripts as a run would tokenise them, equal ones counted, in a fixed order."""
    found: Counter[tuple[tuple[int, ...], tuple[int, ...], int]] = Counter()
    for transcript in transcripts:
        system = "\n".join(text for role, text in transcript if role == "system")
        conversation = Conversation(chat, "", system)
        positions: list[int] = []
        answers = 0
        for role, text in transcript:
            if role == "user":
                conversation.say(text)
            elif role == "assistant":
                start = conversation.add(chat.answer(text), True)
                positions.extend(range(start, len(conversation.tokens)))
                answers += 1
        if answers:
            found[tuple(conversation.tokens), tuple(positions), answers] += 1
    return [ImitationRow(*key, count) for key, count in sorted(found.items())]


def entropy_of(rows: Sequence[ImitationRow]) -> float:
    """Least loss, in nats per answer, that any model can have on ``rows``: that of the tokens' own frequencies."""
    forest = build_forest([row.tokens for row in rows])
    after: dict[int, Counter[int]] = {}
    for row, path in zip(rows, forest.paths, strict=True):
        for place in row.positions:
            after.setdefault(path[place - 1], Counter())[row.tokens[place]] += row.count
    nats = 0.0
    for counts in after.values():
        total = sum(counts.values())
        nats -= sum(n * math.log(n / total) for n in counts.values())
    return nats / sum(row.count * row.answers for row in rows)


def warm_up(model: PreTrainedModel, rows: Sequence[ImitationRow], params: TinyParams, seed: int) -> float:
    """Imitate ``rows``; returns the last pass's mean loss above the least possible one, in nats per answer.

    That gap bounds what is lost on format: a policy that answers illegally with probability q is at least -log(1 - q) away
    from the frequencies of legal answers. Where positions hardly repeat it stays large, and all steps are taken.
    """
    least = entropy_of(rows)
    order = list(batches([row.tokens for row in rows], params.warmup_tokens))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=params.warmup_learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    shuffle = random.Random(key_of(seed, "tiny", "order"))
    model.train()
    gap = math.inf
    step = 0
    while step < params.warmup_steps:
        shuffle.shuffle(order)
        loss, answers = 0.0, 0
        for numbers in order:
            if step == params.warmup_steps:
                break
            # Up over the first twentieth, then down to a tenth along a cosine.
            done = step / params.warmup_steps
            rate = min(1.0, 20 * (done + 1 / params.warmup_steps), 0.55 + 0.45 * math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = rate * params.warmup_learning_rate
            mine = [rows[number] for number in numbers]
            scored = token_logprobs(model, [row.tokens for row in mine], [row.positions for row in mine])
            weights = torch.tensor([float(row.count) for row in mine for _ in row.positions])
            here = sum(row.count * row.answers for row in mine)
            nats = -(scored.logprobs * weights).sum()
            optimizer.zero_grad()
            (nats / here).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss, answers, step = loss + nats.item(), answers + here, step + 1
        gap = loss / answers - least
        if gap <= params.warmup_gap:
            break
    model.zero_grad()
    return gap
