"""Blind auction: players with values of their own bid at once, under cover, for several items.

Every item goes to its highest bidder, who pays the bid; equal highest bids leave it unsold. What is left of the capital
and the items bought, at the buyer's own values, are a player's worth in the end. Either the worths are compared
(``utility: ranking``): +1 shared out by how many of the others a player is ahead of less how many are ahead of it,
which is zero-sum. Or everyone gets its own surplus, worth less capital as a share of the capital (``utility: surplus``),
which is general-sum: it matters what is paid, not who else is rich.

Source: the game of this kind in TextArena, on which Liu et al. 2025 (SPIRAL), arXiv:2506.24119, evaluate: capital 1000, five
items of base value 50 to 500, private values up to 20 % more or less, and three rounds of talk before the bids. Here
there is no talk unless ``talk_rounds`` asks for it; text and parser are ours, and so is the rule for equal bids.

Items are A, B, C and so on. A move names bids, as ``A 120, C 80``, or ``no bid``; together they may not exceed the
capital. Values, bids that lose, and worths are told to nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params
from sparring_games.moves import bare, require_movers, shown
from sparring_games.speech import speech
from sparring_games.text_state import TextState

_LETTERS = "ABCDEFGHIJ"
_BASE_VALUES = range(50, 501)
_SPREAD = 0.2  # of a private value around an item's base value
_JOIN = re.compile(r"\s*(?:[,;]|\band\b)[\s,;]*")
_BID = re.compile(r"(?:(?:i\s+)?bid\s+(?:on\s+)?)?(?:item\s+)?([a-z])\s*[:=]?\s*(?:for\s+)?(\d{1,9})")
_BID_FOR = re.compile(r"(?:(?:i\s+)?bid\s+)?(\d{1,9})\s+(?:for|on)\s+(?:item\s+)?([a-z])")
_NO_BID = ("no bid", "no bids", "none", "pass", "nothing")
_TALK = ("I will bid high on {item}", "I do not want {item}", "{item} is worth nothing to me", "leave {item} to me")


class BlindAuctionParams(Params):
    players: int = Field(2, ge=2, le=8, description="Bidders.")
    items: int = Field(5, ge=1, le=len(_LETTERS), description="Items for sale.")
    capital: int = Field(1000, ge=1, description="Coins each player can spend.")
    talk_rounds: int = Field(0, ge=0, description="Messages that each player says to all before the bids.")
    utility: Literal["ranking", "surplus"] = Field(
        "ranking",
        description="ranking: zero-sum, by who is worth more; surplus: what was gained, as a share of the capital.",
    )
    most_words: int = Field(60, ge=1, description="Longest message, in words.")


class BlindAuction:
    """Bid once, under cover, for several items with values of your own."""

    def __init__(self, params: BlindAuctionParams) -> None:
        self.params = params
        self.items = _LETTERS[: params.items]
        highest = int(max(_BASE_VALUES) * (1 + _SPREAD)) * params.items / params.capital
        ranking = params.utility == "ranking"
        self.info = GameInfo(
            name="blind_auction",
            roles=tuple(f"player_{i}" for i in range(params.players)),
            utility="zero" if ranking else "general",
            bounds=(-1.0, 1.0) if ranking else (-1.0, highest),
            max_turns=params.players * (params.talk_rounds + 1),
            simultaneous=True,
            symmetric=params.talk_rounds == 0,
        )

    def new_state(self, chance: Chance) -> AuctionState:
        state = AuctionState(self, chance)
        state.begin()
        return state

    def restore(self, snapshot: str, chance: Chance) -> AuctionState:
        return AuctionState(self, chance).load(snapshot)

    def listed(self, bids: Mapping[str, int]) -> str:
        """``"A 120, C 80"``, in the items' order."""
        return ", ".join([f"{item} {bids[item]}" for item in self.items if item in bids]) or "no bid"

    def read_bids(self, text: str) -> dict[str, int] | str:
        """Bids by item, without those of nothing, or what is wrong with them."""
        said = bare(text.replace("\n", ","))
        if said in _NO_BID:
            return {}
        bids: dict[str, int] = {}
        for part in _JOIN.split(said):
            if plain := _BID.fullmatch(part):
                item, amount = plain[1].upper(), int(plain[2])
            elif other := _BID_FOR.fullmatch(part):
                item, amount = other[2].upper(), int(other[1])
            else:
                return f"{shown(part)} is no bid such as 'A 120'; to bid for nothing say 'no bid'"
            if item not in self.items:
                return f"there is no item {item}, only {', '.join(self.items)}"
            if item in bids:
                return f"two bids for {item}"
            bids[item] = amount
        if sum(bids.values()) > self.params.capital:
            return f"bids of {sum(bids.values())} in all; you have {self.params.capital}"
        return {item: amount for item, amount in bids.items() if amount}


