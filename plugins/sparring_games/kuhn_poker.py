"""Kuhn poker: three cards, one bet, the smallest game in which bluffing pays.

Both players ante and get one of J < Q < K. The first to act checks or bets; a check lets the other check or bet; who
faces a bet folds or calls. After two checks or a call the higher card wins the pot; a fold gives it to the other.
Source: H. W. Kuhn, "A Simplified Two-Person Poker", 1950. With optimal play the first to act loses 1/18 of an ante.

One hand (``rounds: 1``) pays the chips won, and is OpenSpiel's ``kuhn_poker`` if ante and bet are 1. More hands are a
match: the first to act alternates, chips move on ante, bet and call, and the match pays +1, -1 or 0 by who has more of
them in the end. Each player begins with what it could lose at most, so nobody runs out.

Moves are ``check``, ``bet``, ``fold`` and ``call``. A player is told the rules and its card, then what the other does;
after a hand the result, and the other's card only if it was shown: a folded hand stays hidden.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, SparringError, Twin
from sparring_games.moves import one_of, read_moves

CARDS = ("J", "Q", "K")
_TWIN = Twin("kuhn_poker", {"J": 0, "Q": 1, "K": 2, "check": 0, "fold": 0, "bet": 1, "call": 1})
_SAYS = {"check": "checks", "bet": "bets", "fold": "folds", "call": "calls"}


class KuhnPokerParams(Params):
    rounds: int = Field(
        1, ge=1, description="Hands in a match. 1 pays chips; more pay +1, -1 or 0 by who has more chips."
    )
    ante: int = Field(1, ge=1, description="Chips each player puts in before a hand.")
    bet: int = Field(1, ge=1, description="Chips of a bet, and of calling it.")
    wording: Literal["plain", "reminding", "terse"] = Field(
        "plain",
        description="plain is short sentences; reminding names the card in words in every question and says little else, so "
        "that a small pretrained model sees it; terse is the shortest complete text, for tiny models.",
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """What players are told. Rules are the same for everyone and come first, so that prompts share their beginnings."""

    rules: str
    match: str
    hand: str
    card: str
    first: str
    says: str
    options: str
    shown: str
    result: str
    final: str


_PLAIN = _Words(
    rules="Kuhn poker: cards J<Q<K, one each. The ante is {ante}, a bet is {bet} more. "
    "The higher card wins; a fold loses.",
    match=" You play {rounds} hands, each begins with {stack} chips, and more chips at the end win.",
    hand="Hand {hand} of {rounds}. Chips: you {mine}, opponent {theirs}.",
    card="Your card: {card}.",
    first="You act first.",
    says="Your opponent {says}.",
    # Of a dozen wordings this one had SmolLM2-135M answer with a legal word most often and most evenly.
    options="Choose one word: {options}.",
    shown="Your opponent has {card}.",
    result="You {won} {chips}.",
    final="The match is over. Chips: you {mine}, opponent {theirs}.",
)
# A small pretrained model hardly sees its card in the plain text: the gradients of a jack's and a king's answer point the same
# way (cosine 0.997 in SmolLM2-135M), so that what it learns for one it learns for the other, and it plays blind for
# hundreds of steps. With the card named in words, within the question, the cosine is 0.7 to 0.9.
_REMINDING = replace(
    _PLAIN,
    rules="Kuhn poker, ante {ante}, bet {bet}.",
    card="",
    options="With the {named}: {options}?",
)
_NAMED = {"J": "lowest card, the jack", "Q": "middle card, the queen", "K": "highest card, the king"}
_TERSE = _Words(
    rules="Kuhn J<Q<K ante {ante} bet {bet}",
    match=", {rounds} hands, {stack} chips each",
    hand="hand {hand}: {mine}-{theirs}",
    card="{card}",
    first="",
    says="opponent {action}",
    options="{options}?",
    shown="shows {card}",
    result="{net:+d}",
    final="end: {mine}-{theirs}",
)


def equilibrium(alpha: float | Fraction) -> dict[str, float | Fraction]:
    """Probability of betting or calling in each information state: every equilibrium of the hand with ante 1 and bet 1.

    An information state is the card (0, 1, 2 for J, Q, K) and the moves so far (p: check or fold, b: bet or call).
    ``alpha`` in [0, 1/3] is how often the first to act bets a jack. Exact if ``alpha`` is a `Fraction`.
    """
    if not 0 <= alpha <= Fraction(1, 3):
        raise SparringError(f"Kuhn poker has an equilibrium for each alpha from 0 to 1/3, not for {alpha}")
    third = Fraction(1, 3) if isinstance(alpha, Fraction) else 1 / 3
    return {
        "0": alpha, "1": 0, "2": 3 * alpha, "0pb": 0, "1pb": alpha + third, "2pb": 1,
        "0p": third, "1p": 0, "2p": 1, "0b": 0, "1b": third, "2b": 1,
    }  # fmt: skip


def choices(facing: bool) -> list[str]:
    """The legal actions, the passive one first; ``facing`` a bet or not."""
    return ["fold", "call"] if facing else ["check", "bet"]


class KuhnPoker:
    """Kuhn poker: three cards, one bet; a single hand for chips, or a match of several."""

    def __init__(self, params: KuhnPokerParams) -> None:
        self.params = params
        single = params.rounds == 1
        most = float(params.ante + params.bet) if single else 1.0
        self.info = GameInfo(
            name="kuhn_poker",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-most, most),
            max_turns=3 * params.rounds,
            twin=_TWIN if single and params.ante == params.bet == 1 else None,
        )
        self.stack = params.rounds * (params.ante + params.bet)  # chips each begins with: what it could lose at most
        self.words = {"plain": _PLAIN, "reminding": _REMINDING, "terse": _TERSE}[params.wording]
        # Texts that hands repeat are made once. Questions are by card and by whether a bet has to be answered.
        self.questions = {
            (card, facing): self.words.options.format(options=one_of(choices(facing)[::-1]), named=_NAMED[card])
            for card in CARDS
            for facing in (False, True)
        }
        self.told = {action: self.words.says.format(says=says, action=action) for action, says in _SAYS.items()}
        self.dealt = {card: self.words.card.format(card=card) for card in CARDS}
        self.shown = {card: self.words.shown.format(card=card) for card in CARDS}
        self.rules = self.words.rules.format(ante=params.ante, bet=params.bet)
        if not single:
            self.rules += self.words.match.format(rounds=params.rounds, stack=self.stack)

    def new_state(self, chance: Chance) -> KuhnState:
        state = KuhnState(self, chance)
        state.deal()
        return state

    def restore(self, snapshot: str, chance: Chance) -> KuhnState:
        state = KuhnState(self, chance)
        kept = json.loads(snapshot)
        state.hand, state.cards, state.history = kept["hand"], kept["cards"], kept["history"]
        state.chips, state.paid, state.logs = kept["chips"], kept["paid"], kept["logs"]
        return state


class KuhnState:
    __slots__ = ("cards", "chance", "chips", "game", "hand", "history", "logs", "paid")

    def __init__(self, game: KuhnPoker, chance: Chance) -> None:
        self.game, self.chance = game, chance
        self.hand = 0  # from 0; the number of hands when the match is over
        self.cards: list[str] = []  # of player 0 and 1
        self.history = ""  # of this hand: p is check or fold, b is bet or call
        self.chips = [game.stack, game.stack]  # what is in the pot not counted
        self.paid = [0, 0]  # into the pot, this hand
        self.logs: list[list[str]] = [[], []]

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return (self._actor(),) if self.hand < self.game.params.rounds else ()

    def observe(self, player: int) -> list[str]:
        return list(self.logs[player])

    def legal_actions(self, player: int) -> list[str]:
        return self._choices() if player in self.to_act() else []

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        actor = self._actor()
        action = read[actor].action
        if action is None:
            return read
        if action in ("bet", "call"):
            self._pay(actor, self.game.params.bet)
        self.history += "b" if action in ("bet", "call") else "p"
        news: tuple[list[str], list[str]] = ([], [])
        news[1 - actor].append(self.game.told[action])
        ended = action in ("fold", "call") or self.history == "pp"
        if ended:
            self._pay_out(actor, action, news)
        else:
            news[1 - actor].append(self._options())
        self._tell(news)
        if ended:
            self.hand += 1
            if self.to_act():
                self.deal()
        return read

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        won = self.chips[0] - self.game.stack
        if self.game.params.rounds == 1:
            return Outcome.of_returns((won, -won))
        side = (won > 0) - (won < 0)
        detail = {f"chips_{p}": float(self.chips[p]) for p in (0, 1)}
        return replace(Outcome.of_returns((side, -side), f"chips {self.chips[0]} to {self.chips[1]}"), detail=detail)

    def clone(self) -> KuhnState:
        other = KuhnState(self.game, self.chance.clone())
        other.hand, other.cards, other.history = self.hand, list(self.cards), self.history
        other.chips, other.paid, other.logs = list(self.chips), list(self.paid), [list(log) for log in self.logs]
        return other

    def snapshot(self) -> str:
        return json.dumps(
            {
                "hand": self.hand, "cards": self.cards, "history": self.history, "chips": self.chips, "paid": self.paid,
                "logs": self.logs,
            }
        )  # fmt: skip

    def equilibrium(self, player: int, alpha: float) -> dict[str, float]:
        """How often an equilibrium plays each legal action here: see `equilibrium`."""
        if self.game.info.twin is None:
            raise SparringError("the equilibrium of Kuhn poker is known for rounds: 1, ante: 1 and bet: 1 only")
        betting = float(equilibrium(alpha)[f"{CARDS.index(self.cards[player])}{self.history}"])
        passive, active = self.legal_actions(player)
        return {passive: 1 - betting, active: betting}

    def resample(self, player: int, chance: Chance) -> KuhnState:
        """The same hand with another card for the opponent, each of the two that are left equally likely."""
        if self.game.params.rounds > 1:
            raise SparringError(
                f"a match of Kuhn poker with rounds: {self.game.params.rounds} cannot be drawn anew: what the opponent was told of earlier "
                "hands is not known; only a single hand can"
            )
        # By playing it again, so that the opponent has been told what it would have been with that card.
        state = KuhnState(self.game, chance)
        mine = self.cards[player]
        other = chance.pick([card for card in CARDS if card != mine])
        state.deal((mine, other) if player == 0 else (other, mine))
        for said in self.history:
            actor = state._actor()
            state.apply({actor: state._choices()[said == "b"]})
        return state

    def deal(self, cards: tuple[str, str] | None = None) -> None:
        """Begin the hand: antes, cards (drawn if not given), and what each player is told."""
        self.history, self.paid = "", [0, 0]
        if cards is None:
            first = self.chance.pick(CARDS)
            cards = first, self.chance.pick([card for card in CARDS if card != first])
        self.cards = list(cards)
        game, words = self.game, self.game.words
        news: tuple[list[str], list[str]] = ([], [])
        for player in (0, 1):
            told = news[player]
            if self.hand == 0:
                told.append(game.rules)
            if game.params.rounds > 1:
                told.append(self._fill(words.hand, player))
            told.append(game.dealt[self.cards[player]])
            if player == self._actor():
                told.extend((words.first, self._options()))
        self._tell(news)
        for player in (0, 1):
            self._pay(player, game.params.ante)

    def _actor(self) -> int:
        return (self.hand + len(self.history)) % 2

    def _pay(self, player: int, chips: int) -> None:
        self.chips[player] -= chips
        self.paid[player] += chips

    def _pay_out(self, actor: int, action: str, news: tuple[list[str], list[str]]) -> None:
        """Give the pot to the winner of the hand, and add to what each player is told."""
        words = self.game.words
        if action == "fold":
            winner = 1 - actor
        else:
            winner = 0 if CARDS.index(self.cards[0]) > CARDS.index(self.cards[1]) else 1
            for player in (0, 1):
                news[player].append(self.game.shown[self.cards[1 - player]])
        self.chips[winner] += sum(self.paid)
        chips = self.paid[1 - winner]
        counted = f"{chips} chip" if chips == 1 else f"{chips} chips"
        for player in (0, 1):
            won, net = ("win", chips) if player == winner else ("lose", -chips)
            news[player].append(words.result.format(won=won, chips=counted, net=net))
            if self.hand + 1 == self.game.params.rounds > 1:
                news[player].append(self._fill(words.final, player))

    def _choices(self) -> list[str]:
        return choices(self.history.endswith("b"))

    def _options(self) -> str:
        return self.game.questions[self.cards[self._actor()], self.history.endswith("b")]

    def _fill(self, text: str, player: int) -> str:
        mine, theirs = self.chips[player], self.chips[1 - player]
        return text.format(hand=self.hand + 1, rounds=self.game.params.rounds, mine=mine, theirs=theirs)

    def _tell(self, news: tuple[list[str], list[str]]) -> None:
        for log, told in zip(self.logs, news, strict=True):
            if told:
                log.append("\n".join(filter(None, told)))
