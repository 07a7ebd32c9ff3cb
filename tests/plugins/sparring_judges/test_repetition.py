"""BLEU against values of nltk 3.10.4 (`sentence_bleu`, method 1), clusters against scipy's, the penalty against R-Zero's rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring_judges.repetition import Repetition, RepetitionParams, average_linkage, bleu_distances, cluster_shares


def bleu(hypothesis: str, reference: str) -> float:
    return 1 - float(bleu_distances([hypothesis.split(), reference.split()])[0, 1])


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 1.0),
        ("7", "7", 0.1778279410038923),
        ("3 + 4", "3 + 4", 0.5623413251903491),
        ("the cat sat on the mat", "the cat is on the mat", 0.25406637407730737),
        ("the the the the", "the cat", 0.08034284189446518),
        ("a b", "a b c d", 0.11633369384516798),
        ("a b c d e f", "x y z", 0),
        ("a b c d e f g", "a b c d", 0.41113361690051975),
        ("find x if 2 x = 4", "find y if 3 y = 9 and y > 0", 0.024549475440235117),
    ],
)
def test_bleu_is_that_of_nltk(hypothesis: str, reference: str, expected: float) -> None:
    assert bleu(hypothesis, reference) == pytest.approx(expected, abs=1e-9)


def test_equal_texts_are_one_cluster_even_when_short() -> None:
    assert cluster_shares(["3 + 4"] * 5, RepetitionParams()) == [1.0] * 5
    assert cluster_shares(["7", "7", "8", ""], RepetitionParams(tokens="characters")) == [0.5, 0.5, 0.25, 0.25]


def test_identical_proposals_earn_at_most_minus_a_half_in_r_zeros_repository() -> None:
    penalties = [v.values[0] for v in Repetition(RepetitionParams()).judge([{"text": "what is 3 + 4 ?"}] * 8)]
    assert penalties == [1.0] * 8
    assert max(min(p, 1 - p) - penalties[0] for p in (0, 0.1, 0.5, 1)) == -0.5


def test_shares_are_cluster_sizes_over_the_step() -> None:
    texts = ["a b c d e f", "a b c d e g", "u v w x y z", "a b c d e f"]
    assert cluster_shares(texts, RepetitionParams()) == [0.75, 0.75, 0.25, 0.75]
    verdicts = Repetition(RepetitionParams(weight=2)).judge([{"text": text} for text in texts])
    assert [v.values for v in verdicts] == [(1.5,), (1.5,), (0.5,), (1.5,)]


def test_it_is_asked_for_the_whole_step() -> None:
    assert Repetition.scope == "step"


@settings(deadline=None)
@given(st.integers(1, 14), st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_clusters_are_those_of_scipy(count: int, seed: int, threshold: float) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    distance = pytest.importorskip("scipy.spatial.distance")
    random = np.random.default_rng(seed)
    half = np.triu(random.random((count, count)), 1)
    distances = half + half.T
    weights = [int(w) for w in random.integers(1, 4, count)]
    mine = {frozenset(members) for members in average_linkage(distances, weights, threshold)}
    # scipy knows no weights: each point stands there as often as it weighs, at distance 0 from itself.
    points = [i for i, weight in enumerate(weights) for _ in range(weight)]
    if len(points) == 1:
        assert mine == {frozenset([0])}
        return
    whole = distances[np.ix_(points, points)]
    tree = hierarchy.linkage(distance.squareform(whole, checks=False), "average")
    labels = hierarchy.fcluster(tree, np.nextafter(threshold, 0), criterion="distance")
    theirs: dict[int, set[int]] = {}
    for point, label in zip(points, labels, strict=True):
        theirs.setdefault(int(label), set()).add(point)
    assert mine == {frozenset(group) for group in theirs.values()}
