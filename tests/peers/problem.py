"""One small training problem for everybody: models, rows, rewards, pairs; and our own answer to it.

It is written to a folder, which a peer's script reads. All is in fp32 on the CPU.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sparring import DemonstrationRecord, Episode, Objective, PolicyGradientRecord, PreferenceRecord, Span, Turn
from sparring.batch import objective_batch, totals
from sparring.forward import token_logprobs
from sparring.records import Record, Row
from sparring_builders.policy_gradient import PolicyGradientRows, PolicyGradientRowsParams

VOCABULARY = 61
GROUP = 4
PAD = 0
MAX_COMPLETION = 12


@dataclass(frozen=True)
class Sample:
    """A prompt and what followed it. ``trained`` says of each token of the completion whether the policy sampled it."""

    prompt: list[int]
    completion: list[int]
    trained: list[bool]
    reward: float
    advantage: float  # the reward minus its group's mean
    old: list[float]

    @property
    def tokens(self) -> list[int]:
        return self.prompt + self.completion

    @property
    def positions(self) -> list[int]:
        return [len(self.prompt) + i for i, trained in enumerate(self.trained) if trained]


@dataclass(frozen=True)
class Pair:
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True)
class Problem:
    """``samples`` stand in groups of `GROUP`: equal prompt, next to each other."""

    model: LlamaForCausalLM
    reference: LlamaForCausalLM
    samples: list[Sample]
    pairs: list[Pair]

    def write(self, folder: Path) -> None:
        self.model.save_pretrained(folder / "model")
        self.reference.save_pretrained(folder / "reference")
        data = {
            "vocabulary": VOCABULARY, "group": GROUP, "pad": PAD, "max_completion": MAX_COMPLETION,
            "samples": [vars(sample) for sample in self.samples], "pairs": [vars(pair) for pair in self.pairs],
        }  # fmt: skip
        (folder / "problem.json").write_text(json.dumps(data))


def small_model(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False, initializer_range=0.2,
        pad_token_id=PAD, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def make_problem() -> Problem:
    rng = random.Random(0)
    model, reference = small_model(1), small_model(1)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))

    def tokens(count: int) -> list[int]:
        return [rng.randrange(2, VOCABULARY) for _ in range(count)]

    rewards = [[1.0, 0.0, 0.0, 0.5], [2.0, 2.0, 2.0, 2.0], [-1.5, 0.25, 3.0, -0.75]]
    samples = []
    for group in rewards:
        prompt = tokens(rng.randint(2, 6))
        for reward in group:
            completion = tokens(rng.randint(2, 9))
            trained = [True] * len(completion)
            if len(completion) > 5:  # a tool answered in between
                trained[2:4] = [False, False]
            rows, where = [prompt + completion], [[len(prompt) + i for i, t in enumerate(trained) if t]]
            with torch.no_grad():
                now = token_logprobs(model, rows, where).logprobs.tolist()
            # Far enough from the policy's for every branch of a clip to be taken.
            old = [lp - rng.uniform(-0.6, 1.5) for lp in now]
            samples.append(Sample(prompt, completion, trained, reward, reward - sum(group) / GROUP, old))
    pairs = [Pair(tokens(rng.randint(2, 6)), tokens(rng.randint(1, 8)), tokens(rng.randint(1, 8))) for _ in range(8)]
    return Problem(model, reference, samples, pairs)


# ---- our answer ------------------------------------------------------------------------------------------------------


def episodes(problem: Problem) -> list[Episode]:
    """The samples as episodes of one turn each."""
    made = []
    for number, sample in enumerate(problem.samples):
        spans: list[Span] = []
        old = iter(sample.old)
        for token, trained in zip(sample.completion, sample.trained, strict=True):
            kind = "sampled" if trained else "tool"
            if not spans or spans[-1].kind != kind:
                spans.append(Span("sampled" if trained else "tool", []))
            spans[-1].tokens.append(token)
            if trained:
                spans[-1].logprobs.append(next(old))
        labels = {"game": "g", "role": "player", "start": number // GROUP, "entry": "g"}
        turn = Turn(
            "player", "main", 0, 0, len(sample.prompt), spans, "", "", labels=labels, reward=sample.reward
        )  # fmt: skip
        made.append(Episode(number, 1, 0, "g", [Row(sample.tokens, [turn])], [turn]))
    return made


def samples(problem: Problem) -> list[PolicyGradientRecord]:
    """The samples as records."""
    played = episodes(problem)
    for episode, sample in zip(played, problem.samples, strict=True):
        episode.turns[0].advantage = sample.advantage
    return PolicyGradientRows(PolicyGradientRowsParams()).build(played)


def demonstrations(problem: Problem) -> list[DemonstrationRecord]:
    return [DemonstrationRecord("main", sample.tokens, sample.positions) for sample in problem.samples]


def preferences(problem: Problem) -> list[PreferenceRecord]:
    found = []
    for pair in problem.pairs:
        rows = [pair.prompt + pair.chosen, pair.prompt + pair.rejected]
        places = [list(range(len(pair.prompt), len(row))) for row in rows]
        found.append(PreferenceRecord("main", *rows, *places))
    return found


@dataclass(frozen=True)
class Answer:
    loss: float
    gradients: dict[str, torch.Tensor]
    metrics: dict[str, float] = field(default_factory=dict)


def without_tools(problem: Problem) -> Problem:
    """The same problem, but the policy sampled every token of its completions."""
    changed = [
        replace(sample, trained=[True] * len(sample.completion), old=[0.0] * len(sample.completion))
        for sample in problem.samples
    ]
    return replace(problem, samples=changed)


def assert_same(ours: Answer, theirs: Answer, *, loss: bool = True) -> None:
    """Losses (unless they are not compared) and gradients agree to 1e-5."""
    if loss:
        assert ours.loss == pytest.approx(theirs.loss, abs=1e-5, rel=1e-5)
    assert ours.gradients.keys() == theirs.gradients.keys()
    assert max(gradient.abs().max().item() for gradient in theirs.gradients.values()) > 1e-3, "nothing to compare"
    for name, gradient in theirs.gradients.items():
        torch.testing.assert_close(
            ours.gradients[name], gradient, atol=1e-5, rtol=1e-5, msg=f"gradients of {name} differ"
        )


def answer(problem: Problem, objective: Objective, records: Sequence[Record], *, on_policy: bool = False) -> Answer:
    """Loss and gradients of ``objective`` on ``records``, through the forward that training uses.

    ``on_policy``: the old log-probabilities are the policy's own instead of the samples'.
    """
    model = problem.model
    model.zero_grad()
    rows = [row for record in records for row in record.rows]
    tokens, where = [tokens for tokens, _ in rows], [positions for _, positions in rows]
    scored = token_logprobs(model, tokens, where)
    with torch.no_grad():
        reference = token_logprobs(problem.reference, tokens, where).logprobs.tolist()
    old = [lp for r in records for lp in (r.logprobs if isinstance(r, PolicyGradientRecord) else [0.0] * _size(r))]
    if on_policy:
        old = scored.logprobs.tolist()
    batch = objective_batch(records, [old], [reference], scored, totals(records), torch.device("cpu"))
    loss, metrics = objective(batch)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return Answer(loss.item(), gradients, {name: float(value) for name, value in metrics.items()})


def _size(record: Record) -> int:
    return sum(len(positions) for _, positions in record.rows)
