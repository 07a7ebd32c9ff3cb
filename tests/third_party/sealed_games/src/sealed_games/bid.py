"""A sealed-bid auction of two: what is sold is worth something else to each, the higher bid wins and pays itself.

Who bids its own value gains nothing. With values spread evenly, bidding half of it is an equilibrium (Vickrey 1961).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import Field
from sparring import Chance, GameInfo, Move, Outcome, Params


class SealedBidParams(Params):
    top: int = Field(5, ge=1, description="Values are 0 to this, each as likely; so far go bids.")


class SealedBid:
    """A sealed-bid auction: both bid at once, the higher bid wins and pays."""

    def __init__(self, params: SealedBidParams) -> None:
        self.params = params
        self.info = GameInfo(
            name="sealed_bid",
            roles=("bidder_0", "bidder_1"),
            utility="general",
            bounds=(-params.top, params.top),
            max_turns=2,
            simultaneous=True,
            symmetric=True,
        )

    def new_state(self, chance: Chance) -> SealedBidState:
        amounts = range(self.params.top + 1)
        return SealedBidState(self, (chance.pick(amounts), chance.pick(amounts)), ())

    def restore(self, snapshot: str, chance: Chance) -> SealedBidState:
        values, bids = json.loads(snapshot)
        return SealedBidState(self, tuple(values), tuple(bids))


class SealedBidState:
    """What it is worth to each, and what they bid: nothing yet, or both."""

    def __init__(self, game: SealedBid, values: tuple[int, ...], bids: tuple[int, ...]) -> None:
        self.game, self.values, self.bids = game, values, bids

    @property
    def info(self) -> GameInfo:
        return self.game.info

    def to_act(self) -> tuple[int, ...]:
        return () if self.bids else (0, 1)

    def observe(self, player: int) -> list[str]:
        top = self.game.params.top
        log = [f"It is worth {self.values[player]} to you. Bid 0 to {top}: the higher bid wins and pays."]
        if self.bids:
            log.append(f"The other bids {self.bids[1 - player]}. You get {self.returns()[player]}.")
        return log

    def legal_actions(self, player: int) -> list[str]:
        return [] if self.bids else [str(bid) for bid in range(self.game.params.top + 1)]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = {player: self.read(text) for player, text in moves.items()}
        if all(move.legal for move in read.values()):
            self.bids = tuple(int(read[player].action or 0) for player in (0, 1))
        return read

    def read(self, text: str) -> Move:
        legal = self.legal_actions(0)
        if text.strip() in legal:
            return Move(text.strip())
        return Move(None, f"{text.strip()[:40]!r} is no bid; bid {legal[0]} to {legal[-1]}")

    def returns(self) -> tuple[int, int]:
        """Who bids more gets its value less its bid. Equal bids win nothing."""
        (mine, theirs), (value, other) = self.bids, self.values
        return (value - mine if mine > theirs else 0, other - theirs if theirs > mine else 0)

    def rewards(self) -> list[float]:
        return [0.0, 0.0]

    def outcome(self) -> Outcome:
        return Outcome.of_returns(self.returns(), f"bids {self.bids[0]} and {self.bids[1]}")

    def clone(self) -> SealedBidState:
        return SealedBidState(self.game, self.values, self.bids)

    def snapshot(self) -> str:
        return json.dumps([self.values, self.bids])
