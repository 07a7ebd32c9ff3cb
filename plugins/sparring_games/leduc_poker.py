"""Leduc poker: six cards, two rounds of betting, one card open for both.

The deck has J < Q < K in two suits, which only tell cards apart. Both players ante 1 and get a card. In each round player 0
acts first; a bet or a raise is 2 chips in the first round and 4 in the second, and there are two of them in a round at
most. Between the rounds a card is laid open. A card of its rank, a pair, wins; else the higher card does, and equal ranks
share the pot. Source: Southey et al. 2005, "Bayes' Bluff: Opponent Modelling in Poker".

Moves are ``check`` and ``bet``, or once there is a bet ``fold``, ``call`` and ``raise``. It is OpenSpiel's
``leduc_poker``, which calls checking a call and betting a raise. With ``suits: false`` players are told ranks alone, which
is all that matters: 288 positions to decide instead of 936, and the same NashConv.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import one_of, read_moves
from sparring_games.text_state import TextState

RANKS = ("J", "Q", "K")
_ANTE, _BETS, _MOST_BETS = 1, (2, 4), 2  # chips; chips by round; bets and raises in a round
_NUMBERS = {"fold": 0, "check": 1, "call": 1, "bet": 2, "raise": 2}
_SAYS = {"check": "checks", "bet": "bets", "fold": "folds", "call": "calls", "raise": "raises"}


class LeducPokerParams(Params):
    suits: bool = Field(True, description="Whether players are told the suits of cards, which mean nothing.")
    wording: Literal["plain", "terse"] = Field(
        "plain", description="plain is short sentences; terse is the shortest complete text, for tiny models."
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """What players are told. The rules are the same for everyone and come first."""

    rules: str
    card: str
    says: str
    opened: str
    pot: str
    options: str
    shown: str
    result: str


_PLAIN = _Words(
    rules="Leduc poker: two each of J<Q<K, ante 1. You hold one card; after a round of betting one more is open to both, then "
    "you bet again. A bet or raise is 2 chips, in the second round 4, two in a round at most. A pair with the open card "
    "wins, else the higher card; equal cards share the pot.",
    card="Your card: {card}.",
    says="Your opponent {says}.",
    opened="The open card is {card}.",
    pot="The pot holds {pot}.",
    options="Choose one word: {options}.",
    shown="Your opponent has {card}.",
    result="You {won}.",
)
_TERSE = _Words(
    rules="Leduc J<Q<K",
    card="{card}",
    says="opponent {action}",
    opened="open {card}",
    pot="",
    options="{options}?",
    shown="shows {card}",
    result="{net:+d}",
)


class LeducPoker:
    """Leduc poker: six cards, two rounds of betting, one card open for both."""

    def __init__(self, params: LeducPokerParams) -> None:
        self.params = params
        self.words = {"plain": _PLAIN, "terse": _TERSE}[params.wording]
        suits = ("s", "h") if params.suits else ("", "")
        self.deck = tuple(rank + suit for rank in RANKS for suit in suits)
        numbers = {card: number for number, card in enumerate(dict.fromkeys(self.deck))}
        most = float(_ANTE + _MOST_BETS * sum(_BETS))
        self.info = GameInfo(
            name="leduc_poker",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-most, most),
            max_turns=8,
            twin=Twin("leduc_poker" if params.suits else "leduc_poker(suit_isomorphism=true)", {**_NUMBERS, **numbers}),
        )

    def new_state(self, chance: Chance) -> LeducState:
        state = LeducState(self, chance)
        state.deal()
        return state

    def restore(self, snapshot: str, chance: Chance) -> LeducState:
        return LeducState(self, chance).load(snapshot)


class LeducState(TextState[LeducPoker]):
    kept = ("cards", "open", "moves", "paid", "folded")

    def __init__(self, game: LeducPoker, chance: Chance) -> None:
        super().__init__(game, chance)
        self.cards: list[str] = []  # of player 0 and 1
        self.open = ""  # the open card, once there is one
        self.moves: list[str] = []  # of this round
        self.paid = [_ANTE, _ANTE]  # chips in the pot
        self.folded = -1  # who has folded

    def to_act(self) -> tuple[int, ...]:
        return () if self.folded >= 0 or (self.open and self._agreed()) else (len(self.moves) % 2,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        if self.paid[0] == self.paid[1]:
            return ["check", "bet"]
        return ["fold", "call"] + ["raise"] * (self._bets() < _MOST_BETS)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        words, other = self.game.words, 1 - actor
        if action == "fold":
            self.folded = actor
        elif action != "check":
            self.paid[actor] = self.paid[other] + (0 if action == "call" else _BETS[self.open != ""])
        self.moves.append(action)
        news: tuple[list[str], list[str]] = ([], [])
        news[other].append(words.says.format(says=_SAYS[action], action=action))
        if self._agreed() and not self.open and self.folded < 0:
            self.open, self.moves = self._draw(), []
            for told in news:
                told.append(words.opened.format(card=self.open))
        self._tell(news)
        return read

    def outcome(self) -> Outcome:
        net = self._net()
        if self.folded >= 0:
            return Outcome.of_returns((net, -net), f"player_{self.folded} folds")
        return Outcome.of_returns((net, -net), f"{self.cards[0]} against {self.cards[1]}, open {self.open}")

    def deal(self) -> None:
        """Draw a card for each player, and tell it."""
        words = self.game.words
        for _ in range(2):
            self.cards.append(self._draw())
        self._tell(([words.rules, words.card.format(card=self.cards[0])],
                    [words.rules, words.card.format(card=self.cards[1])]))  # fmt: skip

    def _draw(self) -> str:
        """A card of those left; equal ones are one option, as likely as there are of them."""
        left = list(self.game.deck)
        for card in self.cards:
            left.remove(card)
        options = list(dict.fromkeys(left))
        return self.chance.pick(options, [left.count(card) / len(left) for card in options])

    def _bets(self) -> int:
        return self.moves.count("bet") + self.moves.count("raise")

    def _agreed(self) -> bool:
        """Whether the round of betting is over, nobody having folded."""
        return len(self.moves) > 1 and self.paid[0] == self.paid[1]

    def _net(self) -> int:
        """What player 0 wins."""
        if self.folded >= 0:
            return -self.paid[0] if self.folded == 0 else self.paid[1]
        first, second = ((card[0] == self.open[0], RANKS.index(card[0])) for card in self.cards)
        return self.paid[0] * ((first > second) - (first < second))

    def _tell(self, news: tuple[list[str], list[str]]) -> None:
        """Add the news, and what follows from the state: the question to who moves, or the result."""
        words, over = self.game.words, not self.to_act()
        for player, told in enumerate(news):
            if over:
                net = self._net() * (1 if player == 0 else -1)
                won = f"win {net}" if net > 0 else f"lose {-net}" if net < 0 else "share the pot"
                if self.folded < 0:
                    told.append(words.shown.format(card=self.cards[1 - player]))
                told.append(words.result.format(won=won, net=net))
            elif player in self.to_act():
                told.append(words.pot.format(pot=sum(self.paid)))
                told.append(words.options.format(options=one_of(self.legal_actions(player))))
            if told:
                self.tell(player, told)
