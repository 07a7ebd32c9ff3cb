"""A social dilemma played again and again by the same two: prisoner's dilemma, stag hunt or chicken.

In each round both choose at once, are told the other's choice and get what the table says. After a round it may be over by
chance (``stop_probability``), which leaves no last round to reason back from; ``rounds`` are the most there are. Returns
are sums over the rounds, and who has more has won, though nobody is asked to win. The tables' numbers are those usual in
the literature: Axelrod 1984 for the prisoner's dilemma (temptation 5, reward 3, punishment 1, sucker 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import bare, one_of, read_moves
from sparring_games.text_state import TextState

Dilemma = Literal["prisoners_dilemma", "stag_hunt", "chicken"]
#: Choices, the trusting one first; and what a player gets by its own choice and the other's.
_TABLES: Mapping[str, tuple[tuple[str, str], tuple[tuple[int, int], tuple[int, int]]]] = {
    "prisoners_dilemma": (("cooperate", "defect"), ((3, 0), (5, 1))),
    "stag_hunt": (("stag", "hare"), ((4, 0), (3, 2))),
    "chicken": (("swerve", "straight"), ((3, 1), (5, 0))),
}


class RepeatedDilemmaParams(Params):
    dilemma: Dilemma = Field("prisoners_dilemma", description="Which table is played.")
    rounds: int = Field(10, ge=1, description="The most rounds.")
    stop_probability: float = Field(
        0.0, ge=0, lt=1, description="How likely it is over after a round; 0 plays all of them."
    )


class RepeatedDilemma:
    """A prisoner's dilemma, stag hunt or chicken, played again and again by the same two."""

    def __init__(self, params: RepeatedDilemmaParams) -> None:
        self.params = params
        self.choices, self.table = _TABLES[params.dilemma]
        most = max(max(row) for row in self.table) * params.rounds
        self.info = GameInfo(
            name="repeated_dilemma",
            roles=("player_0", "player_1"),
            utility="general",
            bounds=(0.0, float(most)),
            max_turns=2 * params.rounds,
            simultaneous=True,
            perfect_information=True,
            symmetric=True,
        )
        lines = [
            f"{mine}: "
            + "; ".join(f"{theirs} {self.amount(mine, theirs)}, {self.amount(theirs, mine)}" for theirs in self.choices)
            for mine in self.choices
        ]
        chance = params.stop_probability
        length = f"{'At most ' if chance else ''}{params.rounds} round{'s' if params.rounds > 1 else ''}"
        ends = f"; after each there is a chance of {chance:g} that it was the last" if chance else ""
        head = (
            f"{length}{ends}. In each both choose at once. Your choice: your opponent's choice and what you get, what your "
            "opponent gets. Your sum counts."
        )
        self.rules = "\n".join([head, *lines])

    def amount(self, mine: str, theirs: str) -> int:
        """What a player gets in a round."""
        return self.table[self.choices.index(mine)][self.choices.index(theirs)]

    def new_state(self, chance: Chance) -> DilemmaState:
        state = DilemmaState(self, chance)
        for player in range(2):
            state.tell(player, [self.rules, state.ask()])
        return state

    def restore(self, snapshot: str, chance: Chance) -> DilemmaState:
        return DilemmaState(self, chance).load(snapshot)


class DilemmaState(TextState[RepeatedDilemma]):
    kept = ("chosen", "over")

    def __init__(self, game: RepeatedDilemma, chance: Chance) -> None:
        super().__init__(game, chance)
        self.chosen: list[list[str]] = []  # by both players, in each round
        self.over = False

    def to_act(self) -> tuple[int, ...]:
        return () if self.over else (0, 1)

    def legal_actions(self, player: int) -> list[str]:
        return [] if self.over else list(self.game.choices)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: bare(text) for player, text in moves.items()})
        first, second = read[0].action, read[1].action
        if first is None or second is None:
            return read
        self.chosen.append([first, second])
        params = self.game.params
        self.over = len(self.chosen) == params.rounds
        if not self.over and params.stop_probability:
            p = params.stop_probability
            self.over = self.chance.pick(("go on", "stop"), (1 - p, p)) == "stop"
        for player, (mine, theirs) in enumerate(((first, second), (second, first))):
            told = f"Your opponent chose {theirs}. You get {self.game.amount(mine, theirs)}."
            self.tell(player, [told, f"It is over; you have {self._sum(player)}." if self.over else self.ask()])
        return read

    def outcome(self) -> Outcome:
        first, second = self._sum(0), self._sum(1)
        kinds = Outcome.of_returns((first - second, second - first)).kinds  # by who gets more: the table has no zero
        return Outcome((float(first), float(second)), kinds, reason=f"{len(self.chosen)} rounds, {first} to {second}")

    def ask(self) -> str:
        return f"Round {len(self.chosen) + 1}. Say {one_of(self.game.choices)}."

    def _sum(self, player: int) -> int:
        return sum(self.game.amount(pair[player], pair[1 - player]) for pair in self.chosen)
