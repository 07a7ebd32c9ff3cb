"""The judge `repetition`: what share of a step's texts is like this one. R-Zero's penalty (Huang et al. 2025, arXiv:2508.05004).

Texts are clustered by ``1 - BLEU`` with average linkage, merging while clusters are nearer than a threshold; a text's value is
its cluster's share of all texts, ``|C| / B``. As in R-Zero's repository (5699329) BLEU is that of single sentences with
smoothing method 1 (Chen and Cherry 2014), the earlier text being the hypothesis and the later one the reference. Ours differs
in one thing: equal texts have distance 0 even if they are shorter than four tokens, where smoothed BLEU stays below 1.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from sparring import Params, Verdict

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

ORDERS = 4  # n-grams of 1 to 4 tokens, equally weighted
EPSILON = 0.1  # smoothing method 1: in place of a count of 0


class RepetitionParams(Params):
    threshold: float = Field(0.5, gt=0, le=1, description="Clusters nearer than this are one; distances are 1 - BLEU.")
    tokens: Literal["words", "characters"] = Field(
        "words",
        description="What n-grams are made of: words between spaces (R-Zero), or characters, for short formulas.",
    )
    weight: float = Field(1.0, gt=0, description="Multiplies the share (R-Zero's λ).")


class Repetition:
    """The share of the step's texts that are in the same cluster, by BLEU."""

    scope = "step"

    def __init__(self, params: RepetitionParams) -> None:
        self.params = params

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``text``. A verdict has one value, positive: the penalty, to be subtracted."""
        shares = cluster_shares([str(item["text"]) for item in items], self.params)
        return [Verdict((self.params.weight * share,)) for share in shares]


def cluster_shares(texts: Sequence[str], params: RepetitionParams) -> list[float]:
    """For each text the size of its cluster over the number of texts."""
    counts = Counter(texts)
    distinct = list(counts)  # in the order of their first occurrence, which decides who is the hypothesis
    split = [text.split() if params.tokens == "words" else list(text) for text in distinct]
    weights = [counts[text] for text in distinct]
    share: dict[str, float] = {}
    for members in average_linkage(bleu_distances(split), weights, params.threshold):
        size = sum(weights[i] for i in members)
        share |= {distinct[i]: size / len(texts) for i in members}
    return [share[text] for text in texts]


def bleu_distances(texts: Sequence[Sequence[str]]) -> Matrix:
    """``1 - BLEU`` of every pair, the earlier text as hypothesis: symmetric, zeros on the diagonal.

    BLEU is ``exp(mean_n log p_n)`` times the brevity penalty, p_n the clipped precision of n-grams, n = 1 to 4; 0 if no
    token agrees.
    """
    import numpy as np

    count = len(texts)
    log_precision = np.zeros((count, count))
    nothing = np.zeros((count, count), dtype=bool)
    for order in range(1, ORDERS + 1):
        shared = _shared_ngrams(texts, order)
        if order == 1:
            nothing = shared == 0
        total = np.array([max(1, len(text) - order + 1) for text in texts], dtype=float)[:, None]
        log_precision += np.log(np.where(shared == 0, EPSILON, shared) / total) / ORDERS
    length = np.array([max(1, len(text)) for text in texts], dtype=float)
    brevity = np.minimum(0.0, 1 - length[None, :] / length[:, None])  # rows are hypotheses, columns references
    bleu = np.where(nothing, 0.0, np.exp(log_precision + brevity))
    upper = np.triu(1 - bleu, 1)
    distances: Matrix = upper + upper.T
    return distances


def _shared_ngrams(texts: Sequence[Sequence[str]], order: int) -> Matrix:
    """For each pair the number of n-grams they have in common, each at most as often as the one with fewer of it."""
    import numpy as np

    holders: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(texts):
        ngrams = Counter(tuple(text[i : i + order]) for i in range(len(text) - order + 1))
        for ngram, times in ngrams.items():
            holders[ngram].append((number, times))
    shared = np.zeros((len(texts), len(texts)))
    for held in holders.values():
        table = np.array(held)
        who, often = table[:, 0], table[:, 1]
        shared[np.ix_(who, who)] += np.minimum(often[:, None], often[None, :])
    return shared


def average_linkage(distances: Matrix, weights: Sequence[int], threshold: float) -> list[list[int]]:
    """Clusters of points, ``weights`` of them at each place: merged while the nearest two are nearer than ``threshold``.

    The distance of two clusters is the mean over their pairs of points (UPGMA). Chains of nearest neighbours find the same
    merges as always merging the nearest two, since a merge never brings a cluster nearer to a third one than its parts were.
    """
    import numpy as np

    between = distances.copy()
    np.fill_diagonal(between, math.inf)
    size = np.array(weights, dtype=float)
    members = [[i] for i in range(len(weights))]
    open_ = list(range(len(weights)))
    chain: list[int] = []
    while open_ or chain:
        if not chain:
            chain.append(open_.pop(0))
        last = chain[-1]
        near = int(np.argmin(between[last]))
        if len(chain) > 1 and between[last, chain[-2]] == between[last, near]:
            near = chain[-2]
        if not between[last, near] < threshold:
            chain.pop()  # nothing will ever come near enough
            between[last, :] = between[:, last] = math.inf
            continue
        if len(chain) == 1 or near != chain[-2]:
            chain.append(near)
            open_.remove(near)
            continue
        chain = chain[:-2]
        mean = (size[last] * between[last] + size[near] * between[near]) / (size[last] + size[near])
        mean[last] = mean[near] = math.inf
        between[near, :] = between[:, near] = math.inf
        between[last, :] = between[:, last] = mean
        size[last] += size[near]
        members[last] += members[near]
        members[near] = []
        open_.insert(0, last)
    return [sorted(group) for group in members if group]
