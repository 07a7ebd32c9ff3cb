"""Folders, runs and checkpoints load; what cannot be loaded says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from sparring import ModelContext
from sparring.chat import ChatFormat
from sparring.errors import ModelError
from sparring_models.params import PretrainedParams, TinyParams
from sparring_models.pretrained import PLAIN_TEMPLATE, Pretrained
from sparring_models.tiny import Tiny

CONTEXT = ModelContext(0, lambda n: [[("user", "Heads or tails?"), ("assistant", "heads")]] * n)


def load(path: Path | str, **given: str):  # type: ignore[no-untyped-def]  # LoadedModel
    return Pretrained(PretrainedParams(path=str(path), **given)).load(CONTEXT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    tiny = Tiny(TinyParams(hidden=32, layers=1, heads=1, kv_heads=1, warmup_examples=2, warmup_steps=1)).load(CONTEXT)
    tiny.model.save_pretrained(made)
    tiny.tokenizer.save_pretrained(made)
    return made


def test_a_folder_loads_in_fp32_with_its_template(folder: Path) -> None:
    before = torch.random.get_rng_state()
    loaded = load(folder)
    assert torch.equal(before, torch.random.get_rng_state())
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert not loaded.model.training
    chat = ChatFormat(loaded.tokenizer)
    assert loaded.tokenizer.decode(chat.open([("user", "Hi")])) == "<|user|>Hi<|end|><|assistant|>"
    assert Pretrained(PretrainedParams(path=str(folder))).where() == str(folder)


def test_a_run_gives_the_policy_of_its_newest_checkpoint(folder: Path, tmp_path: Path) -> None:
    for step in (9, 10):
        shutil.copytree(folder, tmp_path / "checkpoints" / f"step-{step}" / "policies" / "main")
    (tmp_path / "checkpoints" / "step-11.partial").mkdir()
    newest = tmp_path / "checkpoints" / "step-10"
    for given in (tmp_path, newest):
        assert Pretrained(PretrainedParams(path=str(given))).where() == str(newest / "policies" / "main")
        load(given)
    with pytest.raises(ModelError, match=r"has no policy 'judge'; it has main"):
        load(tmp_path, policy="judge")


def test_without_a_template_there_is_a_plain_one(folder: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    loaded = load(bare)
    assert loaded.tokenizer.chat_template == PLAIN_TEMPLATE
    chat = ChatFormat(loaded.tokenizer)
    tokens = [*chat.open([("system", "Play."), ("user", "Hi")]), *chat.answer("Ho"), *chat.follow("Hm", True)]
    assert loaded.tokenizer.decode(tokens) == "Play.\nUser:\nHi\nAssistant:\nHo<|end|>\nUser:\nHm\nAssistant:\n"


def test_what_is_not_there_says_what_to_give(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"no model folder .*; give a folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"no config.json and no Sparring checkpoint"):
        load(tmp_path)
    assert "no config.json" in Pretrained(PretrainedParams(path=str(tmp_path))).where()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"the model nobody/nothing cannot be loaded: [^\n]*\n  give a folder"):
        load("nobody/nothing")


def test_pickles_and_torn_files_are_refused(folder: Path, tmp_path: Path) -> None:
    pickled = Path(shutil.copytree(folder, tmp_path / "pickled"))
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load(pickled)

    from safetensors.torch import load_file, save_file

    torn = Path(shutil.copytree(folder, tmp_path / "torn"))
    weights = load_file(torn / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, torn / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"is not whole: 1 missing keys, such as model\.norm\.weight"):
        load(torn)
