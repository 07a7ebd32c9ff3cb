"""Claim: an update from rows of self-play takes a fraction of the processor time that TRL's GRPO update takes.

The same rows, model, loss (policy gradient on policy, mean over trained tokens, no KL) and AdamW; the gradient's norms
are compared before anything is measured. Rows of a real step as the recipe makes them, where whole prompts are shared, and
rows that share nothing: of 128 to 384 tokens, or of 256 each, a fifth of them trained. Processor seconds of forward,
backward and optimizer on one thread, medians of runs that take turns. TRL pads its rows, some of them at a time: with
several ``--trl-rows`` the fastest counts.

python benchmarks/learner.py --model tiny --rows ragged,equal,kuhn,sums --runs 5 --trl-rows 8,16
python benchmarks/learner.py --model smollm2_135m --rows ragged,equal --count 8 --runs 1
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from beside import Trl, trainer_of
from common import peak_gflops, save

from sparring import PolicyGradientRecord
from sparring.batch import totals
from sparring.learner import Learner, Part, UpdateReport
from sparring.prefix_tree import build_forest
from sparring.records import Record, TokenRow
from sparring_objectives.params import PolicyGradientParams, make_policy_gradient

RECIPES = {"tiny": "kuhn_poker/quickstart", "smollm2_135m": "kuhn_poker/smollm2"}
# Random weights are as fast as others.
BASE = {"tiny": ["policies.main.model={use: tiny, warmup_steps: 0}"], "smollm2_135m": []}
# Where whole steps take too long, one group of the recipe: sixteen hands of one deal, played by random players.
STEPS = {
    ("tiny", "kuhn"): ("kuhn_poker/quickstart", []),
    ("tiny", "sums"): ("arithmetic/proposer_solver", ["policies.main.model.warmup_steps=300"]),
    ("smollm2_135m", "kuhn"): ("kuhn_poker/smollm2", ["batch.size=16"]),
}


def unshared(lengths: Sequence[int], vocabulary: int) -> list[TokenRow]:
    """Rows of random tokens, the last fifth of each trained."""
    chance = random.Random(0)
    return [
        ([chance.randrange(vocabulary) for _ in range(length)], list(range(length - length // 5, length)))
        for length in lengths
    ]


def rows_of_a_step(recipe: str, sets: Sequence[str]) -> list[TokenRow]:
    """The rows that the first step of a recipe trains on, with nothing left out."""
    trainer = trainer_of(recipe, sets)
    (learner,) = trainer.learners.values()
    found: list[Record] = []

    def keep(parts: Sequence[Part], step: int) -> UpdateReport:
        found.extend(record for part in parts for record in part.records)
        return UpdateReport()

    learner.update = keep  # type: ignore[method-assign]
    trainer.step()
    return [row for record in found for row in record.rows]


def part_of(rows: Sequence[TokenRow]) -> Part:
    """Records of ``rows`` with an advantage of 1 or -1 each."""
    chance = random.Random(1)
    records = []
    for number, (tokens, positions) in enumerate(rows):
        advantage, count = chance.choice((-1.0, 1.0)), len(positions)
        records.append(
            PolicyGradientRecord(
                "main", 0, tokens, positions, [0.0] * count, [advantage] * count, [0] * count, 1, number, {"entry": 0}
            )
        )
    return Part(make_policy_gradient(PolicyGradientParams(normalize="token_mean")), records, totals(records))


def useful_operations(model: Any, rows: Sequence[TokenRow]) -> float:
    """Multiplications and additions of matrix products that no one could leave out, forward and backward.

    Each distinct prefix once, the head where a trained token follows; neither attention nor padding nor recomputation.
    """
    head = model.get_output_embeddings().weight
    blocks = sum(m.weight.numel() for m in model.base_model.modules() if isinstance(m, torch.nn.Linear))
    forest = build_forest([tokens for tokens, _ in rows])
    scored = {forest.paths[r][place - 1] for r, (_, places) in enumerate(rows) for place in places}
    return 6.0 * (blocks * forest.size + head.numel() * len(scored))


def update(learner: Learner, part: Part) -> dict[str, float]:
    began = time.process_time()
    report = learner.update([part], 1)
    return {"cpu_seconds": time.process_time() - began, "grad_norm": report.metrics["grad_norm"]}


def measure(
    learner: Learner, rows: list[TokenRow], runs: int, trl_rows: Sequence[int], keeping: bool
) -> dict[str, Any]:
    rows = rows[: len(rows) // max(trl_rows) * max(trl_rows)]
    if not rows:
        raise SystemExit(f"there are fewer rows than TRL is to take at a time (--trl-rows {max(trl_rows)})")
    part = part_of(rows)
    given = [
        {"tokens": r.tokens, "positions": r.positions, "advantage": r.advantages[0]}
        for r in part.records
        if isinstance(r, PolicyGradientRecord)
    ]
    job = {"kind": "update", "rows": given, "count": len(rows)}
    peers = {at_once: Trl(learner.loaded, {**job, "at_once": at_once}, keeping) for at_once in trl_rows}
    norms = {"ours": update(learner, part)["grad_norm"]}
    norms |= {f"TRL, {at_once} at a time": peer.step()["grad_norm"] for at_once, peer in peers.items()}
    if max(norms.values()) > 1.001 * min(norms.values()):
        raise SystemExit(f"the gradients differ, so the work does: norms {norms}")
    arms = {"ours": lambda: update(learner, part)}
    arms |= {f"TRL, {at_once} at a time": peer.step for at_once, peer in peers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    peaks = []
    for _ in range(runs):
        peaks.append(1e9 * peak_gflops())
        for name, arm in arms.items():
            seconds[name].append(arm()["cpu_seconds"])
    for peer in peers.values():
        peer.close()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    fastest = min((name for name in medians if name != "ours"), key=lambda name: medians[name])
    peak, useful = statistics.median(peaks), useful_operations(learner.loaded.model, rows)
    tokens = sum(len(tokens) for tokens, _ in rows)
    return {
        "rows": len(rows),
        "tokens": tokens,
        "distinct_tokens": build_forest([t for t, _ in rows]).size,
        "trained_tokens": sum(len(places) for _, places in rows),
        "grad_norms_at_first": norms,
        "cpu_seconds": seconds,
        "tokens_per_cpu_second": {name: tokens / value for name, value in medians.items()},
        "peak_gflops": peak / 1e9,
        "share_of_peak": {name: useful / value / peak for name, value in medians.items()},
        "fastest_of_trl": fastest,
        "ours_is_faster_by": statistics.median(
            theirs / ours for theirs, ours in zip(seconds[fastest], seconds["ours"], strict=True)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(RECIPES), default="tiny")
    parser.add_argument("--rows", default="ragged,equal", help="of ragged, equal, kuhn, sums")
    parser.add_argument("--count", type=int, default=16, help="rows that share nothing")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trl-rows", default="8", help="rows in a forward pass of TRL's; 8 is its default")
    parser.add_argument("--keeping", action="store_true", help="TRL's process keeps freed memory, as ours does")
    parser.add_argument("--token-budget", type=int, default=2048, help="ours: tokens in a forward pass")
    parser.add_argument("--kernels", default="none", choices=("none", "compiled"), help="ours")
    given = parser.parse_args()
    for kind in given.rows.split(","):
        trainer = trainer_of(
            RECIPES[given.model],
            [
                *BASE[given.model],
                f"policies.main.model.kernels={given.kernels}",
                "objective.kl_coef=0",
                f"train.token_budget={given.token_budget}",
            ],
        )
        learner = trainer.learners["main"]
        if kind in ("ragged", "equal"):
            step = 256 / max(1, given.count - 1)
            lengths = [128 + round(i * step) if kind == "ragged" else 256 for i in range(given.count)]
            rows = unshared(lengths, learner.loaded.model.config.vocab_size)
        else:
            rows = rows_of_a_step(*STEPS[given.model, kind])
        random.Random(2).shuffle(rows)
        found = measure(learner, rows, given.runs, [int(n) for n in given.trl_rows.split(",")], given.keeping)
        print(kind, {key: value for key, value in found.items() if key not in ("cpu_seconds", "grad_norms_at_first")})
        compiled = "-compiled" if given.kernels == "compiled" else ""
        name = f"learner-{given.model}-{kind}{'-keeping' if given.keeping else ''}{compiled}"
        save(name, {"arguments": {**vars(given), "rows": kind}, **found})


if __name__ == "__main__":
    main()
