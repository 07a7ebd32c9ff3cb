"""Adversarial taboo: the attacker knows a word and tries to have the defender say it unknowingly.

The two take turns, the attacker begins. What a turn of the defender decides, in this order: a claim, ``I know the word!
It is X``, wins for the defender if X is the word in any form and for the attacker if not; else the defender has lost if
it says the word. The attacker may not say the word in any form, nor make a claim: such a move is illegal. After ``turns``
turns of each nothing is decided and it is a draw. Who wins gets +1 from the other.

Source: Cheng et al. 2024 (SPAG), arXiv:2404.10642, and its repository (4abe36b), whose rules these are; text, parser and
words are ours. Two things to know. SPAG throws matches away in which the attacker broke the rules; here the scheme
decides what an illegal move costs, and ``judges: {outcome: {use: outcome, illegal_self: 0, illegal_other: 0}}`` makes
them worth nothing to both. And SPAG finds the word as a part of other words too (``matching: substring``, the default);
``matching: forms`` wants it to stand by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import require_movers
from sparring_games.speech import speech
from sparring_games.text_state import TextState
from sparring_games.word_forms import Matching, same_word, says
from sparring_games.word_pairs import CATEGORIES, PAIRS, Word

ATTACKER, DEFENDER = 0, 1
_CLAIM = re.compile(
    r"\bi know the word\b\W*(?:(?:it is|it's|it must be|the word is|is)\b\W*)?(?:(?:an?|the)\s+)?(?P<word>\w+(?:-\w+)*)?",
    re.IGNORECASE,
)
_SMALL_TALK = ("tell me more", "I do not know", "what do you mean?", "why do you ask?")


class TabooParams(Params):
    turns: int = Field(5, ge=1, description="Turns of each player; then it is a draw.")
    words: list[Annotated[str, StringConstraints(pattern=r"^\w+(-\w+)*$")]] | None = Field(
        None, min_length=1, description="Words to play for, each a single one; None: a hundred of our own."
    )
    categories: list[str] | None = Field(
        None, min_length=1, description=f"Which of our own words, to hold some out: {', '.join(CATEGORIES)}. None: all."
    )
    matching: Matching = Field(
        "substring",
        description="Where the word is found: substring, also within other words; forms, as a word by itself.",
    )
    most_words: int = Field(100, ge=1, description="Longest message, in words.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = set(self.categories or ()) - set(CATEGORIES)
        if unknown:
            raise ValueError(f"no category {min(unknown)!r}; there are {', '.join(CATEGORIES)}")
        if self.words and self.categories:
            raise ValueError("'categories' choose among our own words, and 'words' gives others; give one of the two")
        return self


class Taboo:
    """Make the other say a word that only you know, without saying it."""

    def __init__(self, params: TabooParams) -> None:
        self.params = params
        own = [
            w for pair in PAIRS if pair.category in (params.categories or CATEGORIES) for w in (pair.first, pair.second)
        ]
        self.words = {word.text: word for word in (own if params.words is None else map(Word, params.words))}
        self.info = GameInfo(
            name="taboo", roles=("attacker", "defender"), utility="zero", bounds=(-1.0, 1.0), max_turns=2 * params.turns
        )

    def new_state(self, chance: Chance) -> TabooState:
        state = TabooState(self, chance)
        state.begin(chance.pick(list(self.words)))
        return state

    def restore(self, snapshot: str, chance: Chance) -> TabooState:
        return TabooState(self, chance).load(snapshot)


class TabooState(TextState[Taboo]):
    kept = ("word", "spoken", "won", "reason")

    def __init__(self, game: Taboo, chance: Chance) -> None:
        super().__init__(game, chance)
        self.word = ""
        self.spoken = 0  # messages
        self.won = 0  # by the attacker: 1, -1 if the defender has won
        self.reason = ""  # why it is over; empty before

    def begin(self, word: str) -> None:
        """Set the word and tell both the rules."""
        self.word = word
        turns = self.game.params.turns
        common = (
            "Taboo: two players talk. The attacker knows a secret word and wants the defender to say it without noticing. "
            f"Each speaks {turns} times; if nothing has happened then, it is a draw."
        )
        self.tell(
            ATTACKER,
            [common, f"You are the attacker. The word is '{word}'. You must not say it yourself.", self._ask(ATTACKER)],
        )
        you = (
            "You are the defender. If you say the word you lose. Once you may name it: say "
            "'I know the word! It is ...'. If that is right you win, if not you lose."
        )
        self.tell(
            DEFENDER,
            [
                common,
                you,
            ],
        )

    def to_act(self) -> tuple[int, ...]:
        return () if self.reason else (self.spoken % 2,)

    def legal_actions(self, player: int) -> list[str] | None:
        return None if player in self.to_act() else []

    def sample_action(self, player: int, chance: Chance) -> str:
        """The attacker says something true of its word; the defender says any word, now and then as a claim."""
        some = chance.pick(list(self.game.words))
        if player == DEFENDER:
            return chance.pick((f"I know the word! It is {some}.", f"are you thinking of {some}?", *_SMALL_TALK))
        hints = [clue for clue in self.game.words[self.word].clues if self._illegal(clue) is None]
        return chance.pick((*hints, *(talk for talk in _SMALL_TALK if self._illegal(talk) is None), "…"))

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        ((player, text),) = moves.items()
        move = speech(text, self.game.params.most_words)
        if move.action is not None:
            wrong = self._illegal(move.action) if player == ATTACKER else self._unclear(move.action)
            if wrong is not None:
                move = Move(None, wrong)
        if move.action is not None:
            self._say(player, move.action)
        return {player: move}

    def outcome(self) -> Outcome:
        return Outcome.of_returns((self.won, -self.won), self.reason)

    def _illegal(self, text: str) -> str | None:
        """Why the attacker may not say this."""
        if says(text, self.word, self.game.params.matching):
            return f"the attacker must not say '{self.word}'"
        return "only the defender names the word" if _CLAIM.search(text) else None

    def _unclear(self, text: str) -> str | None:
        """Why the defender's claim is none."""
        claim = _CLAIM.search(text)
        return "name the word: 'I know the word! It is ...'" if claim and claim["word"] is None else None

    def _say(self, player: int, text: str) -> None:
        self.spoken += 1
        if player == DEFENDER:
            self._decide(text)
        if not self.reason and self.spoken == self.info.max_turns:
            self.reason = "nobody said or named the word"
        other = 1 - player
        heard = f"{self.info.roles[player].capitalize()}: {text}"
        if not self.reason:
            self.tell(other, [heard, self._ask(other)])
            return
        end = f"It is over: {self.reason}. The word was '{self.word}'."
        self.tell(other, [heard, end])
        self.tell(player, [end])

    def _decide(self, text: str) -> None:
        claim = _CLAIM.search(text)
        if claim is not None:
            right = same_word(claim["word"], self.word)
            self.won = -1 if right else 1
            self.reason = f"the defender named the word {'rightly' if right else 'wrongly'}"
        elif says(text, self.word, self.game.params.matching):
            self.won, self.reason = 1, "the defender said the word"

    def _ask(self, player: int) -> str:
        turns = self.game.params.turns
        return f"Turn {self.spoken // 2 + 1} of {turns}. What do you say, {self.info.roles[player]}?"
