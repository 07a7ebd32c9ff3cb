"""The model `pretrained`: a folder, a hub name, or what a run has trained. No code of a model's is run, no pickle is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sparring import LoadedModel, ModelContext
from sparring.errors import ModelError
from sparring_models.kernels import with_kernels

if TYPE_CHECKING:
    from sparring_models.params import PretrainedParams

#: For tokenizers without a chat template: base models, which continue this as a dialogue.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User:\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant:\n' + message['content'] + eos_token + '\n' }}"
    "{% else %}{{ message['content'] + '\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
)
_STEP = re.compile(r"step-([0-9]+)")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class Pretrained:
    def __init__(self, params: PretrainedParams) -> None:
        self.params = params

    def load(self, context: ModelContext) -> LoadedModel:
        """Load in fp32. Raises `ModelError` if there is no such model, or it is not whole, or not in safetensors."""
        return with_kernels(load_pretrained(self._found()), self.params.kernels)

    def where(self) -> str:
        """Where it would be loaded from; never raises."""
        try:
            return self._found()
        except ModelError as error:
            return str(error)

    def _found(self) -> str:
        """The model's folder, or its hub name."""
        given = self.params.path
        path = Path(given).expanduser()
        if not path.is_dir():
            if _HUB_NAME.fullmatch(given) and not path.exists():
                return given
            raise ModelError(
                f"there is no model folder {given}; give a folder with config.json and safetensors, or a hub name like owner/name"
            )
        if (path / "config.json").is_file():
            return str(path)
        checkpoint = newest_checkpoint(path)
        policies = checkpoint / "policies"
        found = policies / self.params.policy
        if (found / "config.json").is_file():
            return str(found)
        known = sorted(p.parent.name for p in policies.glob("*/config.json"))
        if known:
            raise ModelError(
                f"{checkpoint} has no policy '{self.params.policy}'; it has {', '.join(known)}: set policy"
            )
        raise ModelError(
            f"{given} holds no config.json and no Sparring checkpoint; give a model's folder or that of a run with a checkpoint"
        )


def newest_checkpoint(folder: Path) -> Path:
    """The last ``checkpoints/step-N`` of a run folder; ``folder`` itself if it is no run with checkpoints."""
    steps = [(int(m[1]), p) for p in (folder / "checkpoints").glob("step-*") if (m := _STEP.fullmatch(p.name))]
    return max(steps)[1] if steps else folder


def load_pretrained(name: str) -> LoadedModel:
    """A model and its tokenizer from a folder or the hub, in fp32, on the CPU."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    remedy = "give a folder that holds config.json, tokenizer.json and model.safetensors, or a hub name that can be reached from here"
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        with torch.random.fork_rng(devices=[]):  # weights that a file lacks are drawn, if only to be refused below
            loaded: Any = AutoModelForCausalLM.from_pretrained(  # a pair, which its types do not say
                name, dtype=torch.float32, trust_remote_code=False, use_safetensors=True, output_loading_info=True
            )
            model, report = loaded
    except Exception as error:  # transformers and the hub's client raise many kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"the model {name} cannot be loaded: {reason[0]}\n  {remedy}") from error
    for problem in ("missing_keys", "mismatched_keys"):
        if report[problem]:
            raise ModelError(
                f"the model {name} is not whole: {len(report[problem])} {problem.replace('_', ' ')}, such as {min(report[problem])}"
            )
    bad = [part for part, weights in model.named_parameters() if not torch.isfinite(weights).all()]
    if bad:
        raise ModelError(f"the model {name} is not whole: {len(bad)} of its tensors are not finite, such as {bad[0]}")
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return LoadedModel(model.eval(), tokenizer)
