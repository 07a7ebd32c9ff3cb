"""What an episode leaves behind: turns with their tokens, and the records that are trained on.

A `Turn` is one answer of one role. A `Trajectory` is all that one role did along one conversation; it is what
advantage estimators see. A record is one row of training data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SpanKind = Literal["sampled", "given", "tool"]
Finish = Literal["stop", "length"]


@dataclass(slots=True)
class Span:
    """Consecutive tokens of a turn with one origin.

    ``sampled`` tokens are what a policy sampled, with the sampler's log-probabilities (nats, one per token);
    ``given`` tokens were written for it (a player's move, a prefill); ``tool`` tokens are a tool's answer.
    """

    kind: SpanKind
    tokens: list[int]
    logprobs: list[float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Turn:
    """One answer of one role in one episode."""

    role: str
    holder: str  # the policy (`main`, `main@40`) or player that answered
    version: int  # training step of the policy's weights; -1 for a player
    row: int  # which of the episode's token rows it stands in
    start: int  # where it begins in that row, in tokens
    spans: list[Span]
    text: str  # as sampled, special tokens left out
    public: str  # what other roles may see
    private: str = ""  # thoughts
    finish: Finish = "stop"
    trained: bool = True
    labels: dict[str, str | int | float | bool] = field(default_factory=dict)
    rewards: dict[str, float] = field(default_factory=dict)  # named parts
    reward: float = 0.0  # the parts combined, set when the step is judged
    advantage: float = 0.0

    @property
    def tokens(self) -> int:
        """Number of tokens, of all spans."""
        return sum(len(span.tokens) for span in self.spans)


@dataclass(slots=True, eq=False)
class Trajectory:
    """The trained turns of one role along one conversation, in order, and the labels of the first.

    ``rows`` are the episode's: a turn was said after the tokens ``rows[turn.row].tokens[: turn.start]``.
    """

    episode: int
    role: str
    turns: list[Turn]
    rows: Sequence[Row] = ()

    @property
    def labels(self) -> Mapping[str, str | int | float | bool]:
        return self.turns[0].labels

    @property
    def total(self) -> float:
        """Undiscounted return."""
        return sum(turn.reward for turn in self.turns)


@dataclass(slots=True)
class Row:
    """An append-only sequence of tokens that one role saw and wrote, with the turns that stand in it."""

    tokens: list[int]
    turns: list[Turn] = field(default_factory=list)
    trajectory: int = 0  # rows of one role whose context was rewritten between turns share a trajectory


@dataclass(slots=True)
class Episode:
    """One finished episode. ``rows`` hold all tokens; every turn is in exactly one of them."""

    number: int  # counted over the whole run
    step: int
    entry: int  # which entry of `play:`
    game: str
    rows: list[Row]
    turns: list[Turn]  # in the order in which they were taken
    facts: dict[str, object] = field(default_factory=dict)  # outcome and whatever the scheme notes
    error: str = ""
    additions: list[tuple[str, Any]] = field(default_factory=list)  # to stores, until the step ends

    def trajectories(self) -> list[Trajectory]:
        """Trained turns by trajectory, in the order in which each began."""
        row_trajectory = [row.trajectory for row in self.rows]
        found: dict[tuple[int, str], Trajectory] = {}
        for turn in self.turns:
            if turn.trained:
                key = (row_trajectory[turn.row], turn.role)
                found.setdefault(key, Trajectory(self.number, turn.role, [], self.rows)).turns.append(turn)
        return list(found.values())


RecordKind = Literal["policy_gradient", "preference", "demonstration"]
TokenRow = tuple[list[int], list[int]]  # tokens, and the places of trained ones among them (never 0)


@dataclass(slots=True)
class PolicyGradientRecord:
    """One row whose sampled tokens are trained with an advantage each.

    ``positions`` are the places of trained tokens in ``tokens`` (never 0); ``logprobs`` (the sampler's),
    ``advantages`` and ``turns`` (which of the record's turns, from 0) have one value for each.
    """

    policy: str
    version: int
    tokens: list[int]
    positions: list[int]
    logprobs: list[float]
    advantages: list[float]
    turns: list[int]
    turn_count: int
    episode: int
    labels: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def rows(self) -> tuple[TokenRow, ...]:
        return ((self.tokens, self.positions),)


@dataclass(slots=True)
class PreferenceRecord:
    """Two rows of which the first is preferred; ``*_positions`` are the places of what each answer wrote.

    ``chosen_win`` and ``rejected_win`` are the probabilities that each wins against what it was compared with (the other
    one, or all answers to the same prompt); ``margin`` is how much better the first one scored, in reward units.
    """

    policy: str
    chosen: list[int]
    rejected: list[int]
    chosen_positions: list[int]
    rejected_positions: list[int]
    chosen_win: float = 1.0
    rejected_win: float = 0.0
    margin: float = 0.0
    episode: int = -1
    labels: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def rows(self) -> tuple[TokenRow, ...]:
        return ((self.chosen, self.chosen_positions), (self.rejected, self.rejected_positions))


@dataclass(slots=True)
class DemonstrationRecord:
    """One row whose tokens at ``positions`` are imitated."""

    policy: str
    tokens: list[int]
    positions: list[int]
    episode: int = -1
    labels: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def rows(self) -> tuple[TokenRow, ...]:
        return ((self.tokens, self.positions),)


Record = PolicyGradientRecord | PreferenceRecord | DemonstrationRecord
