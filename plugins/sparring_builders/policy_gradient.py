"""The builder `policy_gradient`: one row per player per episode, with several trained spans."""

from __future__ import annotations

from collections.abc import Sequence

from sparring import Episode, Params, PolicyGradientRecord
from sparring.build import spans_at


class PolicyGradientRowsParams(Params):
    pass


class PolicyGradientRows:
    """Every row with trained turns; each sampled token has its turn's advantage."""

    def __init__(self, params: PolicyGradientRowsParams) -> None:
        del params  # there are none

    def build(self, episodes: Sequence[Episode]) -> list[PolicyGradientRecord]:
        records = []
        for episode in episodes:
            for row in episode.rows:
                trained = [turn for turn in row.turns if turn.trained]
                if not trained:
                    continue
                first = trained[0]
                record = PolicyGradientRecord(
                    first.holder, first.version, [], [], [], [], [], len(trained), episode.number, first.labels
                )
                for number, turn in enumerate(trained):
                    for at, span in spans_at(row, turn):
                        if span.kind == "sampled":
                            count = len(span.tokens)
                            record.positions.extend(range(at, at + count))
                            record.logprobs.extend(span.logprobs)
                            record.advantages.extend([turn.advantage] * count)
                            record.turns.extend([number] * count)
                # What follows the last trained token influences nothing.
                record.tokens = row.tokens[: record.positions[-1] + 1]
                records.append(record)
        return records
