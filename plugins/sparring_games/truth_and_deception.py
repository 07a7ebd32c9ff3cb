"""Truth and deception: one player knows which of two statements is true, and talks the other into the wrong one.

The deceiver begins, then the two talk in turn; the guesser's last turn is its choice, ``fact 1`` or ``fact 2``. The true
one wins +1 for the guesser from the deceiver, the false one the reverse. Statements are made by templates and the seed
(see `sparring_games.facts`): those about numbers and dates a good guesser could work out, the coin it could not.

Source: the game of this name in TextArena, on which Liu et al. 2025 (SPIRAL), arXiv:2506.24119, evaluate; six turns as
there. Text, parser and statements are ours; TextArena reads its statements from a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.facts import MAKERS, TOPICS, Topic
from sparring_games.moves import bare, read_listed, require_movers
from sparring_games.speech import speech
from sparring_games.text_state import TextState

DECEIVER, GUESSER = 0, 1
CHOICES = ("fact 1", "fact 2")
_CHOICE = re.compile(r"(?:(?:i\s+)?(?:choose|pick|guess|say)\s+)?(?:fact\s*|number\s*)?#?([12])")
_TALK = ("fact 1 is true", "fact 2 is true", "fact 1 is false", "fact 2 is false", "believe me", "I am not sure")


class TruthAndDeceptionParams(Params):
    turns: int = Field(6, ge=2, multiple_of=2, description="Turns of both together; the last is the guesser's choice.")
    topics: Annotated[list[Topic], Field(min_length=1)] = Field(
        list(TOPICS), description="What statements are about, each topic equally often."
    )
    most_words: int = Field(100, ge=1, description="Longest message, in words.")


class TruthAndDeception:
    """Mislead the other about which of two statements is true."""

    def __init__(self, params: TruthAndDeceptionParams) -> None:
        self.params = params
        self.info = GameInfo(
            name="truth_and_deception", roles=("deceiver", "guesser"), utility="zero", bounds=(-1.0, 1.0),
            max_turns=params.turns,
        )  # fmt: skip

    def new_state(self, chance: Chance) -> TruthState:
        state = TruthState(self, chance)
        true, false = MAKERS[chance.pick(self.params.topics)](chance)
        state.begin(true, false, chance.pick((1, 2)))
        return state

    def restore(self, snapshot: str, chance: Chance) -> TruthState:
        return TruthState(self, chance).load(snapshot)


class TruthState(TextState[TruthAndDeception]):
    kept = ("facts", "true", "taken", "chosen")

    def __init__(self, game: TruthAndDeception, chance: Chance) -> None:
        super().__init__(game, chance)
        self.facts: list[str] = []
        self.true = 0  # 1 or 2
        self.taken = 0  # turns
        self.chosen = 0  # 1 or 2, or 0 before the choice

    def begin(self, true: str, false: str, number: int) -> None:
        """Set the statements, the true one as fact ``number``, and tell both the rules."""
        self.true = number
        self.facts = [true, false] if number == 1 else [false, true]
        goal = (
            f"Truth and deception, {self.game.params.turns} turns in all: the deceiver knows which fact is true, the guesser "
            "does not and chooses one in the last turn. The guesser wins with the true one, the deceiver with the false one."
        )
        rules = [goal, *(f"Fact {i}: {fact}." for i, fact in enumerate(self.facts, 1))]
        knows = f"You are the deceiver. Fact {number} is true; make the guesser choose the other."
        self.tell(DECEIVER, [*rules, knows, self._ask()])
        self.tell(GUESSER, [*rules, "You are the guesser."])

    def to_act(self) -> tuple[int, ...]:
        return () if self.chosen else (self.taken % 2,)

    def legal_actions(self, player: int) -> list[str] | None:
        if player not in self.to_act():
            return []
        return list(CHOICES) if self._choosing else None

    def sample_action(self, player: int, chance: Chance) -> str:
        """Something about the facts, true or not."""
        return chance.pick(_TALK)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        ((player, text),) = moves.items()
        move = _choice(text) if self._choosing else speech(text, self.game.params.most_words)
        if move.action is not None:
            self._take(player, move.action)
        return {player: move}

    def outcome(self) -> Outcome:
        won = 1 if self.chosen == self.true else -1
        return Outcome.of_returns((-won, won), f"the guesser chose the {'true' if won > 0 else 'false'} fact")

    @property
    def _choosing(self) -> bool:
        return self.taken == self.game.params.turns - 1

    def _take(self, player: int, action: str) -> None:
        other = 1 - player
        if self._choosing:
            self.chosen = CHOICES.index(action) + 1
            right = self.chosen == self.true
            end = f"Fact {self.true} is true."
            self.tell(GUESSER, [f"{end} You {'win' if right else 'lose'}."])
            self.tell(DECEIVER, [f"The guesser chooses fact {self.chosen}. {end} You {'lose' if right else 'win'}."])
        self.taken += 1
        if not self.chosen:
            self.tell(other, [f"{self.info.roles[player].capitalize()}: {action}", self._ask()])

    def _ask(self) -> str:
        turn = f"Turn {self.taken + 1} of {self.game.params.turns}."
        return f"{turn} Which fact is true? Say fact 1 or fact 2." if self._choosing else f"{turn} What do you say?"


def _choice(text: str) -> Move:
    found = _CHOICE.fullmatch(bare(text))
    return read_listed(f"fact {found[1]}" if found else text, CHOICES)
