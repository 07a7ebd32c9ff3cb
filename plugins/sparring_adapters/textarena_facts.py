"""What is known of TextArena's games by having played them, each by its family: an id without its version.

All of version 0.7.4 for two or more players were run, with scripted or random legal moves, without a network; the slow tests
of this package do so again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sparring_adapters.textarena_moves import columns, listed, piles

Reader = Callable[[Sequence[str]], list[str] | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one family. The defaults are what may be said of a game that nobody has looked at."""

    draws: bool = True  # anything at random
    open: bool = False  # nothing is hidden
    zero_sum: bool = True  # if two play; games of more are not counted on to be
    reads: Reader | None = None  # how what it prints is read as the list of legal moves, where it is that
    turns: int | None = None  # moves that a match can have at most, where its environment says nothing
    examples: tuple[str, ...] = ()  # moves that a random player varies, where the game shows none in brackets


_BOARD = Facts(draws=False, open=True)
_LISTED = Facts(draws=False, open=True, reads=listed)
_TALLIED = Facts(draws=False)  # several choose in turn without being told what the others chose

_KNOWN: dict[str, Facts] = {
    "Alquerque": _BOARD,
    "Breakthrough": _BOARD,
    "Briscola": Facts(examples=("play 1",)),
    "Chopsticks": Facts(draws=False, open=True, examples=("attack 0 0", "split 1 1")),
    "ColonelBlotto": Facts(
        draws=False, examples=("A20 B0 C0", "A10 B10 C0", "A50 B0 C0 D0 E0", "A75 B0 C0 D0 E0 F0 G0")
    ),
    "ConnectFour": Facts(draws=False, open=True, reads=columns),
    "Crusade": _LISTED,
    "GermanWhist": Facts(examples=("play 7",)),
    "Golf": Facts(examples=("swap 1 1",)),
    "IteratedMatchingPennies": _TALLIED,
    "IteratedPrisonersDilemma": _TALLIED,
    "IteratedRockPaperScissors": _TALLIED,
    "IteratedTwoThirdsAverage": Facts(draws=False, examples=("50",)),
    "IteratedUltimatumGame": _TALLIED,
    "KuhnPoker": Facts(reads=listed),
    "LinesOfAction": _BOARD,
    "MarketEntryGame": Facts(draws=False, zero_sum=False),
    "NewRecruit": Facts(zero_sum=False, examples=("Propose] AAAAAAAA [", "Accept", "Reject")),
    "Nim": Facts(draws=False, open=True, reads=piles),
    "Othello": Facts(draws=False, open=True, reads=listed, examples=("3, 3",)),
    "PigDice": Facts(reads=listed),
    "PublicGoodsGame": Facts(draws=False, zero_sum=False),
    "SantoriniBaseFixed": Facts(examples=("N1C2B1C2", "N2C2B1C2", "W1C2B1C2", "W2C2B1C2")),
    "SettlersOfCatan": Facts(examples=("1", "3")),
    "SimpleTak": _LISTED,
    "SpiteAndMalice": Facts(reads=listed),
    "ThreePlayerIPD": _TALLIED,
    "ThreePlayerTicTacToe": _LISTED,
    "TicTacToe": Facts(draws=False, open=True, reads=listed, turns=9),
    "TruthAndDeception": Facts(examples=("Fact 1", "Fact 2")),
    "TwoDollar": Facts(zero_sum=False, examples=("Propose] $1.00 [", "Accept", "Reject")),
    "UsedCar": Facts(zero_sum=False),
    "UsedCarNegotiation": Facts(zero_sum=False),
    "WildTicTacToe": Facts(draws=False, open=True, reads=listed, turns=9),
}

_JURY = "a jury of remote models decides it, so it needs a network and an account, and no match is played twice alike"
_FILES = "its package lacks the files that it reads"

#: Family to reason.
KNOWN_BAD: dict[str, str] = {
    "BabyAiText": "it needs the package gym, and a world that TextArena does not bring",
    "CharacterConclave": "no message is accepted: each one raises a TypeError",
    "Debate": _JURY,
    "KuhnPoker": "betting and calling never move a chip, so that every round pays the ante whatever was bet (TextArena issue 189); "
    "the game 'kuhn_poker' is Kuhn's",
    "QuantumTicTacToe": "it knows no draw: where fewer than two cells are left, no move is legal and it does not end",
    "ScenarioPlanning": _JURY,
    "ScorableGames": _FILES,
    "Stratego": "after some battles its search for a winner raises a TypeError, so that a move that it lists fails",
    "Tak": "a road that wins raises a TypeError, so that nobody can win",
    "UltimateTicTacToe": "once all small boards are closed and one of them is a draw, no move is legal and it does not end",
    "UsedCar": "its environment is not in the package",
    "UsedCarNegotiation": _FILES,
}

#: Family to what it reads of NLTK's data, which is downloaded where it is missing.
NLTK_DATA: dict[str, str] = {
    "Codenames": "words",
    "DontSayIt": "words",
    "LetterAuction": "words",
    "SpellingBee": "words",
    "WordChains": "words",
}


def family(name: str) -> str:
    """An id without its version: ``"Nim"`` of ``"Nim-v0-large"``."""
    return name.split("-v")[0]


def facts_of(name: str) -> Facts:
    return _KNOWN.get(family(name), Facts())
