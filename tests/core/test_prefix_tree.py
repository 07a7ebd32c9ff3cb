"""A forest holds every distinct prefix of a segment once, and paths lead back to the rows."""

import random

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparring.prefix_tree import batches, build_forest

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12)


@given(ROWS, st.integers(1, 20))
def test_paths_spell_the_rows_and_stay_within_one_segment(rows: list[list[int]], segment_tokens: int) -> None:
    forest = build_forest(rows, segment_tokens)
    for row, path in zip(rows, forest.paths, strict=True):
        assert [forest.tokens[node] for node in path] == row
        assert [forest.positions[node] for node in path] == list(range(len(row)))
        (segment,) = [s for s in forest.segments if s.start <= path[0] < s.start + len(s.parents)]
        parents = [segment.parents[node - segment.start] for node in path]
        assert parents == [-1, *(node - segment.start for node in path[:-1])]


@given(ROWS)
def test_a_node_sees_itself_and_its_ancestors_alone(rows: list[list[int]]) -> None:
    (segment,) = build_forest(rows, segment_tokens=None).segments
    expected = torch.zeros(len(segment.parents), len(segment.parents), dtype=torch.bool)
    for node in range(len(segment.parents)):
        seen = node
        while seen >= 0:
            expected[node, seen] = True
            seen = segment.parents[seen]
    assert torch.equal(segment.mask(torch.device("cpu")), expected)


def test_rows_that_share_little_have_segments_of_their_own() -> None:
    chance = random.Random(0)

    def rows(shared: int, own: int) -> list[list[int]]:
        return [[1] * shared + [chance.randrange(50) for _ in range(own)] for _ in range(8)]

    apart = build_forest(rows(3, 100)).segments
    assert len(apart) == 8
    assert all(segment.is_chain for segment in apart)
    assert len(build_forest(rows(100, 20)).segments) == 1
    assert len(build_forest(rows(3, 100), segment_tokens=None).segments) == 1


@given(ROWS)
def test_one_segment_has_one_node_for_each_distinct_prefix(rows: list[list[int]]) -> None:
    forest = build_forest(rows, segment_tokens=None)
    prefixes = {tuple(row[: n + 1]) for row in rows for n in range(len(row))}
    assert forest.size == len(prefixes)


@given(ROWS, st.integers(8, 30))
def test_batches_take_every_row_once_and_keep_the_budget(rows: list[list[int]], budget: int) -> None:
    groups = list(batches(rows, budget))
    assert sorted(number for group in groups for number in group) == list(range(len(rows)))
    for group in groups:
        assert build_forest([rows[r] for r in group], None).size <= budget
