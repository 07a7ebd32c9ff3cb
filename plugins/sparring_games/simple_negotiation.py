"""Simple negotiation: two players trade resources that are worth more to one of them than to the other.

In its turn a player offers a trade, answers the other's offer, or passes. After the last turn each counts what its own
resources have gained in its own values, which only it knows; who has gained more wins +1 from the other, equal gains
are a draw. Trades make both richer, and still only one wins.

Source: Liu et al. 2025 (SPIRAL), arXiv:2506.24119, which trains on the game of this name in TextArena; its constants
are kept, text and parser are ours. With ``resources: 2`` both begin with 10 wood and 10 gold; player 0 values them at 5
and 15, player 1 at 15 and 5. With ``resources: 5`` a player begins with 5 to 25 of each of wheat, wood, sheep, brick and
ore, whose values 5, 10, 15, 25 and 40 are up to 20 % more or less to each player, but within 5 and 40.

Moves: ``offer: 2 wheat, 1 wood -> 1 ore`` gives what is left of the arrow for what is right of it; ``accept`` and
``deny`` answer an offer; ``pass`` does nothing. Any move but ``accept`` lets the offer that it answers lapse. Nobody may
offer, or accept to give, what it does not have. Holdings are told only to their owner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import bare, require_movers, shown
from sparring_games.text_state import TextState

_TWO = ("wood", "gold")
_TWO_VALUES = ((5, 15), (15, 5))
_TWO_QUANTITY = 10
_FIVE = {"wheat": 5, "wood": 10, "sheep": 15, "brick": 25, "ore": 40}
_FIVE_QUANTITIES = range(5, 26)
_SPREAD = 0.2  # of a private value around the resource's own
_LOWEST, _HIGHEST = 5, 40  # private values

_ARROW = re.compile(r"->|=>|→|\bfor\b")
_OFFER_WORD = re.compile(r"^(?:i\s+)?(?:offer|propose|give|trade)\b\s*:?\s*")
_JOIN = re.compile(r"\s*(?:,|\+|&|\band\b)\s*")
_PART = re.compile(r"(\d{1,6})\s*x?\s*([a-z]+)")
_ANSWERS = {
    "accept": "accept", "i accept": "accept", "accept offer": "accept", "accept the offer": "accept", "deal": "accept",
    "deny": "deny", "i deny": "deny", "reject": "deny", "refuse": "deny", "decline": "deny", "no deal": "deny",
    "pass": "pass", "i pass": "pass",
}  # fmt: skip
Amounts = list[int]  # of each resource


class SimpleNegotiationParams(Params):
    resources: Literal[2, 5] = Field(5, description="2: wood and gold, always alike; 5: drawn quantities and values.")
    turns: int = Field(10, ge=1, description="Turns of both players together.")
    wording: Literal["plain", "terse"] = Field(
        "plain", description="plain is sentences; terse is the shortest complete text, for tiny models."
    )


@dataclass(frozen=True, slots=True)
class _Words:
    rules: str
    yours: str
    first: str
    offered: str
    said: Mapping[str, str]
    ask: str
    answer: str
    over: str


_PLAIN = _Words(
    rules="Negotiation over {names}, {turns} turns in all. You and your opponent have values of your own for them. "
    "Who gains more in the end, counted in its own values, wins.\n"
    "In your turn say an offer like 'offer: 2 {first} -> 1 {last}', which gives 2 {first} for 1 {last}; "
    "accept or deny the opponent's offer; or pass.",
    yours="You have {holdings}. Your values: {values}.",
    first="You begin.",
    offered="Your opponent offers you {give} for {want}.",
    said={
        "accept": "Your opponent accepts your offer.", "deny": "Your opponent denies your offer.",
        "pass": "Your opponent passes.",
    },
    ask="Turn {turn} of {turns}. You have {holdings}. Make an offer or pass.",
    answer="Turn {turn} of {turns}. You have {holdings}. Accept, deny, or make an offer of your own.",
    over="It is over. You have {holdings}; that is {gain:+d} in your values. You {result}.",
)  # fmt: skip
_TERSE = _Words(
    rules="trade {names}, {turns} turns",
    yours="values {values}",
    first="",
    offered="gets you {give} for {want}",
    said={"accept": "accepts", "deny": "denies", "pass": "passes"},
    ask="{turn}: have {holdings}. offer?",
    answer="{turn}: have {holdings}. accept?",
    over="have {holdings}: {gain:+d}, {result}",
)


class SimpleNegotiation:
    """Trade resources with private values; who gains more by its own values wins."""

    def __init__(self, params: SimpleNegotiationParams) -> None:
        self.params = params
        self.names: tuple[str, ...] = _TWO if params.resources == 2 else tuple(_FIVE)
        self.words = _PLAIN if params.wording == "plain" else _TERSE
        self.info = GameInfo(
            name="simple_negotiation",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-1.0, 1.0),
            max_turns=params.turns,
        )

    def new_state(self, chance: Chance) -> NegotiationState:
        state = NegotiationState(self, chance)
        state.deal()
        return state

    def restore(self, snapshot: str, chance: Chance) -> NegotiationState:
        return NegotiationState(self, chance).load(snapshot)

    def listed(self, amounts: Sequence[int], *, all_of_them: bool = False) -> str:
        """``"2 wheat, 1 ore"``; without those of which there is none, unless ``all_of_them``."""
        pairs = zip(amounts, self.names, strict=True)
        return ", ".join([f"{amount} {name}" for amount, name in pairs if amount or all_of_them])

    def read_offer(self, text: str) -> tuple[Amounts, Amounts] | str:
        """What an offer gives and what it wants, or what is wrong with it."""
        sides = _ARROW.split(_OFFER_WORD.sub("", text))
        if len(sides) != 2:
            first, last = self.names[0], self.names[-1]
            return f"{shown(text)} is no accept, deny, pass, nor an offer such as 'offer: 2 {first} -> 1 {last}'"
        read = [self._read_side(side) for side in sides]
        give, want = read
        if isinstance(give, str):
            return give
        if isinstance(want, str):
            return want
        for name, mine, theirs in zip(self.names, give, want, strict=True):
            if mine and theirs:
                return f"the offer gives {name} and wants {name}"
        return give, want

    def _read_side(self, side: str) -> Amounts | str:
        amounts = [0] * len(self.names)
        for part in _JOIN.split(side.strip()):
            found = _PART.fullmatch(part)
            if found is None:
                return f"{shown(part)} is no amount of a resource such as '2 {self.names[0]}'"
            amount, name = int(found[1]), found[2]
            if name not in self.names and name.removesuffix("s") in self.names:
                name = name.removesuffix("s")
            if name not in self.names:
                return f"there is no resource {shown(name)}, only {', '.join(self.names)}"
            if amount == 0:
                return f"0 {name} is nothing"
            amounts[self.names.index(name)] += amount
        return amounts


class NegotiationState(TextState[SimpleNegotiation]):
    kept = ("turn", "holdings", "began", "values", "offer")

    def __init__(self, game: SimpleNegotiation, chance: Chance) -> None:
        super().__init__(game, chance)
        self.turn = 0  # turns taken
        self.holdings: list[Amounts] = []  # of player 0 and 1
        self.began: list[Amounts] = []  # what they began with
        self.values: list[Amounts] = []
        self.offer: list[Amounts] | None = None  # the last turn's: what it gives, what it wants

    def deal(self) -> None:
        """Quantities, values, and what each player is told before the first turn."""
        game, words, pick = self.game, self.game.words, self.chance.pick
        if game.params.resources == 2:
            self.holdings = [[_TWO_QUANTITY] * 2, [_TWO_QUANTITY] * 2]
            self.values = [list(values) for values in _TWO_VALUES]
        else:
            self.holdings = [[pick(_FIVE_QUANTITIES) for _ in _FIVE] for _ in (0, 1)]
            self.values = [[pick(_around(value)) for value in _FIVE.values()] for _ in (0, 1)]
        self.began = [list(amounts) for amounts in self.holdings]
        names = ", ".join(game.names)
        rules = words.rules.format(names=names, turns=game.params.turns, first=game.names[0], last=game.names[-1])
        for player in (0, 1):
            values = ", ".join(f"{n} {v}" for n, v in zip(game.names, self.values[player], strict=True))
            yours = words.yours.format(holdings=self._holdings(player), values=values)
            self.tell(player, [rules, yours, *([words.first, self._ask(player)] if player == 0 else [])])

    def to_act(self) -> tuple[int, ...]:
        return (self.turn % 2,) if self.turn < self.game.params.turns else ()

    def legal_actions(self, player: int) -> list[str] | None:
        return None if player in self.to_act() else []

    def sample_action(self, player: int, chance: Chance) -> str:
        """An offer of one resource for another, or an answer; accepting only what can be given."""
        if self.offer is None:
            kind = chance.pick(("offer", "pass"), (0.75, 0.25))
        else:
            kind = chance.pick(("accept", "deny", "offer") if self._has(player, self.offer[1]) else ("deny", "offer"))
        if kind != "offer":
            return kind
        mine = self.holdings[player]
        give = chance.pick([i for i, amount in enumerate(mine) if amount])
        want = chance.pick([i for i in range(len(mine)) if i != give])
        names = self.game.names
        most = _TWO_QUANTITY  # of either; more is hardly ever accepted by anyone
        given = chance.pick(range(1, min(mine[give], most) + 1))
        return f"offer: {given} {names[give]} -> {chance.pick(range(1, most + 1))} {names[want]}"

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        ((player, text),) = moves.items()
        move, offer = self._read(player, text)
        if move.action is not None:
            self._do(player, move.action, offer)
        return {player: move}

    def outcome(self) -> Outcome:
        first, second = self.gain(0), self.gain(1)
        side = (first > second) - (first < second)
        found = Outcome.of_returns((side, -side), f"gains {first:+d} and {second:+d}")
        return Outcome(
            found.returns, found.kinds, reason=found.reason, detail={"gain_0": float(first), "gain_1": float(second)}
        )

    def gain(self, player: int) -> int:
        """What the player's resources are worth more than at the beginning, in its own values."""
        triples = zip(self.values[player], self.holdings[player], self.began[player], strict=True)
        return sum(value * (now - before) for value, now, before in triples)

    def _read(self, player: int, text: str) -> tuple[Move, list[Amounts] | None]:
        said = bare(text)
        answer = _ANSWERS.get(said)
        if answer in ("accept", "deny") and self.offer is None:
            return Move(None, f"there is no offer to {answer}"), None
        if answer == "accept" and self.offer is not None and not self._has(player, self.offer[1]):
            return Move(None, f"you do not have {self.game.listed(self.offer[1])}"), None
        if answer is not None:
            return Move(answer), None
        offer = self.game.read_offer(said)
        if isinstance(offer, str):
            return Move(None, offer), None
        give, want = offer
        if not self._has(player, give):
            return Move(None, f"you do not have {self.game.listed(give)}"), None
        return Move(f"offer: {self.game.listed(give)} -> {self.game.listed(want)}"), [give, want]

    def _do(self, player: int, action: str, offer: list[Amounts] | None) -> None:
        words, other = self.game.words, 1 - player
        if action == "accept" and self.offer is not None:
            for i, (given, wanted) in enumerate(zip(*self.offer, strict=True)):
                self.holdings[other][i] += wanted - given
                self.holdings[player][i] += given - wanted
        self.offer = offer
        self.turn += 1
        if offer is None:
            news = words.said[action]
        else:
            give, want = action.removeprefix("offer: ").split(" -> ")
            news = words.offered.format(give=give, want=want)
        if self.to_act():
            self.tell(other, [news, self._ask(other)])
        else:
            self.tell(other, [news, self._over(other)])
            self.tell(player, [self._over(player)])

    def _has(self, player: int, amounts: Amounts) -> bool:
        return all(have >= need for have, need in zip(self.holdings[player], amounts, strict=True))

    def _holdings(self, player: int) -> str:
        return self.game.listed(self.holdings[player], all_of_them=True)

    def _ask(self, player: int) -> str:
        words = self.game.words.ask if self.offer is None else self.game.words.answer
        return words.format(turn=self.turn + 1, turns=self.game.params.turns, holdings=self._holdings(player))

    def _over(self, player: int) -> str:
        gap = self.gain(player) - self.gain(1 - player)
        result = "win" if gap > 0 else "lose" if gap < 0 else "draw"
        return self.game.words.over.format(holdings=self._holdings(player), gain=self.gain(player), result=result)


def _around(value: int) -> range:
    """The private values that a resource can have."""
    spread = int(_SPREAD * value)
    return range(max(_LOWEST, value - spread), min(_HIGHEST, value + spread) + 1)
