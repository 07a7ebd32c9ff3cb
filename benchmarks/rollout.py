"""Claim: playing many games at once takes a fraction of the processor time that padded `generate` takes.

The same games, models and sampling settings; the same chat, scheme and game code. Only the generator differs: ours with
everything, ours that waits in every round of turns for the longest answer, ours that keeps nothing between those rounds, a padded
batch of transformers' own `generate` for each, and vLLM with its prefix cache. Processor seconds on one thread, medians of runs that take turns, first a short one
to warm up.

python benchmarks/rollout.py --model tiny --games mix --runs 5
python benchmarks/rollout.py --model smollm2_135m --episodes 64 --runs 1 --vllm eager
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Sequence

import torch
from common import save

from sparring import Completion, Generator, LoadedModel, Request
from sparring.assemble import assemble
from sparring.chat import ChatFormat
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.trainer import Trainer
from sparring_generators.params import VllmParams, make_vllm
from sparring_memory.garbage import settled

RECIPE = """
format: 1
policies: {{main: {{model: {model}, dtype: {dtype}}}}}
play: {play}
advantage: role_conditioned
objective: policy_gradient
sampling: {{max_tokens: {max_tokens}}}
generator: {{use: transformers, kv_gib: {kv_gib}}}
train: {{steps: 1, threads: 1}}
"""


TURN_BASED = "scheme: {use: turn_based, retries: 2}"
MIX = (
    "{use: taboo, turns: 3}",
    "truth_and_deception",
    "undercover",
    "simple_negotiation",
    "{use: kuhn_poker, rounds: 3}",
    "tic_tac_toe",
)


class PaddedGenerate:
    """What one writes first: all requests as one left-padded batch, until the last of them has ended."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.model = copy.deepcopy(loaded.model)
        self.model.set_attn_implementation("sdpa")
        if loaded.bf16:
            self.model.to(torch.bfloat16)
        self.stop = sorted(ChatFormat(loaded.tokenizer).stop_ids)

    def room(self, requests: Sequence[Request]) -> int:
        return len(requests)

    def release(self) -> None:
        pass

    @torch.no_grad()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        width = max(len(request.context) for request in requests)
        ids = torch.zeros(len(requests), width, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for row, request in enumerate(requests):
            ids[row, width - len(request.context) :] = torch.tensor(request.context)
            seen[row, width - len(request.context) :] = 1
        out = self.model.generate(
            ids,
            attention_mask=seen,
            do_sample=True,
            top_k=0,
            max_new_tokens=requests[0].sampling.max_tokens,
            eos_token_id=self.stop,
            pad_token_id=self.stop[0],
            return_dict_in_generate=True,
            output_logits=True,
        )
        logprobs = torch.stack([torch.log_softmax(step, -1) for step in out.logits], 1)
        completions = []
        for row, tokens in enumerate(out.sequences[:, width:].tolist()):
            ends = [i for i, token in enumerate(tokens) if token in self.stop]
            kept = tokens[: ends[0] + 1] if ends else tokens
            values = [float(logprobs[row, i, token]) for i, token in enumerate(kept)]
            completions.append(Completion(kept, values, "stop" if ends else "length"))
        return completions


class Rounds:
    """A generator that answers all it is asked before anybody may ask again; a forgetful one keeps nothing of it."""

    def __init__(self, inner: Generator, *, forgetful: bool) -> None:
        self.inner, self.forgetful = inner, forgetful

    def room(self, requests: Sequence[Request]) -> int:
        return self.inner.room(requests)

    def release(self) -> None:
        self.inner.release()

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        if self.forgetful:
            self.inner.release()
        return self.inner.generate(requests)


def measure(trainer: Trainer, generator: object, episodes: int, seed: int) -> dict[str, float]:
    """Sampled tokens per processor second of the whole play, and the same per second in the generator."""
    trainer.hall.generator = generator  # type: ignore[assignment]
    entries = [trainer.entries[number % len(trainer.entries)] for number in range(episodes)]
    plans = [entry.plan(number, number, entry.roles, (seed,)) for number, entry in enumerate(entries)]
    with settled():
        began, wall = time.process_time(), time.perf_counter()
        played = trainer.hall.play(plans, 0)
        seconds, wall = time.process_time() - began, time.perf_counter() - wall
    trainer.hall.generator.release()
    turns = [turn for episode in played for turn in episode.turns]
    tokens = sum(len(span.tokens) for turn in turns for span in turn.spans)
    return {"tokens": tokens, "turns": len(turns), "cpu_seconds": seconds, "seconds": wall, "rate": tokens / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--games", default="taboo", choices=("taboo", "mix"))
    parser.add_argument("--turns", type=int, default=3, help="Of a player of taboo.")
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--kv-gib", type=float, default=2.0)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--without", default="", help="Arms that are left out, with commas between them.")
    parser.add_argument("--vllm", default="none", choices=("none", "eager", "compiled"))
    given = parser.parse_args()
    games = MIX if given.games == "mix" else (f"{{use: taboo, turns: {given.turns}}}",)
    play = "[" + ", ".join(f"{{game: {game}, {TURN_BASED}}}" for game in games) + "]"
    text = RECIPE.format(
        model=given.model, play=play, max_tokens=given.max_tokens, dtype=given.dtype, kv_gib=given.kv_gib
    )
    trainer = assemble(load_recipe(RecipeSource("rollout", text, "rollout"), load_plugins().registry))
    loaded = trainer.learners["main"].loaded
    arms: dict[str, object] = {
        "ours": trainer.generator,
        "in rounds": Rounds(trainer.generator, forgetful=False),
        "in rounds and forgetful": Rounds(trainer.generator, forgetful=True),
        "padded generate": PaddedGenerate(loaded),
    }
    if given.vllm != "none":
        engine = make_vllm(VllmParams(eager=given.vllm == "eager", max_length=2048, kv_gib=given.kv_gib))
        engine.publish("main", loaded)
        arms[f"vllm, {given.vllm}"] = engine
    arms = {name: generator for name, generator in arms.items() if name not in given.without.split(",")}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for run in range(given.runs + 1):
        for name, generator in arms.items():
            result = measure(trainer, generator, given.episodes if run else 2, run)
            if run:
                found[name].append(result)
                print(run, name, {key: round(value, 2) for key, value in result.items()}, flush=True)
    rates = {name: statistics.median(run["rate"] for run in runs) for name, runs in found.items()}
    ratios = {name: rates["ours"] / rate for name, rate in rates.items()}
    print({name: (round(rates[name], 1), round(ratios[name], 2)) for name in rates})
    result = {"arguments": vars(given), "tokens_per_cpu_second": rates, "ours_is_faster_by": ratios, "runs": found}
    save(f"rollout-{given.games}-{given.model}-{given.dtype}-{given.vllm}-{given.turns}x{given.max_tokens}", result)


if __name__ == "__main__":
    main()
