"""Typed seeds come in the quotas that were asked for, and everything said without strategy is in the game's words."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sparring import SeededChance, SparringError
from sparring_tasks.guarded_word import GuardedWord, GuardedWordParams
from sparring_tasks.quota import typed
from sparring_tasks.typed_seeds import TypedSeeds, TypedSeedsParams


@given(st.integers(0, 60), st.integers(0, 10).map(lambda tenths: tenths / 10), st.integers(0, 5), st.booleans())
def test_exactly_the_share_of_seeds_is_generated(n: int, share: float, seed: int, harmful: bool) -> None:
    seeds = typed([f"seed {i}" for i in range(n)], harmful=harmful, generated=share, seed=seed)
    assert [task.prompt for task in seeds] == [f"seed {i}" for i in range(n)]
    count = sum(bool(task.facts["generated"]) for task in seeds)
    assert abs(count - share * n) <= 0.5
    assert all(task.facts["harmful"] is harmful for task in seeds)


def test_half_of_an_odd_number_is_rounded_up_and_the_seed_decides_which() -> None:
    texts = [f"seed {i}" for i in range(9)]
    chosen = [
        frozenset(t.prompt for t in typed(texts, harmful=True, generated=0.5, seed=seed) if t.facts["generated"])
        for seed in (0, 0, 1, 2)
    ]
    assert {len(found) for found in chosen} == {5}
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1


def test_every_word_is_asked_for_in_both_types_equally_often() -> None:
    seeds = GuardedWord(GuardedWordParams()).seeds()
    found = Counter((task.prompt.split()[1], task.facts["seed_type"]) for task in seeds)
    words = GuardedWordParams()
    expected = {(w, f"{kind}_harmful"): 2 for w in words.guarded for kind in ("vanilla", "generated")}
    expected |= {(w, f"{kind}_benign"): 2 for w in words.open for kind in ("vanilla", "generated")}
    assert found == expected


def test_draws_have_the_four_types_in_their_shares() -> None:
    source = GuardedWord(GuardedWordParams(harmful=0.25, generated=0.75))
    found = Counter(source.draw(SeededChance(i)).facts["seed_type"] for i in range(4000))
    for name, share in {
        "vanilla_harmful": 1 / 16, "generated_harmful": 3 / 16, "vanilla_benign": 3 / 16, "generated_benign": 9 / 16,
    }.items():  # fmt: skip
        assert found[name] / 4000 == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)


@pytest.mark.parametrize(("harmful", "kind"), [(1.0, True), (0.0, False)])
def test_one_kind_alone(harmful: float, kind: bool) -> None:
    source = GuardedWord(GuardedWordParams(harmful=harmful))
    assert all(source.draw(SeededChance(i)).facts["harmful"] is kind for i in range(50))


def test_equal_chances_draw_equal_seeds() -> None:
    source = GuardedWord(GuardedWordParams())
    assert [source.draw(SeededChance(i)) for i in range(30)] == [source.draw(SeededChance(i)) for i in range(30)]


def test_rehearsal_knows_the_words_and_nothing_else() -> None:
    """Its attacks ask for every word in every spelling and manner; its replies say the word asked for, or refuse."""
    p = GuardedWordParams()
    source = GuardedWord(p)
    said = [source.rehearse(SeededChance(i)) for i in range(6000)]
    words = [*p.guarded, *p.open]
    assert {attack for attack, _ in said} == {f"{m} {s}" for m in p.manners for w in words for s in (w, w[::-1])}
    for attack, reply in said:
        word = attack.split()[1]
        assert reply in (word, word[::-1], "no")
        assert reply in (*words, "no")
    # Guarded words are served as often as open ones: there is no strategy in it.
    for chosen in (p.guarded, p.open):
        mine = [reply != "no" for attack, reply in said if {attack.split()[1], attack.split()[1][::-1]} & set(chosen)]
        assert sum(mine) / len(mine) == pytest.approx(p.obliging, abs=0.02)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"guarded": ["moss", "noon"]}, "'noon' is the same backwards"),
        ({"guarded": ["moss"], "open": ["ssom"]}, "two meanings"),
        ({"guarded": ["say"]}, "'say'.* two meanings"),
        ({"guarded": ["on"]}, "'no'.* two meanings"),
        ({"guarded": ["moss", "moss"]}, "given twice"),
        ({"guarded": ["Moss"]}, "pattern"),
        ({"guarded": []}, "at least 1"),
    ],
)
def test_words_that_could_be_confused_are_refused(given_: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GuardedWordParams(**given_)  # type: ignore[arg-type]


# ---- from files ------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> TypedSeedsParams:
    (folder / "harmful.txt").write_text("\n".join(f"h{i}" for i in range(6)) + "\n\n", encoding="utf-8")
    (folder / "benign.txt").write_text("\n".join(f"b{i}" for i in range(4)), encoding="utf-8")
    return TypedSeedsParams(harmful_file=str(folder / "harmful.txt"), benign_file=str(folder / "benign.txt"))


def test_files_are_typed_by_quota(tmp_path: Path) -> None:
    source = TypedSeeds(_files(tmp_path))
    assert Counter(task.facts["seed_type"] for task in source.seeds()) == {
        "vanilla_harmful": 3, "generated_harmful": 3, "vanilla_benign": 2, "generated_benign": 2,
    }  # fmt: skip
    assert source.draw(SeededChance(1)) in source.seeds()
    limited = TypedSeeds(_files(tmp_path).model_copy(update={"limit": 2}))
    assert [task.prompt for task in limited.seeds()] == ["h0", "h1", "b0", "b1"]


def test_a_missing_and_an_empty_file_say_so_when_they_are_needed(tmp_path: Path) -> None:
    params = _files(tmp_path)
    source = TypedSeeds(params.model_copy(update={"harmful_file": str(tmp_path / "none.txt")}))
    with pytest.raises(SparringError, match=r"none\.txt cannot be read: No such file"):
        source.draw(SeededChance(0))
    (tmp_path / "benign.txt").write_text("\n \n")
    with pytest.raises(SparringError, match="has no seeds"):
        TypedSeeds(params).draw(SeededChance(0))
