"""Undercover: all but one know the same word; who is the other? The text counterpart of "Who is the spy".

Seats are drawn. In each of ``rounds`` rounds the players give a clue to their word in the order of their seats, and all
hear it; that is the stage ``clue``. In the stage ``decision`` the civilians vote at once for whom they take to be
undercover, or say n/a; the one who is undercover does not vote.

Source: Vision-Zero, arXiv:2509.25541, where players see pictures. Its rewards, with n civilians and the votes ``v_u``
for the undercover player, ``v_j`` for civilian j and their mean over civilians ``m``:

- clues: ``r_u = -beta (v_u - m)`` and ``r_j = beta / n (v_u - m) - lambda (v_j - m)``, which sum to zero over the players.
  These are the match's returns.
- decision: +1 for a civilian's right vote, -0.5 for n/a, -1 for a wrong one: ``decision_returns``, and in the outcome's
  detail as ``decision_<player>``.

Words, text, parser and what makes a clue illegal are ours: more than ``most_words`` words, the own word in any form, or
four fifths of an earlier clue's words. In the world of ``words`` the undercover player has a similar word; in that of
``objects`` it has an object that differs in two of four attributes, a clue is one attribute, whether it is true or not,
and moves are listed, which suits tiny models. With ``blank`` it has nothing and knows that, as in the paper's later
version. Kinds of outcome: the civilians win if the undercover player has more votes than anyone else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import bare, one_of, read_listed, require_movers
from sparring_games.speech import speech
from sparring_games.text_state import TextState
from sparring_games.word_forms import overlap, says
from sparring_games.word_pairs import CATEGORIES, PAIRS, Pair, Word

UNDERCOVER = 0  # which player; what seat it has is drawn
RIGHT, ABSTAIN, WRONG = 1.0, -0.5, -1.0
_REPEATED = 0.8  # share of words in common at which a clue repeats another
_ATTRIBUTES = (
    ("red", "blue", "green", "yellow"),
    ("round", "square", "flat", "long"),
    ("tiny", "small", "big", "huge"),
    ("indoors", "outdoors", "underground", "underwater"),
)
_CLUES = tuple(clue for values in _ATTRIBUTES for clue in values)
_DIFFERENT = 2  # attributes in which the undercover player's object differs
_EVASIONS = ("most people know it", "I have seen one lately", "there is a word for it in every language", "I like it")
_VOTE = re.compile(r"(?:(?:i\s+)?(?:vote|choose|pick)\s+(?:for\s+)?)?(?:player\s*|seat\s*)?#?(\d{1,3})")
_NOBODY = ("n/a", "na", "none", "nobody", "no one")


class UndercoverParams(Params):
    players: int = Field(4, ge=3, le=8, description="Players, one of them undercover.")
    rounds: int = Field(2, ge=1, le=4, description="Clues that each player gives.")
    world: Literal["words", "objects"] = Field("words", description="What clues are about; objects list their clues.")
    blank: bool = Field(False, description="The undercover player has nothing, rather than something similar.")
    pairs: list[tuple[str, str]] | None = Field(
        None, min_length=1, description="Pairs of words, in the world of words; None: fifty of our own."
    )
    categories: list[str] | None = Field(
        None, min_length=1, description=f"Which of our own pairs, to hold some out: {', '.join(CATEGORIES)}. None: all."
    )
    beta: float = Field(0.1, gt=0, description="Weight of the votes for the undercover player in the clues' rewards.")
    lam: float = Field(0.1, ge=0, description="Weight of the votes for a civilian in its own reward (lambda).")
    most_words: int = Field(20, ge=1, description="Longest clue, in words.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unknown = set(self.categories or ()) - set(CATEGORIES)
        if unknown:
            raise ValueError(f"no category {min(unknown)!r}; there are {', '.join(CATEGORIES)}")
        if self.pairs and self.categories:
            raise ValueError("'categories' choose among our own pairs, and 'pairs' gives others; give one of the two")
        if self.world == "objects":
            if self.pairs or self.categories:
                raise ValueError("the world of objects has no words; remove 'pairs' and 'categories'")
            if self.players * self.rounds > len(_CLUES):
                raise ValueError(
                    f"{self.players} players and {self.rounds} rounds need more than the {len(_CLUES)} clues there are"
                )
        return self


def clue_returns(undercover: int, civilians: Sequence[int], beta: float, lam: float) -> list[float]:
    """What the clues earn, the undercover player first: see the equations above. Votes in, rewards out; they sum to 0."""
    n = len(civilians)
    mean = sum(civilians) / n
    gap = undercover - mean
    return [-beta * gap, *(beta / n * gap - lam * (votes - mean) for votes in civilians)]


def decision_returns(votes: Mapping[int, int | None]) -> dict[int, float]:
    """What each civilian's vote earns: for the undercover player, for nobody (None), for someone else."""
    return {p: RIGHT if v == UNDERCOVER else ABSTAIN if v is None else WRONG for p, v in votes.items()}