class AuctionState(TextState[BlindAuction]):
    kept = ("values", "said", "bids")

    def __init__(self, game: BlindAuction, chance: Chance) -> None:
        super().__init__(game, chance)
        self.values: list[dict[str, int]] = []  # of each item, to each player
        self.said = 0  # messages
        self.bids: list[dict[str, int]] = []  # of each player, or empty before

    def begin(self) -> None:
        """Draw what the items are worth, and tell every player the rules and its own values."""
        game, params = self.game, self.game.params
        base = [self.chance.pick(_BASE_VALUES) for _ in game.items]
        spread = [range(value - int(_SPREAD * value), value + int(_SPREAD * value) + 1) for value in base]
        self.values = [
            {item: self.chance.pick(values) for item, values in zip(game.items, spread, strict=True)}
            for _ in range(params.players)
        ]
        goal = (
            "Who has the most in the end, coins and items, wins."
            if params.utility == "ranking"
            else "You get what you gain: the values of your items less what you pay."
        )
        rules = (
            f"Blind auction of {len(game.items)} items among {params.players} players with {params.capital} coins each. All "
            "bid once, at the same time; the highest bid buys the item and is paid, equal highest bids buy nothing. "
            f"Items are worth about the same to all. {goal}"
        )
        acting, question = self.to_act(), self._ask()
        for player in range(params.players):
            mine = f"You are {self.info.roles[player]}. To you they are worth {game.listed(self.values[player])}."
            self.tell(player, [rules, mine, question if player in acting else ""])

    @property
    def _talking(self) -> bool:
        return self.said < self.game.params.players * self.game.params.talk_rounds

    def to_act(self) -> tuple[int, ...]:
        players = self.info.players
        if self._talking:
            return (self.said % players,)
        return () if self.bids else tuple(range(players))

    def legal_actions(self, player: int) -> list[str] | None:
        return None if player in self.to_act() else []

    def sample_action(self, player: int, chance: Chance) -> str:
        """A message about some item, or for some items bids of up to their value, within the capital."""
        game = self.game
        if self._talking:
            return chance.pick(_TALK).format(item=chance.pick(game.items))
        bids: dict[str, int] = {}
        left = game.params.capital
        for item in game.items:
            if left and chance.pick((True, False)):
                bids[item] = chance.pick(range(1, min(left, self.values[player][item]) + 1))
                left -= bids[item]
        return game.listed(bids)

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        require_movers(self, moves)
        if self._talking:
            ((player, text),) = moves.items()
            move = speech(text, self.game.params.most_words)
            if move.action is not None:
                self._say(player, move.action)
            return {player: move}
        bids = {player: self.game.read_bids(text) for player, text in moves.items()}
        read = {p: Move(None, b) if isinstance(b, str) else Move(self.game.listed(b)) for p, b in bids.items()}
        fine = [bid for _, bid in sorted(bids.items()) if not isinstance(bid, str)]
        if len(fine) == len(read):
            self._sell(fine)
        return read

    def outcome(self) -> Outcome:
        worths = self.worths()
        ahead = [sum((mine > other) - (mine < other) for other in worths) / (len(worths) - 1) for mine in worths]
        found = Outcome.of_returns(ahead, f"worths {', '.join(map(str, worths))}")
        capital = self.game.params.capital
        returns = found.returns if self.info.utility == "zero" else tuple((w - capital) / capital for w in worths)
        detail = {f"worth_{player}": float(worth) for player, worth in enumerate(worths)}
        return Outcome(returns, found.kinds, reason=found.reason, detail=detail)

    def worths(self) -> list[int]:
        """Of each player: coins left and the items bought, at the player's own values."""
        worths = [self.game.params.capital] * self.info.players
        for item, (buyer, price) in self._sales().items():
            worths[buyer] += self.values[buyer][item] - price
        return worths

    def _sales(self) -> dict[str, tuple[int, int]]:
        """Who buys what at which price; items that nobody buys are left out."""
        sales = {}
        for item in self.game.items:
            offers = [bids.get(item, 0) for bids in self.bids]
            price = max(offers)
            if price and offers.count(price) == 1:
                sales[item] = (offers.index(price), price)
        return sales

    def _say(self, player: int, text: str) -> None:
        self.said += 1
        acting, question = self.to_act(), [self._ask()]
        for other in range(self.info.players):
            asked = question if other in acting else []
            if other != player:
                self.tell(other, [f"{self.info.roles[player]}: {text}", *asked])
            elif asked:  # it spoke last and bids next
                self.tell(other, asked)

    def _sell(self, bids: Sequence[dict[str, int]]) -> None:
        self.bids = list(bids)
        sales = self._sales()
        told = [
            f"{item}: {self.info.roles[sales[item][0]]} for {sales[item][1]}" if item in sales else f"{item}: unsold"
            for item in self.game.items
        ]
        for player, worth in enumerate(self.worths()):
            self.tell(player, [f"Sold. {'; '.join(told)}. You have {worth} in all."])

    def _ask(self) -> str:
        if self._talking:
            return "What do you say to the others?"
        return f"Your bids, as '{self.game.items[0]} 120', at most {self.game.params.capital} in all?"
