"""OpenRLHF's answer to a problem. Run by its own interpreter: ``run_openrlhf.py FOLDER`` reads the problem there and writes the answer.

Advantages come out of ``RemoteExperienceMaker.compute_advantages_and_returns``, losses out of ``ActorPPOTrainer.training_step``,
``DPOTrainer.concatenated_forward`` with ``DPOLoss``, and ``SFTLoss``, all on ``Actor``. What OpenRLHF imports for GPUs and clusters is
not installed: names from there are empty, and anything that called one would fail.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")

import peft  # noqa: F401  # before the names below are empty, since it looks for some of them
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

NOT_INSTALLED = {"PIL", "aiohttp", "deepspeed", "flash_attn", "pylatexenc", "ray", "torchdata", "vllm"}
importing = True


class Empty(type):
    """A name of a package that is not there. It can be imported, and decorate or be an annotation of what is never used."""

    def __getattr__(cls, name: str) -> Empty:
        if name.startswith("__"):
            raise AttributeError(name)
        return Empty(name, (), {})

    def __call__(cls, *args: Any, **_: Any) -> Any:
        if not importing:
            raise RuntimeError(f"{cls.__name__} is called, but its package is not installed here")
        return args[0] if args and callable(args[0]) else cls


class EmptyPackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        mine = importing and name.partition(".")[0] in NOT_INSTALLED
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if mine else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: getattr(Empty(spec.name, (), {}), name)  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


sys.meta_path.append(EmptyPackages())

from openrlhf.models import Actor, DPOLoss, PolicyLoss, SFTLoss
from openrlhf.models.utils import compute_approx_kl
from openrlhf.trainer.dpo_trainer import DPOTrainer
from openrlhf.trainer.ppo_utils.experience import Experience
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker
from openrlhf.trainer.ray.ppo_actor import ActorPPOTrainer

importing = False
FOLDER = Path(sys.argv[1])
PROBLEM = json.loads((FOLDER / "problem.json").read_text())
SAMPLES, PAIRS, PAD, GROUP = PROBLEM["samples"], PROBLEM["pairs"], PROBLEM["pad"], PROBLEM["group"]
FOUND: dict[str, torch.Tensor] = {}
Space = types.SimpleNamespace


def actor(name: str = "model") -> Actor:
    made = Actor(AutoModelForCausalLM.from_pretrained(FOLDER / name, dtype=torch.float32))
    made.packing_samples = False
    return made


def padded(rows: Sequence[Sequence[float]], fill: float, width: int) -> torch.Tensor:
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def keep(case: str, policy: Actor, loss: torch.Tensor) -> None:
    """The loss, and its gradients, which are there already."""
    FOUND[f"loss/{case}"] = loss.detach().clone()
    for name, parameter in policy.model.named_parameters():
        if parameter.grad is not None:
            FOUND[f"gradient/{case}/{name}"] = parameter.grad.clone()
    policy.zero_grad()


# ---- samples: advantages and policy losses ---------------------------------------------------------------------------

ROWS = [sample["prompt"] + sample["completion"] for sample in SAMPLES]
WIDTH = max(map(len, ROWS))
SEQUENCES = padded(ROWS, PAD, WIDTH).long()
ATTENTION = padded([[1] * len(row) for row in ROWS], 0, WIDTH).long()
# Place t is of token t + 1, so the first token has none.
ACTIONS = padded([[0] * (len(s["prompt"]) - 1) + [int(t) for t in s["trained"]] for s in SAMPLES], 0, WIDTH - 1).float()


def experience(**fields: torch.Tensor) -> Experience:
    return Experience(
        sequences=SEQUENCES, attention_mask=ATTENTION, action_mask=ACTIONS, index=list(range(len(SAMPLES))), info={},
        rewards=torch.tensor([sample["reward"] for sample in SAMPLES]), **fields,
    )  # fmt: skip


def run_advantages() -> None:
    cases = {name: (name, False) for name in ("group_norm", "dr_grpo", "rloo", "reinforce", "reinforce_baseline")} | {
        "reinforce_baseline_no_std": ("reinforce_baseline", True)
    }
    for case, (estimator, no_std) in cases.items():
        args = Space(
            algo=Space(advantage=Space(estimator=estimator, gamma=1.0, lambd=1.0, no_std_norm=no_std)),
            rollout=Space(n_samples_per_prompt=GROUP), reward=Space(clip_range=None),
        )  # fmt: skip
        maker = RemoteExperienceMaker(None, None, None, None, Space(value=0.0), Space(args=args), None)
        (made,) = maker.compute_advantages_and_returns([experience(kl=torch.zeros_like(ACTIONS))])
        first = ACTIONS.argmax(1)
        FOUND[f"advantages/{case}"] = made.advantages[torch.arange(len(SAMPLES)), first].float().clone()


def run_policy_losses() -> None:
    advantages = torch.tensor([sample["advantage"] for sample in SAMPLES])[:, None].expand_as(ACTIONS)
    old = torch.zeros_like(ACTIONS)
    for row, sample in enumerate(SAMPLES):
        old[row, ACTIONS[row].bool()] = torch.tensor(sample["old"])
    policy = actor()
    with torch.no_grad():
        reference = actor("reference")(SEQUENCES, ACTIONS, attention_mask=ATTENTION)
        FOUND["logprobs"] = policy(SEQUENCES, ACTIONS, attention_mask=ATTENTION)[ACTIONS.bool()].clone()
    clip: dict[str, Any] = {"clip_eps_low": 0.2, "clip_eps_high": 0.28}
    cases: dict[str, tuple[dict[str, Any], str | None]] = {
        "ppo_tokens": ({}, None),
        "ppo_sequences": ({"token_level_loss": False}, None),
        "ppo_dual": ({"dual_clip": 2.0}, None),
        "ppo_k2": ({}, "k2"),
        "ppo_k3": ({}, "k3"),
    }
    for case, (settings, kl) in cases.items():
        losses: list[torch.Tensor] = []

        def backward(loss: torch.Tensor, *_: Any, losses: list[torch.Tensor] = losses) -> None:
            loss.backward()
            losses.append(loss)

        trainer = object.__new__(ActorPPOTrainer)
        trainer.strategy = Space(
            ring_attn_group=None, backward=backward, optimizer_step=lambda *_, **__: None, get_grad_norm=lambda _: 0.0
        )
        trainer.args = Space(
            train=Space(dynamic_batch_enable=False), actor=Space(entropy_coef=None),
            algo=Space(kl=Space(use_loss=kl is not None, init_coef=0.3, estimator=kl, unbiased_gradient=False)),
        )  # fmt: skip
        trainer.actor, trainer.actor_optim, trainer.actor_scheduler = policy, None, Space(get_last_lr=lambda: [0.0])
        trainer.replay_buffer, trainer.ema_model, trainer.aux_loss = None, None, False
        trainer.actor_loss_fn = PolicyLoss(**clip, **settings)
        batch = experience(action_log_probs=old, advantages=advantages, base_action_log_probs=reference)
        trainer.training_step(batch, 0.3, 0)
        keep(case, policy, losses[0])
    far = compute_approx_kl(torch.tensor([-8.0]), torch.tensor([-1.0]), kl_estimator="k3")
    FOUND["kl_of_7_nats"] = far


# ---- pairs and demonstrations ----------------------------------------------------------------------------------------


def run_pairs() -> None:
    policy, reference = actor(), actor("reference")
    trainer = object.__new__(DPOTrainer)
    trainer.strategy, trainer.tokenizer = Space(ring_attn_group=None), Space(pad_token_id=PAD)
    batch: list[Any] = []
    for side in ("chosen", "rejected"):
        rows = [pair["prompt"] + pair[side] for pair in PAIRS]
        width = max(map(len, rows))
        batch += [padded(rows, PAD, width).long(), padded([[1] * len(row) for row in rows], 0, width).long()]
    prompts = [len(pair["prompt"]) for pair in PAIRS]
    cases: dict[str, dict[str, Any]] = {
        "dpo": {"beta": 0.4}, "cdpo": {"beta": 0.4, "label_smoothing": 0.1}, "ipo": {"beta": 0.4, "ipo": True},
    }  # fmt: skip
    for case, settings in cases.items():
        mine = trainer.concatenated_forward(policy, *batch, prompts)[:2]
        with torch.no_grad():
            theirs = trainer.concatenated_forward(reference, *batch, prompts)[:2]
        loss, chosen, rejected = DPOLoss(**settings)(*mine, *theirs)
        loss.backward()
        keep(case, policy, loss)
        FOUND[f"metric/{case}/chosen"], FOUND[f"metric/{case}/rejected"] = chosen.mean(), rejected.mean()
        FOUND[f"metric/{case}/accuracies"] = (chosen > rejected).float().mean()


def run_demonstrations() -> None:
    policy = actor()
    for case, by_token in {"sft_tokens": True, "sft_sequences": False}.items():
        logprobs = policy(SEQUENCES, attention_mask=ATTENTION, return_logprobs=True)
        loss = SFTLoss(token_level_loss=by_token)(logprobs, ACTIONS)
        loss.backward()
        keep(case, policy, loss)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for run in (run_advantages, run_policy_losses, run_pairs, run_demonstrations):
        run()
    save_file({name: value.contiguous() for name, value in FOUND.items()}, FOLDER / "openrlhf.safetensors")
