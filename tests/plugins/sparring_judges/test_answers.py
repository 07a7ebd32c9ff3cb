"""Who is right, by the reference or by the vote."""

import pytest

from sparring import SparringError, Task, Verdict
from sparring_judges.answers import ExactMatch, ExactMatchParams, MajorityVote, MajorityVoteParams, normal

TASK = Task("3+4", "7")


def vote(answers: list[str], **params: object) -> Verdict:
    return MajorityVote(MajorityVoteParams.model_validate(params)).judge([{"answers": answers}])[0]


@pytest.mark.parametrize("text", ["7", "07", " 7 ", "+7", "7.0", "7.", "14/2"])
def test_numbers_are_compared_as_numbers(text: str) -> None:
    assert normal(text) == "7"


@pytest.mark.parametrize("text", ["7 apples", "1/0", "nan", "7e0", "1_000", "9" * 100, ""])
def test_what_is_no_number_is_compared_as_text(text: str) -> None:
    assert normal(text) == text


def test_text_is_compared_without_case_and_spaces() -> None:
    assert normal("  Paris,\n France ", "text") == "paris, france"
    assert normal("07", "text") == "07"


def test_exact_match_pays_each_answer_and_tells_the_solve_rate() -> None:
    judge = ExactMatch(ExactMatchParams())
    (verdict,) = judge.judge([{"task": TASK, "answers": ["7", "8", "", "07"]}])
    assert verdict == Verdict((1.0, 0.0, 0.0, 1.0), "7", {"rate": 0.5})


def test_the_ladder_of_absolute_zero() -> None:
    judge = ExactMatch(ExactMatchParams(right=1, wrong=-0.5, missing=-1))
    (verdict,) = judge.judge([{"task": TASK, "answers": ["7", "8", ""]}])
    assert verdict.values == (1.0, -0.5, -1.0)
    assert verdict.detail["rate"] == pytest.approx(1 / 3)


def test_one_answer_may_be_given_alone() -> None:
    (verdict,) = ExactMatch(ExactMatchParams()).judge([{"task": TASK, "answer": "7"}])
    assert verdict.values == (1.0,)


def test_exact_match_needs_a_reference() -> None:
    with pytest.raises(SparringError, match="no reference answer; use majority_vote"):
        ExactMatch(ExactMatchParams()).judge([{"task": Task("3+4"), "answers": ["7"]}])


def test_the_vote_knows_no_reference_and_p_hat_may_be_one_where_p_is_zero() -> None:
    (verdict,) = MajorityVote(MajorityVoteParams()).judge([{"task": TASK, "answers": ["8", "8", "8"]}])
    assert verdict == Verdict((1.0, 1.0, 1.0), "8", {"rate": 1.0})


def test_empty_answers_are_in_the_denominator_or_not() -> None:
    answers = ["5", "5", "6", "", ""]
    assert vote(answers).detail["rate"] == pytest.approx(2 / 5)
    assert vote(answers, share_of="answered").detail["rate"] == pytest.approx(2 / 3)
    assert vote(answers).values == (1.0, 1.0, 0.0, 0.0, 0.0)


def test_ties_by_the_declared_rule() -> None:
    assert vote(["6", "5", "5", "6"]).label == "6"
    tied = vote(["6", "5", "5", "6"], ties="none")
    assert (tied.label, tied.values, tied.detail["rate"]) == ("", (0.0, 0.0, 0.0, 0.0), 0.5)


def test_no_answer_at_all() -> None:
    nothing = vote(["", ""], missing=-1)
    assert (nothing.label, nothing.values, nothing.detail["rate"]) == ("", (-1.0, -1.0), 0.0)


def test_an_earlier_vote_decides() -> None:
    (verdict,) = MajorityVote(MajorityVoteParams()).judge([{"answers": ["8", "8", "7"], "label": "7"}])
    assert verdict.values == (0.0, 0.0, 1.0)
