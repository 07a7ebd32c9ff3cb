"""TRL's side of `learner.py` and `step.py`: its own GRPO trainer in its own loop, run by its own interpreter.

``run_trl.py FOLDER`` reads ``job.json``, the model and the tokenizer there, then takes one training step for each line on
stdin and answers with a line of JSON. A job of the kind ``update`` hands the trainer rows that are there already; its seconds
are those of a step without the making of its batch. One of the kind ``play`` has it play the game of `plain.Book`.

What differs from the trainer's defaults: fp32, no gradient checkpointing (neither side has any), nothing logged or saved.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", TRL_EXPERIMENTAL_SILENCE="1")

import torch
from datasets import Dataset
from plain import Book, play
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

FOLDER = Path(sys.argv[1])
JOB = json.loads((FOLDER / "job.json").read_text())


class Timed(GRPOTrainer):
    """Remembers what its last batch cost to make, and the last gradient's norm."""

    making = 0.0
    sampled = 0

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        began = time.process_time()
        batch = super()._generate_and_score_completions(inputs)
        if JOB["kind"] == "update":
            batch["advantages"] = torch.tensor([row["advantage"] for row in JOB["rows"]])
        self.making = time.process_time() - began
        return batch


class OnCommand(TrainerCallback):
    """Waits for a line before a step and answers with its seconds after it."""

    def __init__(self, trainer: Timed, answers: Any) -> None:
        self.trainer, self.answers = trainer, answers
        self.norm = 0.0
        clip = trainer.accelerator.clip_grad_norm_

        def clipped(*given: Any, **named: Any) -> Any:
            norm = clip(*given, **named)
            self.norm = float(norm)
            return norm

        trainer.accelerator.clip_grad_norm_ = clipped

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if not sys.stdin.readline():
            raise SystemExit
        self.began = time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        seconds = time.process_time() - self.began
        found = {
            "cpu_seconds": seconds - self.trainer.making if JOB["kind"] == "update" else seconds,
            "making": self.trainer.making,
            "grad_norm": self.norm,
            "sampled": self.trainer.sampled,
        }
        print(json.dumps(found), file=self.answers, flush=True)


def given_rows(prompts: list[str], trainer: Timed) -> dict[str, Any]:
    """The job's rows. What follows the first trained token is TRL's completion; the mask says which of it is trained."""
    rows, first = JOB["rows"], [row["positions"][0] for row in JOB["rows"]]
    return {
        "prompt_ids": [row["tokens"][:at] for row, at in zip(rows, first, strict=True)],
        "completion_ids": [row["tokens"][at:] for row, at in zip(rows, first, strict=True)],
        "logprobs": None,
        "env_mask": [
            [int(place in set(row["positions"])) for place in range(at, len(row["tokens"]))]
            for row, at in zip(rows, first, strict=True)
        ],
        "reward": [row["advantage"] for row in rows],
    }


def played_rows(prompts: list[str], trainer: Timed) -> dict[str, Any]:
    """The rows of both seats of each game. A seat that never came to answer has one token that is not trained."""
    book = Book(**JOB["book"])
    rows = play(trainer.model, trainer.processing_class, book, len(prompts) // 2, JOB["max_tokens"])
    rows.sort(key=lambda row: row.player)  # a seat is a group, and has a baseline of its own
    trainer.sampled = sum(len(row.positions) for row in rows)
    first = [row.positions[0] if row.positions else len(row.tokens) for row in rows]
    return {
        "prompt_ids": [row.tokens[:at] or [book.end] for row, at in zip(rows, first, strict=True)],
        "completion_ids": [row.tokens[at:] or [book.end] for row, at in zip(rows, first, strict=True)],
        "logprobs": None,
        "env_mask": [
            [int(place in set(row.positions)) for place in range(at, len(row.tokens))] or [0]
            for row, at in zip(rows, first, strict=True)
        ],
        "reward": [row.reward for row in rows],
    }


def rewards(completions: list[str], reward: list[float], **_: Any) -> list[float]:
    return reward


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    sys.stdout = sys.stderr  # whatever the libraries print
    count = JOB["count"]
    config = GRPOConfig(
        output_dir=str(FOLDER / "trainer"), report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False,
        disable_tqdm=True, logging_strategy="no", save_strategy="no", max_steps=10**6,
        per_device_train_batch_size=JOB["at_once"], gradient_accumulation_steps=count // JOB["at_once"],
        num_generations=count if JOB["kind"] == "update" else count // 2, scale_rewards="none",
    )  # fmt: skip
    trainer = Timed(
        model=AutoModelForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float32),
        reward_funcs=rewards,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": [str(number) for number in range(64)]}),
        processing_class=AutoTokenizer.from_pretrained(FOLDER / "model"),
        rollout_func=given_rows if JOB["kind"] == "update" else played_rows,
    )
    trainer.add_callback(OnCommand(trainer, answers))
    trainer.train()


if __name__ == "__main__":
    main()
