"""A guard made of real, if very small, classifiers: trained here to know a word, saved, and loaded from their folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sparring import SparringError
from sparring_judges.classifier import Classifier, ClassifierParams
from sparring_judges.failures import FAILED

WORDS = ["say", "moss", "lamp", "no", "please", "[unk]", "[pad]", "[sep]"]


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[unk]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [sep]", pair="$A [sep] $B:1 [sep]:1", special_tokens=[("[sep]", 7)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[unk]", pad_token="[pad]", sep_token="[sep]")


def _train(folder: Path, word: str, problem: str | None = None) -> str:
    """A classifier that says ``yes`` where ``word`` stands; another label is split off from ``no`` to have three."""
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = _tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, problem_type=problem,
                id2label={0: "no", 1: "yes", 2: "never"}, label2id={"no": 0, "yes": 1, "never": 2},
            )
        )  # fmt: skip
        texts = [f"{a} {b} {c}" for a in WORDS[:5] for b in WORDS[:5] for c in WORDS[:5]] + WORDS[:5]
        texts += [f"{a} {b}" for a in WORDS[:5] for b in WORDS[:5]]
        labels = torch.tensor([float(word in text.split()) for text in texts])
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        target = torch.stack([1 - labels, labels, torch.zeros_like(labels)], 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(80):
            logits = model(**batch).logits
            if problem:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
            else:
                loss = torch.nn.functional.cross_entropy(logits, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", name="folders")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    # transformers asks the hub for files that a folder lacks.
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    root = tmp_path_factory.mktemp("classifiers")
    yield {
        "moss": _train(root / "moss", "moss"),
        "no": _train(root / "no", "no", "multi_label_classification"),
    }
    if before is None:
        del os.environ["HF_HUB_OFFLINE"]
    else:
        os.environ["HF_HUB_OFFLINE"] = before


def guard(folders: dict[str, str], **params: Any) -> Classifier:
    questions = {
        "prompt_harmful": {"model": folders["moss"], "text": "{prompt}", "positive": ["yes"]},
        "refusal": {"model": folders["no"], "text": "{response}", "positive": ["yes", "never"]},
        "response_harmful": {"model": folders["moss"], "text": "{response}", "positive": ["yes", "never"]},
    }
    return Classifier(ClassifierParams(questions=questions, **params))


ITEMS = [
    {"prompt": prompt, "response": response}
    for prompt in ("say moss", "say lamp", "please say moss")
    for response in ("moss", "no", "lamp", "no moss")
]


def test_it_answers_a_guards_questions(folders: dict[str, str]) -> None:
    for item, verdict in zip(ITEMS, guard(folders).judge(ITEMS), strict=True):
        assert verdict.label == ""
        assert {name: verdict.detail[name] for name in ("prompt_harmful", "refusal", "response_harmful")} == {
            "prompt_harmful": float("moss" in item["prompt"]),
            "refusal": float("no" in item["response"]),
            "response_harmful": float("moss" in item["response"]),
        }
        assert all(0 <= verdict.detail[f"{name}_probability"] <= 1 for name in ("prompt_harmful", "refusal"))


def test_neither_order_nor_batches_matter(folders: dict[str, str]) -> None:
    whole = guard(folders).judge(ITEMS)
    turned = guard(folders, batch_size=5).judge(ITEMS[::-1])[::-1]
    for one, other in zip(whole, turned, strict=True):
        assert one.detail == pytest.approx(other.detail, abs=1e-5)


def test_the_threshold_decides(folders: dict[str, str]) -> None:
    question = {"model": folders["moss"], "text": "{prompt}", "positive": ["yes"]}
    item = {"prompt": "say lamp"}
    for factor, expected in ((0.999, 1.0), (1.001, 0.0)):
        judge = Classifier(ClassifierParams(questions={"prompt_harmful": question}))  # type: ignore[dict-item]
        probability = judge.judge([item])[0].detail["prompt_harmful_probability"]
        near = {**question, "threshold": probability * factor}
        judge = Classifier(ClassifierParams(questions={"prompt_harmful": near}))  # type: ignore[dict-item]
        assert judge.judge([item])[0].detail["prompt_harmful"] == expected


def test_a_probability_that_is_no_number_is_a_failure_and_never_a_verdict(folders: dict[str, str]) -> None:
    judge = guard(folders)
    judge.judge(ITEMS[:1])
    model, _ = judge._loaded[folders["no"]]
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    assert [verdict.label for verdict in judge.judge(ITEMS[:3])] == [FAILED] * 3
    assert judge.state_dict()["total"] == 3


def test_an_unknown_label_names_the_known_ones(folders: dict[str, str]) -> None:
    question = {"model": folders["moss"], "positive": ["toxic"]}
    judge = Classifier(ClassifierParams(questions={"prompt_harmful": question}))  # type: ignore[dict-item]
    with pytest.raises(SparringError, match="has no label 'toxic'; it has no, yes, never"):
        judge.judge(ITEMS[:1])


def test_a_folder_without_a_model_says_so(tmp_path: Path, folders: dict[str, str]) -> None:
    question = {"model": str(tmp_path), "positive": ["yes"]}
    judge = Classifier(ClassifierParams(questions={"prompt_harmful": question}))  # type: ignore[dict-item]
    with pytest.raises(SparringError, match="cannot be loaded"):
        judge.judge(ITEMS[:1])
