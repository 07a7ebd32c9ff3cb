"""What is private never shows in public text."""

from hypothesis import given
from hypothesis import strategies as st

from sparring.thoughts import CLOSE, OPEN, split

PIECES = st.lists(st.sampled_from([OPEN, CLOSE, "<th", "ink>", "a", "b", "\n", "<", "/think>"]), max_size=14).map(
    "".join
)


def test_an_unclosed_thought_is_private_to_the_end() -> None:
    assert split("bet<think>I hold the king") == ("bet", "I hold the king")


def test_thoughts_are_taken_out_wherever_they_stand() -> None:
    assert split("<think>x</think>check<think>y</think>") == ("check", "x\ny")


@given(PIECES)
def test_public_text_never_holds_a_tag(text: str) -> None:
    public, _ = split(text)
    assert OPEN not in public
    assert CLOSE not in public


@given(PIECES, PIECES)
def test_a_closed_thought_never_reaches_the_public_part(before: str, after: str) -> None:
    secret = "SECRET"
    public, private = split(f"{before}{OPEN}{secret}{CLOSE}{after}")
    assert secret not in public
    assert secret in private
