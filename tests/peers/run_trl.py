"""TRL's answer to a problem. Run by TRL's own interpreter: ``run_trl.py FOLDER`` reads the problem there and writes the answer.

Every number comes out of a trainer of TRL's: advantages from ``_generate_and_score_completions``, whose sampling is replaced by
the problem's completions, losses from ``_compute_loss``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1", TRL_EXPERIMENTAL_SILENCE="1")

import torch
from datasets import Dataset
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer, SFTConfig, SFTTrainer

FOLDER = Path(sys.argv[1])
PROBLEM = json.loads((FOLDER / "problem.json").read_text())
SAMPLES, PAIRS, PAD = PROBLEM["samples"], PROBLEM["pairs"], PROBLEM["pad"]
COMMON: dict[str, Any] = {
    "output_dir": str(FOLDER / "trainer"), "report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True,
    "per_device_train_batch_size": len(SAMPLES), "gradient_checkpointing": False, "logging_strategy": "no",
}  # fmt: skip
SAMPLING = {"num_generations": PROBLEM["group"], "max_completion_length": PROBLEM["max_completion"]}
FOUND: dict[str, torch.Tensor] = {}


def model(name: str = "model") -> Any:
    return AutoModelForCausalLM.from_pretrained(FOLDER / name, dtype=torch.float32)


def tokenizer() -> PreTrainedTokenizerFast:
    words = {"<pad>": 0, "<eos>": 1} | {f"t{i}": i for i in range(2, PROBLEM["vocabulary"])}
    made = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<pad>")


def text(tokens: list[int]) -> str:
    return " ".join(f"t{token}" for token in tokens)


def keep(case: str, trainer: Any, loss: torch.Tensor) -> None:
    """The loss and its gradients under ``case``."""
    trainer.model.zero_grad()
    loss.backward()
    FOUND[f"loss/{case}"] = loss.detach().clone()
    for name, parameter in trainer.model.named_parameters():
        if parameter.grad is not None:
            FOUND[f"gradient/{case}/{name}"] = parameter.grad.clone()
    trainer.model.zero_grad()


def rewards(completions: list[str], **_: Any) -> list[float]:
    return [sample["reward"] for sample in SAMPLES]


def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
    return {
        "prompt_ids": [sample["prompt"] for sample in SAMPLES],
        "completion_ids": [sample["completion"] for sample in SAMPLES],
        "logprobs": None,
        "env_mask": [[int(t) for t in sample["trained"]] for sample in SAMPLES],
    }


def grpo(**settings: Any) -> tuple[Any, dict[str, Any]]:
    """A GRPO trainer, and the batch it made of the samples."""
    prompts = Dataset.from_dict({"prompt": [text(sample["prompt"]) for sample in SAMPLES]})
    trainer = GRPOTrainer(
        model=model(), reward_funcs=rewards, args=GRPOConfig(**COMMON, **SAMPLING, **settings), train_dataset=prompts,
        processing_class=tokenizer(), rollout_func=rollout,
    )  # fmt: skip
    if trainer.beta:
        trainer.ref_model.load_state_dict(model("reference").state_dict())
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer, trainer._generate_and_score_completions([dict(row) for row in prompts])


def old_logprobs(batch: dict[str, Any]) -> torch.Tensor:
    """The sampler's log-probabilities in the places of the batch's trained tokens."""
    mask = batch["completion_mask"] * batch["tool_mask"]
    padded = torch.zeros(mask.shape)
    for row, sample in enumerate(SAMPLES):
        padded[row, mask[row].bool()] = torch.tensor(sample["old"])
    return padded


def run_grpo() -> None:
    for scale in ("group", "batch", "none"):
        _, batch = grpo(scale_rewards=scale)
        FOUND[f"advantages/grpo_{scale}"] = batch["advantages"].clone()
    cases: dict[str, dict[str, Any]] = {
        "dapo": {"loss_type": "dapo"},
        "grpo": {"loss_type": "grpo"},
        "bnpo": {"loss_type": "bnpo"},
        "dr_grpo": {"loss_type": "dr_grpo"},
        "dapo_k3": {"loss_type": "dapo", "beta": 0.3, "use_bias_correction_kl": False},
        "dapo_k3_corrected": {"loss_type": "dapo", "beta": 0.3},
    }
    for case, settings in cases.items():
        trainer, batch = grpo(epsilon=0.2, epsilon_high=0.28, scale_rewards="none", **settings)
        batch["old_per_token_logps"] = old_logprobs(batch)
        keep(case, trainer, trainer._compute_loss(trainer.model, batch))
    trainer, batch = grpo(scale_rewards="none", loss_type="dapo", beta=0.3)
    keep("on_policy_k3_corrected", trainer, trainer._compute_loss(trainer.model, batch))
    trainer, batch = grpo(scale_rewards="none", loss_type="dapo")
    mask = (batch["completion_mask"] * batch["tool_mask"]).bool()
    rows = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    logps, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, rows, attention, mask.shape[1])
    FOUND["logprobs"] = logps[mask].detach().clone()
    keep("on_policy", trainer, trainer._compute_loss(trainer.model, batch))


class GivenRLOO(RLOOTrainer):
    def _generate_single_turn(self, *_: Any, **__: Any) -> list[list[int]]:
        return [sample["completion"] for sample in SAMPLES]


def run_rloo() -> None:
    prompts = Dataset.from_dict({"prompt": [text(sample["prompt"]) for sample in SAMPLES]})
    trainer = GivenRLOO(
        model=model(), reward_funcs=rewards, args=RLOOConfig(**COMMON, **SAMPLING, beta=0.0), train_dataset=prompts,
        processing_class=tokenizer(),
    )  # fmt: skip
    trainer.model.train()
    batch = trainer._generate_and_score_completions([dict(row) for row in prompts])
    FOUND["advantages/rloo"] = batch["advantages"].clone()
    keep("rloo", trainer, trainer._compute_loss(trainer.model, batch))


def run_dpo() -> None:
    # The space keeps the last word of the prompt and the first of the answer apart.
    rows = Dataset.from_dict(
        {key: [text(pair[key]) + " " for pair in PAIRS] for key in ("prompt", "chosen", "rejected")}
    )
    cases: dict[str, dict[str, Any]] = {
        "sigmoid": {"beta": 0.4}, "sigmoid_norm": {"beta": 0.4}, "hinge": {"beta": 0.4}, "ipo": {"beta": 0.4},
        "sppo_hard": {"beta": 0.5},
    }  # fmt: skip
    for case, settings in cases.items():
        trainer = DPOTrainer(
            model=model(), ref_model=model("reference"), args=DPOConfig(**COMMON, loss_type=[case], **settings),
            train_dataset=rows, processing_class=tokenizer(),
        )  # fmt: skip
        trainer.model.train()
        batch = trainer.data_collator(
            [{"prompt_ids": p["prompt"], "chosen_ids": p["chosen"], "rejected_ids": p["rejected"]} for p in PAIRS]
        )
        keep(case, trainer, trainer._compute_loss(trainer.model, batch, return_outputs=False))
        for name in ("accuracies", "chosen", "rejected", "margins"):
            FOUND[f"metric/{case}/{name}"] = torch.tensor(trainer._metrics["train"][f"rewards/{name}"][-1])


def run_sft() -> None:
    width = max(len(sample["prompt"] + sample["completion"]) for sample in SAMPLES)
    rows = [sample["prompt"] + sample["completion"] for sample in SAMPLES]
    labels = [
        [-100] * len(s["prompt"]) + [t if ours else -100 for t, ours in zip(s["completion"], s["trained"], strict=True)]
        for s in SAMPLES
    ]
    trainer = SFTTrainer(
        model=model(), args=SFTConfig(**COMMON), train_dataset=Dataset.from_dict({"text": [text(rows[0])]}),
        processing_class=tokenizer(),
    )  # fmt: skip
    trainer.model.train()
    batch = {
        "input_ids": torch.tensor([row + [PAD] * (width - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
        "labels": torch.tensor([row + [-100] * (width - len(row)) for row in labels]),
    }
    keep("sft", trainer, trainer.compute_loss(trainer.model, batch))


RUNS: list[Callable[[], None]] = [run_grpo, run_rloo, run_dpo, run_sft]

if __name__ == "__main__":
    torch.set_num_threads(1)
    for run in RUNS:
        run()
    save_file({name: value.contiguous() for name, value in FOUND.items()}, FOLDER / "trl.safetensors")
