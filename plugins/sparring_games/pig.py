"""Pig: roll the die as often as you dare; a one loses what the turn has brought.

In its turn a player rolls again and again. Every roll adds to the turn's total, which is kept on ``stop``; a one ends the
turn with nothing. Who has kept ``winscore`` points wins, and who could keep enough may only stop. After ``horizon`` moves
of both nobody has won. It is OpenSpiel's ``pig`` for two players.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import bare, one_of, read_moves
from sparring_games.text_state import TextState


class PigParams(Params):
    winscore: int = Field(100, ge=1, description="Points that win.")
    horizon: int = Field(1000, ge=1, description="Moves of both players after which nobody has won.")
    diceoutcomes: int = Field(6, ge=2, description="Faces of the die.")


class Pig:
    """Pig: roll the die as often as you dare; a one loses what the turn has brought."""

    def __init__(self, params: PigParams) -> None:
        self.params = params
        faces = {str(face): face - 1 for face in range(1, params.diceoutcomes + 1)}
        self.info = GameInfo(
            name="pig",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-1.0, 1.0),
            max_turns=params.horizon,
            perfect_information=True,
            twin=Twin(
                f"pig(winscore={params.winscore},horizon={params.horizon},diceoutcomes={params.diceoutcomes})",
                {"roll": 0, "stop": 1, **faces},
            ),
        )
        self.rules = (
            f"Pig: in your turn roll a die with {params.diceoutcomes} faces as often as you like; stop to keep the sum. A 1 "
            f"ends your turn with nothing. The first to keep {params.winscore} points wins; after {params.horizon} moves "
            "nobody does."
        )

    def new_state(self, chance: Chance) -> PigState:
        state = PigState(self, chance)
        state.tell(0, [self.rules, "You begin.", state.ask()])
        state.tell(1, [self.rules, "Your opponent begins."])
        return state

    def restore(self, snapshot: str, chance: Chance) -> PigState:
        return PigState(self, chance).load(snapshot)


class PigState(TextState[Pig]):
    kept = ("turn", "total", "scores", "moves")

    def __init__(self, game: Pig, chance: Chance) -> None:
        super().__init__(game, chance)
        self.turn = 0  # whose it is
        self.total = 0  # points of this turn, not yet kept
        self.scores = [0, 0]  # points kept
        self.moves = 0

    def to_act(self) -> tuple[int, ...]:
        params = self.game.params
        return () if self.moves == params.horizon or max(self.scores) >= params.winscore else (self.turn,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        enough = self.scores[player] + self.total >= self.game.params.winscore
        return ["stop"] if enough else ["roll", "stop"]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: bare(text) for player, text in moves.items()})
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        self.moves += 1
        if action == "roll":
            mine, theirs = self._roll(actor)
        else:
            self.scores[actor] += self.total
            mine = ""
            theirs = f"Your opponent stops and keeps {self.total}."
            self.turn, self.total = 1 - actor, 0
        for player, told in ((actor, mine), (1 - actor, theirs)):
            if not self.to_act():
                score = self.scores[player] - self.scores[1 - player]
                won = max(self.scores) >= self.game.params.winscore
                told += " You win." if won and score > 0 else " You lose." if won else " Nobody wins."
            lines = [told.strip(), self.ask() if player in self.to_act() else ""]
            if any(lines):
                self.tell(player, lines)
        return read

    def outcome(self) -> Outcome:
        reached = [score >= self.game.params.winscore for score in self.scores]
        returns = (reached[0] - reached[1], reached[1] - reached[0])
        return Outcome.of_returns(returns, f"points {self.scores[0]} to {self.scores[1]}")

    def ask(self) -> str:
        """The points, and what may be said."""
        player = self.turn
        points = f"Points: you {self.scores[player]}, opponent {self.scores[1 - player]}. This turn: {self.total}."
        return f"{points} Say {one_of(self.legal_actions(player))}."

    def _roll(self, actor: int) -> tuple[str, str]:
        """Roll the die, unless it was the last move; what the actor and what the other is told."""
        if self.moves == self.game.params.horizon:
            return "", "Your opponent rolls too late."
        face = self.chance.pick(range(1, self.game.params.diceoutcomes + 1))
        if face == 1:
            self.turn, self.total = 1 - actor, 0
            return "You roll 1 and lose the turn.", "Your opponent rolls 1 and loses the turn."
        self.total += face
        return f"You roll {face}.", f"Your opponent rolls {face}."
