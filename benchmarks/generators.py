"""Claim: writing many answers at once comes near to what the machine could do, and to vLLM.

Prompts of 250 tokens that share their first 200, 64 tokens sampled after each, nothing kept from one run to the next. With --group
each prompt is answered so many times; with --long one prompt more stands beside them, of so many tokens, which shares nothing. The
roofline is the larger, step by step, of the time to read weights, keys and values once and the time for the matrix products,
from this machine's peaks, measured between the runs; shared tokens are counted once. Processor seconds; medians of runs that take turns.

python benchmarks/generators.py --model smollm2_135m --dtype bfloat16 --batches 1,8,32,64 --vllm eager
python benchmarks/generators.py --model smollm2_135m --batches 64 --group 8 --vllm eager
python benchmarks/generators.py --model smollm2_135m --batches 32 --long 1500 --vllm eager
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import torch
from common import peak_gflops, read_gbytes, save

from sparring import Generator, LoadedModel, Request, Sampling
from sparring.assemble import assemble
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring_generators.capacity import bytes_per_token
from sparring_generators.params import TransformersParams, VllmParams, make_transformers, make_vllm

RECIPE = """
format: 1
policies: {{main: {{model: {model}, dtype: {dtype}}}}}
play:
  - {{game: kuhn_poker, scheme: turn_based}}
advantage: role_conditioned
objective: policy_gradient
train: {{steps: 1, threads: {threads}}}
"""
SHARED, OWN, NEW = 200, 50, 64


def load(model: str, dtype: str, threads: int) -> LoadedModel:
    text = RECIPE.format(model=model, dtype=dtype, threads=threads)
    recipe = load_recipe(RecipeSource("generators", text, "generators"), load_plugins().registry)
    return assemble(recipe).learners["main"].loaded


def requests(batch: int, run: int, vocabulary: int, group: int = 1, long: int = 0) -> list[Request]:
    """Any tokens will do: nothing here depends on what they say."""
    generator = torch.Generator().manual_seed(run)

    def drawn(*shape: int) -> list[Any]:
        return torch.randint(vocabulary, shape, generator=generator).tolist()  # type: ignore[no-any-return]  # of a shape

    shared = drawn(SHARED)
    prompts = [[*shared, *own] for own in drawn(batch // group, OWN) for _ in range(group)]
    prompts += [drawn(long)] if long else []
    return [Request("main", prompt, 1000 * run + n, Sampling(max_tokens=NEW)) for n, prompt in enumerate(prompts)]


def measure(generator: Generator, asked: list[Request]) -> dict[str, float]:
    generator.release()
    began, wall = time.process_time(), time.perf_counter()
    done = generator.generate(asked)
    seconds, wall = time.process_time() - began, time.perf_counter() - wall
    tokens = sum(len(completion.tokens) for completion in done)
    assert tokens == NEW * len(asked), "an answer ended early"
    return {"rate": tokens / seconds, "wall_rate": tokens / wall}


def roofline(loaded: LoadedModel, batch: int, group: int, long: int, gflops: float, gbytes: float) -> float:
    """Tokens per second if each step took only the longer of its reading and its multiplying."""
    linears = [module.weight for module in loaded.model.modules() if isinstance(module, torch.nn.Linear)]
    weights = sum(weight.numel() for weight in linears)  # the head is one of them
    size = 2 if loaded.bf16 else 4
    head = loaded.model.get_output_embeddings().weight.numel()
    config = loaded.model.config.get_text_config()
    pairs = 4 * config.num_hidden_layers * config.hidden_size  # operations for one token that looks at another
    prompts, rows = batch // group, batch + (long > 0)
    read_once = SHARED + OWN * prompts + long
    looked_at = SHARED**2 / 2 + prompts * OWN * (SHARED + OWN / 2) + long**2 / 2
    seconds = (2 * read_once * (weights - head) + 2 * head * rows + pairs * looked_at) / gflops / 1e9
    for n in range(1, NEW):
        read = (weights * size + (read_once + rows * n) * bytes_per_token(loaded)) / gbytes / 1e9
        looked_at = batch * (SHARED + OWN + n) + (long + n if long else 0)
        multiplied = (2 * weights * rows + pairs * looked_at) / gflops / 1e9
        seconds += max(read, multiplied)
    return NEW * rows / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2_135m")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--batches", default="1,8,32,64")
    parser.add_argument("--group", type=int, default=1, help="answers to each prompt; the batch is a multiple of it")
    parser.add_argument("--long", type=int, default=0, help="tokens of one prompt more")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--vllm", default="none", choices=("none", "eager", "compiled"))
    given = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    loaded = load(given.model, given.dtype, threads)
    # Nothing ends an answer: all are equally long, as a roofline wants them.
    arms: dict[str, Generator] = {"ours": make_transformers(TransformersParams())}
    if given.vllm != "none":
        arms[f"vllm, {given.vllm}"] = make_vllm(
            VllmParams(eager=given.vllm == "eager", max_length=max(1024, given.long + NEW))
        )
    for generator in arms.values():
        generator.publish("main", loaded)
        known = generator._policies["main"]  # type: ignore[attr-defined]
        getattr(known, "writing", known).stop = frozenset()
    vocabulary = loaded.model.config.get_text_config().vocab_size
    dtype = torch.bfloat16 if loaded.bf16 else torch.float32
    rows = []
    for batch in map(int, given.batches.split(",")):
        found: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
        peaks = []
        for run in range(given.runs + 1):
            peaks.append((peak_gflops(dtype), read_gbytes()))
            for name, generator in arms.items():
                result = measure(generator, requests(batch, run, vocabulary, given.group, given.long))
                if run:  # the first one warms up
                    found[name].append(result)
        gflops, gbytes = (statistics.median(values) for values in zip(*peaks, strict=True))
        most = roofline(loaded, batch, given.group, given.long, gflops, gbytes)
        row = {"batch": batch, "peak_gflops": gflops, "read_gbytes": gbytes, "roofline": most}
        for name, runs in found.items():
            rate = statistics.median(run["rate"] for run in runs)
            row |= {
                name: rate,
                f"{name}, share": rate / most,
                f"{name}, wall": statistics.median(r["wall_rate"] for r in runs),
            }
        rows.append(row)
        print({key: round(value, 2) for key, value in row.items()}, flush=True)
    shape = (f"-group-{given.group}" if given.group > 1 else "") + (f"-long-{given.long}" if given.long else "")
    save(f"generators-{given.model}-{given.dtype}-{given.vllm}{shape}", {"arguments": vars(given), "rows": rows})


if __name__ == "__main__":
    main()
