"""The judges `exact_match` and `majority_vote`: several answers to one task, scored one by one.

With a reference, `exact_match` says which are right and their share: the solve rate p. Without one, `majority_vote` takes the
most frequent answer for right (TTRL, Zuo et al. 2025, arXiv:2504.16084; R-Zero, Huang et al. 2025, arXiv:2508.05004) and says how
frequent it was: the self-consistency p̂. The two differ: a task that nobody can solve has p = 0 and may have p̂ = 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from pydantic import Field

from sparring import Params, SparringError, Verdict

_LONGEST_NUMBER = 64  # characters; int() of a longer text is slow, and no answer is that long


class AnswerParams(Params):
    """What an answer earns, and when two are the same."""

    right: float = Field(1.0, description="For a right answer.")
    wrong: float = Field(0.0, description="For a wrong one (Absolute Zero: -0.5).")
    missing: float = Field(0.0, description="For none: no text where the answer should be (Absolute Zero: -1).")
    compare: Literal["number", "text"] = Field(
        "number",
        description="number: 7, 07, +7 and 7.0 are the same, and what is no number is compared as text. text: letter case and "
        "space around and between words aside.",
    )


class ExactMatchParams(AnswerParams):
    pass


class MajorityVoteParams(AnswerParams):
    ties: Literal["first", "none"] = Field(
        "first",
        description="When several answers are most frequent: the one given first is taken for right, or none is, and all are wrong.",
    )
    share_of: Literal["all", "answered"] = Field(
        "all",
        description="What the vote is a share of: all attempts (R-Zero's proposer reward), or those with an answer (its labelling).",
    )


class ExactMatch:
    """Is an answer the reference, numbers compared as numbers."""

    def __init__(self, params: ExactMatchParams) -> None:
        self.params = params

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``task`` and ``answers``, texts, empty for none; or ``answer``, one text.

        A verdict has a value for each, the reference as its label, and the solve rate as ``rate`` in its detail.
        """
        return [self._one(item) for item in items]

    def _one(self, item: Mapping[str, Any]) -> Verdict:
        task = item["task"]
        if task.answer is None:
            raise SparringError(
                f"exact_match: the task {task.prompt[:80]!r} has no reference answer; use majority_vote, or tasks that have one"
            )
        answers = _answers(item)
        return _verdict([normal(a, self.params.compare) for a in answers], task.answer, None, self.params)


class MajorityVote:
    """The most frequent of several answers is taken for right; its share is how sure that is."""

    def __init__(self, params: MajorityVoteParams) -> None:
        self.params = params

    def judge(self, items: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """Items have ``answers``, texts, empty for none, and may have ``label``, the result of an earlier vote.

        A verdict has a value for each answer, the answer that won as its label (empty if none did), and its share as
        ``rate`` in its detail. A reference is not looked at.
        """
        return [self._one(item) for item in items]

    def _one(self, item: Mapping[str, Any]) -> Verdict:
        answers = [normal(a, self.params.compare) for a in _answers(item)]
        counts = Counter(answer for answer in answers if answer)
        if item.get("label"):
            return _verdict(answers, item["label"], None, self.params)
        if not counts:
            return _verdict(answers, "", 0.0, self.params)
        most = max(counts.values())
        winners = [answer for answer, count in counts.items() if count == most]
        label = "" if len(winners) > 1 and self.params.ties == "none" else winners[0]
        of = len(answers) if self.params.share_of == "all" else sum(counts.values())
        return _verdict(answers, label, most / of, self.params)


def _answers(item: Mapping[str, Any]) -> Sequence[str]:
    answers: Sequence[str] = item["answers"] if "answers" in item else [item["answer"]]
    if not answers:
        raise SparringError("a judge of answers was asked about none")
    return answers


def _verdict(answers: Sequence[str], label: str, rate: float | None, params: AnswerParams) -> Verdict:
    """``answers`` are normal; a ``rate`` of None is the share that is right."""
    right = normal(label, params.compare)
    hits = [bool(answer) and answer == right for answer in answers]
    values = [
        params.right if hit else params.wrong if answer else params.missing
        for hit, answer in zip(hits, answers, strict=True)
    ]
    return Verdict(tuple(values), label, {"rate": sum(hits) / len(hits) if rate is None else rate})


def normal(answer: str, compare: str = "number") -> str:
    """``answer`` such that equal answers are equal texts."""
    text = " ".join(answer.split()).casefold()
    if compare == "text" or not text or len(text) > _LONGEST_NUMBER or "e" in text:
        return text
    try:
        # 1,000 and 1_000 are left as texts: which of them mean a thousand is a matter of language.
        return text if "_" in text else str(Fraction(text))
    except (ValueError, ZeroDivisionError):
        return text
