"""The language of sums: what is read, what is refused and why, and that nothing held out is ever drawn for training."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring import SeededChance, SparringError
from sparring_tasks.arithmetic import Arithmetic, ArithmeticParams, evaluate

WIDE = ArithmeticParams(largest=99, operations=(0, 4))
expressions = st.lists(st.integers(0, 99), min_size=1, max_size=5).flatmap(
    lambda numbers: st.lists(st.sampled_from("+-*"), min_size=len(numbers) - 1, max_size=len(numbers) - 1).map(
        lambda signs: "".join(f"{n}{s}" for n, s in zip(numbers, [*signs, ""], strict=True))
    )
)


@given(expressions)
def test_values_are_those_of_ordinary_arithmetic(text: str) -> None:
    found = evaluate(text, WIDE)
    # The strategy makes nothing but numbers and signs, so Python may check it.
    assert re.fullmatch(r"[0-9+*-]+", text)
    assert found.value == eval(text)
    assert found.operations == len(re.findall(r"[+*-]", text))
    assert evaluate(" " + text.replace("+", " + "), WIDE) == found


@given(st.text(alphabet="0123456789+-* x()", max_size=20) | st.text(max_size=40))
def test_any_text_is_read_as_numbers_and_signs_or_refused(text: str) -> None:
    found: list[str] = []
    with suppress(ValueError):
        found.append(evaluate(text, WIDE).text)
    assert all(re.fullmatch(r"[0-9]+([+*-][0-9]+)*", canonical) for canonical in found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its end where a number"),
        ("1+", "its end where a number"),
        ("-1", "'-' where a number"),
        ("1+x", "'x' where a number"),
        ("1/2", "'/' where an operator"),
        ("(1+2)", r"'\(' where a number"),
        ("1 2+3", "'1 2' with no operator"),
        ("007", "leading zeros"),
        ("100+1", "the largest allowed is 99"),
        ("9" * 11, "the largest allowed is 99"),
        ("1+1+1+1+1+1", "more than 4 operations"),
        ("9" * 5000, "5000 characters long"),
        ("__import__('os')", "'_' where a number"),
        ("1٣", "'٣' where an operator"),
    ],
)
def test_refusals_say_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        evaluate(text, WIDE)


def test_bounds_on_operators_operations_and_values() -> None:
    params = ArithmeticParams(largest=99, operators=["+", "*"], operations=(1, 2), largest_value=100)
    with pytest.raises(ValueError, match=r"operator '-'; allowed are \+ \*"):
        evaluate("3-2", params)
    with pytest.raises(ValueError, match="0 operations; 1 to 2"):
        evaluate("3", params)
    with pytest.raises(ValueError, match="value 9801; no part may be further from 0 than 100"):
        evaluate("99*99", params)
    assert evaluate("10*10", params).value == 100


def test_a_read_task_is_the_drawn_one() -> None:
    source = Arithmetic(ArithmeticParams(modulus=7))
    chance = SeededChance(1)
    for _ in range(50):
        task = source.draw(chance)
        assert source.read(source.statement(task)) == task
        statement = source.statement(task)
        assert task.prompt == f"modulo 7:\n{statement}"
        assert task.answer == str(evaluate(statement, source.params).value % 7)
        assert task.facts["difficulty"] == len(re.findall(r"[+*-]", statement))


def test_the_splits_are_disjoint_and_the_held_out_one_is_large() -> None:
    small = {"largest": 19, "operators": ["+"], "operations": (1, 2), "heldout": 0.25}
    train, heldout = (Arithmetic(ArithmeticParams(split=split, **small)) for split in ("train", "heldout"))  # type: ignore[arg-type]
    chance = SeededChance(2)
    drawn = {train.draw(chance).prompt for _ in range(20_000)}
    kept = {heldout.draw(chance).prompt for _ in range(20_000)}
    assert not drawn & kept
    assert len(kept) >= 1000
    assert 0.2 < len(kept) / (len(kept) + len(drawn)) < 0.3


def test_held_out_belongs_to_the_expression_and_not_to_how_it_is_written() -> None:
    source = Arithmetic(ArithmeticParams(split="heldout"))
    task = source.draw(SeededChance(3))
    spaced = " ".join(re.findall(r"[0-9]+|[+*-]", source.statement(task)))
    reader = Arithmetic(ArithmeticParams())
    assert reader.read(spaced).facts["held_out"] is True
    assert reader.read(spaced).prompt == task.prompt


def test_bounds_that_leave_nothing_are_said_so() -> None:
    source = Arithmetic(ArithmeticParams(largest=1, operators=["+"], operations=(0, 0), heldout=0.999))
    with pytest.raises(SparringError, match="no expression of the split 'train'"):
        source.draw(SeededChance(0))


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ({"operations": (3, 1)}, "got 3 and 1"),
        ({"operations": (0, 65)}, "from 0 to 64"),
        ({"operators": ["+", "+"]}, "given twice"),
        ({"split": "heldout", "heldout": 0}, "needs a share"),
    ],
)
def test_parameters_that_contradict_each_other(given_: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ArithmeticParams.model_validate(given_)
