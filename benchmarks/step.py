"""Claim: a whole step of self-play takes a fraction of the processor time that it takes in TRL, or in a plain loop.

One step is: play the games, make advantages, train on both players' rows, publish. Kuhn poker in the same words, the same model,
sampling and AdamW, no KL. Beside `Trainer.step` of the recipe: `plain.py`, which plays side by side by padded
`generate` and trains on padded rows, and TRL's GRPO trainer with that same play as its rollout function, since TRL has none for
two players. Processor seconds on one thread, medians of runs that take turns, first one to warm up.

python benchmarks/step.py --model tiny --games 512 --runs 5 --at-once 64
python benchmarks/step.py --model smollm2_135m --games 16 --runs 1 --at-once 8 --shown 6
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from beside import Trl, trainer_of
from common import peak_gflops, save
from learner import RECIPES, rows_of_a_step
from plain import Book, play, update

from sparring import Game
from sparring.chat import ChatFormat
from sparring.forward import token_logprobs
from sparring.records import TokenRow
from sparring_tree import walk

MAX_TOKENS = 4


def book_of(game: Game, chat: ChatFormat, system: str) -> Book:
    """The game as a table of what each player is told, in the tokens that the recipe would make of it."""
    nodes: list[dict[str, object]] = []
    roots: list[int] = []
    number: dict[tuple[str, ...], int] = {}
    heard: dict[tuple[str, ...], dict[int, int]] = {}  # how much of its log each player has been told
    for node in walk(game):
        history = tuple(event.text for event in node.history)
        before = heard.get(history[:-1], {})
        number[history], heard[history] = len(nodes), dict(before)
        if history[:-1] in number:
            nodes[number[history[:-1]]]["moves"][history[-1]] = len(nodes)  # type: ignore[index]
        else:
            roots.append(len(nodes))
        if node.player is None:
            nodes.append({"returns": list(node.state.outcome().returns)})
            continue
        log = node.state.observe(node.player)
        text = "\n".join(log[before.get(node.player, 0) :])
        opening = [("system", system)] if system else []
        said = chat.follow(text, True) if node.player in before else chat.open([*opening, ("user", text)])
        heard[history][node.player] = len(log)
        nodes.append({"player": node.player, "said": list(said), "moves": {}})
    worst = game.info.bounds[0]
    return Book(nodes, roots, (worst, -worst), sorted(chat.stop_ids), chat.close(False)[0])


def show(model: Any, rows: Sequence[TokenRow], times: int) -> None:
    """Imitate ``rows``, each once however often it occurs, so that the model knows the words of the game."""
    distinct = list({tuple(tokens): (tokens, where) for tokens, where in rows}.values())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-5, fused=True)
    for _ in range(times):
        scored = token_logprobs(model, [tokens for tokens, _ in distinct], [where for _, where in distinct])
        (-scored.logprobs.mean()).backward()
        optimizer.step()
        optimizer.zero_grad()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(RECIPES), default="tiny")
    parser.add_argument("--games", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--at-once", type=int, default=64, help="padded rows in a forward pass, of TRL and the plain loop"
    )
    parser.add_argument("--shown", type=int, default=0, help="updates of imitation before anything is measured")
    given = parser.parse_args()
    sets = [
        "objective.kl_coef=0",
        "train.learning_rate=1.0e-6",
        f"batch.size={given.games}",
        f"sampling.max_tokens={MAX_TOKENS}",
    ]
    if given.model != "tiny":
        sets += ["schedule=[{play: [play], steps: 80}]"]
    trainer = trainer_of(RECIPES[given.model], sets)
    learner = trainer.learners["main"]
    if given.shown:
        rows = rows_of_a_step(RECIPES[given.model], ["play.0.group_size=2", "batch.size=30"])
        show(learner.loaded.model, rows, given.shown)
        trainer.generator.publish("main", learner.loaded)
    chat = ChatFormat(learner.loaded.tokenizer)
    entry = trainer.entries[-1]
    assert entry.game is not None
    book = book_of(entry.game, chat, entry.scheme.params.system)  # type: ignore[attr-defined]
    trl = Trl(
        learner.loaded,
        {
            "kind": "play", "book": asdict(book), "max_tokens": MAX_TOKENS, "count": 2 * given.games,
            "at_once": given.at_once,
        },
    )  # fmt: skip
    plain = copy.deepcopy(learner.loaded.model).train()
    plain.set_attn_implementation("sdpa")
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-6, fused=True)
    torch.manual_seed(0)

    def ours() -> dict[str, float]:
        began = time.process_time()
        metrics, _ = trainer.step()
        return {"cpu_seconds": time.process_time() - began, "sampled": metrics["tokens/sampled"]}

    def plainly() -> dict[str, float]:
        began = time.process_time()
        rows = play(plain, learner.loaded.tokenizer, book, given.games, MAX_TOKENS)
        played = time.process_time()
        update(plain, optimizer, rows, given.at_once)
        sampled = sum(len(row.positions) for row in rows)
        return {"cpu_seconds": time.process_time() - began, "making": played - began, "sampled": sampled}

    arms: dict[str, Callable[[], dict[str, float]]] = {"ours": ours, "plain loop": plainly, "TRL": trl.step}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    peaks = []
    for run in range(given.runs + 1):
        peaks.append(1e9 * peak_gflops())
        for name, arm in arms.items():
            result = arm()
            print(run, name, {key: round(value, 3) for key, value in result.items()}, flush=True)
            if run:
                found[name].append(result)
    trl.close()
    medians = {name: statistics.median(run["cpu_seconds"] for run in runs) for name, runs in found.items()}
    ratios = {
        name: statistics.median(
            theirs["cpu_seconds"] / ours["cpu_seconds"] for theirs, ours in zip(runs, found["ours"], strict=True)
        )
        for name, runs in found.items()
    }
    print({name: (round(medians[name], 2), round(ratios[name], 2)) for name in medians})
    result = {
        "arguments": vars(given),
        "cpu_seconds": medians,
        "ours_is_faster_by": ratios,
        "peak_gflops": statistics.median(peaks) / 1e9,
        "runs": found,
    }
    save(f"step-{given.model}", result)


if __name__ == "__main__":
    main()
