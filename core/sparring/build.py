"""What record builders share: from the turns of a row to its tokens and the places of trained ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sparring.records import Episode, Row, Span, Turn


def spans_at(row: Row, turn: Turn) -> Iterable[tuple[int, Span]]:
    """The spans of a turn with the place in its row at which each begins.

    Proves that the row still holds the tokens that the generator returned: rows only grow, so a difference means that
    something rewrote one.
    """
    at = turn.start
    for span in turn.spans:
        if row.tokens[at : at + len(span.tokens)] != span.tokens:
            raise AssertionError(f"the row of {turn.role} no longer holds what was sampled at token {at}")
        yield at, span
        at += len(span.tokens)


def answer_positions(row: Row, turns: Iterable[Turn], kinds: Sequence[str] = ("sampled",)) -> list[int]:
    """Places in a row of the tokens of ``turns`` whose spans are of ``kinds``, in order."""
    return [
        at + i
        for turn in turns
        for at, span in spans_at(row, turn)
        if span.kind in kinds
        for i in range(len(span.tokens))
    ]


def row_of(episode: Episode, turns: Sequence[Turn]) -> Row | None:
    """The row in which all ``turns`` stand; None if their context was rewritten between them."""
    rows = {turn.row for turn in turns}
    return episode.rows[rows.pop()] if len(rows) == 1 else None