class Undercover:
    """Give clues to a word that one player does not share, then vote for who that is."""

    def __init__(self, params: UndercoverParams) -> None:
        self.params = params
        own = [pair for pair in PAIRS if pair.category in (params.categories or CATEGORIES)]
        self.pairs = own if params.pairs is None else [Pair("", Word(a), Word(b)) for a, b in params.pairs]
        n = params.players - 1
        self.info = GameInfo(
            name="undercover",
            roles=("undercover", *(f"civilian_{i}" for i in range(1, params.players))),
            utility="zero",
            # All votes for the undercover player are the one end; all for one civilian, with its own for another, beyond the other.
            bounds=(-max(params.beta * n, params.beta / n + params.lam * n), params.beta + params.lam),
            max_turns=params.players * params.rounds + n,
            simultaneous=True,
        )

    def new_state(self, chance: Chance) -> UndercoverState:
        state = UndercoverState(self, chance)
        state.begin()
        return state

    def restore(self, snapshot: str, chance: Chance) -> UndercoverState:
        return UndercoverState(self, chance).load(snapshot)

    @property
    def objects(self) -> bool:
        return self.params.world == "objects"


class UndercoverState(TextState[Undercover]):
    kept = ("civilian", "undercover", "hints", "order", "clues", "votes")

    def __init__(self, game: Undercover, chance: Chance) -> None:
        super().__init__(game, chance)
        self.civilian = ""  # the word, or the object in words
        self.undercover = ""  # empty if it has nothing
        self.hints: list[list[str]] = [[], []]  # true of the undercover player's and of the civilians' word
        self.order: list[int] = []  # players by seat
        self.clues: list[str] = []  # all, in the order in which they were given
        self.votes: list[int | None] | None = None  # of the civilians: players, or nobody

    # ---- the beginning -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Draw words and seats, and tell everybody the rules and its word."""
        self._draw_objects() if self.game.objects else self._draw_words()
        if self.game.params.blank:
            self.undercover, self.hints[0] = "", []
        seats = list(range(self.info.players))
        while seats:
            self.order.append(self.chance.pick(seats))
            seats.remove(self.order[-1])
        for player in range(self.info.players):
            asked = [self._ask()] if player in self.to_act() else []
            self.tell(player, [*self._rules(player), *asked])

    def _draw_words(self) -> None:
        pair = self.chance.pick(self.game.pairs)
        theirs, other = self.chance.pick(((pair.first, pair.second), (pair.second, pair.first)))
        self.civilian, self.undercover = theirs.text, other.text
        self.hints = [list(other.clues), list(theirs.clues)]

    def _draw_objects(self) -> None:
        theirs = [self.chance.pick(values) for values in _ATTRIBUTES]
        other, left = list(theirs), list(range(len(_ATTRIBUTES)))
        for _ in range(_DIFFERENT):
            at = self.chance.pick(left)
            left.remove(at)
            other[at] = self.chance.pick([value for value in _ATTRIBUTES[at] if value != theirs[at]])
        self.civilian, self.undercover = ", ".join(theirs), ", ".join(other)
        self.hints = [other, theirs]

    def _rules(self, player: int) -> list[str]:
        params, kind = self.game.params, "object" if self.game.objects else "word"
        other = f"no {kind}" if params.blank else f"a similar {kind}"
        rules = (
            f"Undercover: {params.players} players; all but one have the same {kind}, the one undercover has {other}. "
            f"In {params.rounds} round{'s' if params.rounds > 1 else ''} each gives a clue to its {kind}, then the others vote "
            "for who is undercover, who wants to stay unknown."
        )
        if self.game.objects:
            how = f"A clue is one of: {', '.join(_CLUES)}. None is given twice."
        else:
            how = f"A clue has at most {params.most_words} words, is new, and does not have the word in it."
        seat = self.order.index(player) + 1
        if player != UNDERCOVER:
            mine = f"You are player {seat}, a civilian. Your {kind}: {self.civilian}."
        elif params.blank:
            mine = f"You are player {seat}, undercover. You have no {kind}; do not let it show."
        else:
            mine = f"You are player {seat}, undercover. Your {kind}: {self.undercover}. That of the others is similar."
        return [rules, how, mine]

    # ---- moves -------------------------------------------------------------------------------------------------------

    @property
    def stage(self) -> Literal["clue", "decision"]:
        """Which of the two the next moves belong to."""
        params = self.game.params
        return "clue" if len(self.clues) < params.players * params.rounds else "decision"

    def to_act(self) -> tuple[int, ...]:
        if self.stage == "clue":
            return (self.order[len(self.clues) % self.info.players],)
        return tuple(range(1, self.info.players)) if self.votes is None else ()

    def legal_actions(self, player: int) -> list[str] | None:
        if player not in self.to_act():
            return []
        if self.stage == "decision":
            seat = self.order.index(player) + 1
            return [*(str(n) for n in range(1, self.info.players + 1) if n != seat), "n/a"]
        return [clue for clue in _CLUES if clue not in self.clues] if self.game.objects else None

    def sample_action(self, player: int, chance: Chance) -> str:
        """A clue that is true of the own word, if there is one left; else an evasion."""
        hints = self.hints[player != UNDERCOVER]
        for clues in (hints, _EVASIONS):
            fine = [clue for clue in clues if self._read_clue(player, clue).legal]
            if fine:
                return chance.pick(fine)
        return f"clue number {chance.pick(range(10**6))}"  # some number has not been said

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        if self.stage == "clue":
            ((player, text),) = moves.items()
            read = {player: self._read_clue(player, text)}
            if read[player].action is not None:
                self._say(player, read[player].action or "")
            return read
        read = {player: read_listed(_vote(text), self.legal_actions(player) or ()) for player, text in moves.items()}
        if all(move.legal for move in read.values()):
            self._decide([read[player].action or "" for player in self.to_act()])
        return read

    def _read_clue(self, player: int, text: str) -> Move:
        if self.game.objects:
            return read_listed(bare(text), self.legal_actions(player) or ())
        move = speech(text, self.game.params.most_words)
        if move.action is None:
            return move
        mine = self.undercover if player == UNDERCOVER else self.civilian
        if mine and says(move.action, mine, "forms"):
            return Move(None, f"a clue must not have the word '{mine}' in it")
        if overlap(move.action, self.clues) >= _REPEATED:
            return Move(None, "a clue must not repeat an earlier one")
        return move

    def _say(self, player: int, clue: str) -> None:
        self.clues.append(clue)
        seat = self.order.index(player) + 1
        for other in range(self.info.players):
            asked = [self._ask(other)] if other in self.to_act() else []
            if other != player:
                self.tell(other, [f"Player {seat}: {clue}", *asked])
            elif asked:  # it gave the last clue and votes next
                self.tell(other, asked)

    def _ask(self, player: int = UNDERCOVER) -> str:
        if self.stage == "decision":
            return f"Who is undercover? Say {one_of(self.legal_actions(player) or ())}."
        return f"Round {len(self.clues) // self.info.players + 1} of {self.game.params.rounds}. Your clue?"

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _decide(self, votes: Sequence[str]) -> None:
        self.votes = [None if vote == "n/a" else self.order[int(vote) - 1] for vote in votes]
        found = "found out" if self._caught() else "not found out"
        seat = self.order.index(UNDERCOVER) + 1
        told = ", ".join(
            f"player {self.order.index(player) + 1}: {vote}" for player, vote in enumerate(votes, UNDERCOVER + 1)
        )
        words = f"The civilians had {self.civilian}" + (f", the other {self.undercover}." if self.undercover else ".")
        for player in range(self.info.players):
            self.tell(player, [f"Votes: {told}. Player {seat} was undercover, and is {found}. {words}"])

    def _counts(self) -> list[int]:
        votes = self.votes or []
        return [votes.count(player) for player in range(self.info.players)]

    def _caught(self) -> bool:
        undercover, *civilians = self._counts()
        return undercover > max(civilians)

    def outcome(self) -> Outcome:
        params, counts, caught = self.game.params, self._counts(), self._caught()
        votes = dict(enumerate(self.votes or [], UNDERCOVER + 1))
        detail = {f"decision_{player}": value for player, value in decision_returns(votes).items()}
        return Outcome(
            tuple(clue_returns(counts[UNDERCOVER], counts[1:], params.beta, params.lam)),
            ("loss" if caught else "win", *(("win" if caught else "loss",) * len(votes))),
            reason=f"the undercover player has {counts[UNDERCOVER]} of {len(votes)} votes",
            detail={
                **detail,
                "caught": float(caught),
                "right": float(counts[UNDERCOVER]),
                "abstained": float(list(votes.values()).count(None)),
            },
        )


def _vote(text: str) -> str:
    """A vote as it is listed, or the text as it is."""
    said = bare(text)
    found = _VOTE.fullmatch(said)
    if found:
        return str(int(found[1]))
    return "n/a" if said in _NOBODY else text
