"""From judged episodes to training records: one row per player per episode, with several trained spans."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.records import Episode, PolicyGradientRecord


def policy_gradient_records(episodes: Sequence[Episode]) -> list[PolicyGradientRecord]:
    """A record for each row that has trained turns, in episode order.

    Every record proves that the tokens at its positions are those the generator returned: rows only grow, so a
    difference means that something rewrote one.
    """
    records = []
    for episode in episodes:
        for row in episode.rows:
            trained = [turn for turn in row.turns if turn.trained]
            if not trained:
                continue
            record = PolicyGradientRecord(
                trained[0].holder,
                trained[0].version,
                [],
                [],
                [],
                [],
                [],
                len(trained),
                episode.number,
                trained[0].labels,
            )
            for number, turn in enumerate(trained):
                at = turn.start
                for span in turn.spans:
                    if row.tokens[at : at + len(span.tokens)] != span.tokens:
                        raise AssertionError(
                            f"episode {episode.number}: the row of {turn.role} no longer holds what was sampled at token {at}"
                        )
                    if span.kind == "sampled":
                        count = len(span.tokens)
                        record.positions.extend(range(at, at + count))
                        record.logprobs.extend(span.logprobs)
                        record.advantages.extend([turn.advantage] * count)
                        record.turns.extend([number] * count)
                    at += len(span.tokens)
            # What follows the last trained token influences nothing.
            record.tokens = row.tokens[: record.positions[-1] + 1]
            records.append(record)
    return records
