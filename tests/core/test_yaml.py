from __future__ import annotations

import pytest

from sparring.errors import RecipeError
from sparring_yaml import read_value, read_yaml


def test_every_value_has_its_line() -> None:
    data, lines = read_yaml("# first\na: 1\nb:\n  - {c: 2}\n  - d:\n      e: 3\n", "x.yaml")
    assert data == {"a": 1, "b": [{"c": 2}, {"d": {"e": 3}}]}
    assert lines[("a",)] == 2
    assert lines[("b",)] == 3
    assert lines[("b", 0, "c")] == 4
    assert lines[("b", 1, "d", "e")] == 6


def test_equal_keys_are_refused_with_both_lines_all_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        read_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", "x.yaml")
    assert str(caught.value).splitlines() == [
        "x.yaml:4: b.c: is given twice, in lines 3 and 4; remove one",
        "x.yaml:5: a: is given twice, in lines 1 and 5; remove one",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "x.yaml:2: is not valid YAML"),
        ("- 1\n", "x.yaml:1: needs to be a mapping of sections, 'key: value'; found a list"),
        ("word", "found 'word'"),
        ("", "found nothing"),
        ("on: 1\n", "x.yaml:1: keys are text; YAML reads 'on' as something else"),
        ("a: !!python/name:os.system\n", "x.yaml:1: is not valid YAML"),
        ("a: 2020-99-99\n", "is not valid YAML"),
    ],
)
def test_what_is_no_recipe_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, "x.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("[a, b]", ["a", "b"]), ("", None), ("{use: x}", {"use": "x"}), ("a b", "a b")]
)
def test_a_set_value_is_yaml(text: str, value: object) -> None:
    assert read_value(text, "k") == value


@pytest.mark.parametrize("text", ["[1", "{a: 1, a: 2}"])
def test_a_wrong_set_value_names_its_key(text: str) -> None:
    with pytest.raises(RecipeError, match="--set: train"):
        read_value(text, "train")
