"""A forest holds every distinct prefix once, paths lead back to the rows, and blocks see what a row's token may see."""

from hypothesis import given
from hypothesis import strategies as st

from sparring.prefix_tree import batches, build_forest

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12)


@given(ROWS)
def test_paths_spell_the_rows_with_one_node_for_each_distinct_prefix(rows: list[list[int]]) -> None:
    forest = build_forest(rows)
    for row, path in zip(rows, forest.paths, strict=True):
        assert [forest.tokens[node] for node in path] == row
        assert [forest.positions[node] for node in path] == list(range(len(row)))
        assert [forest.parents[node] for node in path] == [-1, *path[:-1]]
    prefixes = {tuple(row[: n + 1]) for row in rows for n in range(len(row))}
    assert forest.size == len(prefixes)


@given(ROWS, st.integers(1, 20))
def test_in_its_block_a_node_sees_its_path_and_nothing_else(rows: list[list[int]], tokens: int) -> None:
    forest = build_forest(rows)
    blocks = list(forest.blocks(tokens))
    assert [node for block in blocks for node in range(block.start, block.end)] == list(range(forest.size))
    paths = {path[depth]: path[: depth + 1] for path in forest.paths for depth in range(len(path))}
    for block in blocks:
        assert 0 < block.end - block.start <= tokens
        columns = [*block.before, *range(block.start, block.end)]
        for node in range(block.start, block.end):
            if block.mask is None:
                assert paths[node] == list(range(block.start, node + 1))
            else:
                seen = block.mask[node - block.start].tolist()
                assert [column for column, visible in zip(columns, seen, strict=True) if visible] == paths[node]


@given(ROWS, st.integers(8, 30))
def test_batches_take_every_row_once_and_keep_the_budget(rows: list[list[int]], budget: int) -> None:
    groups = list(batches(rows, budget))
    assert sorted(number for group in groups for number in group) == list(range(len(rows)))
    for group in groups:
        assert build_forest([rows[r] for r in group]).size <= budget
