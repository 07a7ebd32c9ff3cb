"""Goofspiel: both bid a card for a prize at the same time, the higher bid takes it.

Each player holds the cards 1 to ``num_cards``, and so many prizes are worth 1 to ``num_cards`` points. The prizes come in a
known order or by chance; for each one both players choose a card, which is used up. Equal bids, and nobody gets the
prize. The last cards are played by themselves. With ``imp_info`` players are told only who won a prize, not the other's
card. It is OpenSpiel's ``goofspiel``, by its own names of parameters, made turn-based.

With open cards OpenSpiel's information state leaves out in which order they were played, so that beyond three cards what
players know cannot be compared and no twin is declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import bare, one_of, read_moves
from sparring_games.text_state import TextState

_SHOWN_ORDERS = {"descending": "from the highest to the lowest", "ascending": "from the lowest to the highest"}


class GoofspielParams(Params):
    num_cards: int = Field(4, ge=2, le=13, description="Cards of each player, and prizes.")
    imp_info: bool = Field(True, description="Players are told who won a prize, but not the other's card.")
    points_order: Literal["descending", "ascending", "random"] = Field(
        "descending", description="In which order prizes come; random draws each from those left."
    )
    returns_type: Literal["win_loss", "point_difference"] = Field(
        "win_loss",
        description="What a match pays: +1, -1 or 0 by who has more points, or points less the mean of both: half the difference.",
    )


class Goofspiel:
    """Goofspiel: both bid a card for a prize at the same time, the higher bid takes it."""

    def __init__(self, params: GoofspielParams) -> None:
        self.params = params
        n = params.num_cards
        points = n * (n + 1) // 2
        # Nobody wins all the prizes: who bids one more each time has the lowest card left against the highest.
        most = 1.0 if params.returns_type == "win_loss" else points / 2 - 1
        inner = (
            f"goofspiel(num_cards={n},imp_info={str(params.imp_info).lower()},points_order={params.points_order},"
            f"returns_type={params.returns_type})"
        )
        cards = {str(card): card - 1 for card in range(1, n + 1)}
        comparable = params.imp_info or n <= 3
        self.info = GameInfo(
            name="goofspiel",
            roles=("player_0", "player_1"),
            utility="zero",
            bounds=(-most, most),
            max_turns=2 * (n - 1),
            simultaneous=True,
            perfect_information=not params.imp_info,
            symmetric=True,
            twin=Twin(f"turn_based_simultaneous_game(game={inner})", cards) if comparable else None,
        )
        order = _SHOWN_ORDERS.get(params.points_order, "in random order")
        goal = "Most points win." if params.returns_type == "win_loss" else "You get half the difference in points."
        told = "You are told who won, not the other's card. " if params.imp_info else ""
        self.rules = (
            f"Goofspiel: you and your opponent hold cards 1 to {n}. For each prize, 1 to {n} points {order}, both play a card at "
            f"once; the higher card wins it, equal cards leave it to nobody. {told}{goal}"
        )

    def new_state(self, chance: Chance) -> GoofspielState:
        state = GoofspielState(self, chance)
        state.reveal([], [])
        return state

    def restore(self, snapshot: str, chance: Chance) -> GoofspielState:
        return GoofspielState(self, chance).load(snapshot)


class GoofspielState(TextState[Goofspiel]):
    kept = ("prizes", "bids", "points")

    def __init__(self, game: Goofspiel, chance: Chance) -> None:
        super().__init__(game, chance)
        self.prizes: list[int] = []  # those revealed, the one to bid for last
        self.bids: list[list[int]] = [[], []]  # cards of player 0 and 1, in the order played
        self.points = [0, 0]

    def to_act(self) -> tuple[int, ...]:
        return () if len(self.bids[0]) == self.game.params.num_cards else (0, 1)

    def legal_actions(self, player: int) -> list[str]:
        return [str(card) for card in self._hand(player)]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, {player: bare(text).removeprefix("card ") for player, text in moves.items()})
        chosen = [move.action for _, move in sorted(read.items())]
        if None in chosen:
            return read
        news: tuple[list[str], list[str]] = ([], [])
        self._bid([int(card) for card in chosen if card is not None], news)
        if len(self._hand(0)) == 1:
            self.prizes += self._left()
            last = [self._hand(player)[0] for player in range(2)]
            for told in news:
                told.append(f"The last cards are played for prize {self.prizes[-1]}.")
            self._bid(last, news)
        self.reveal(*news)
        return read

    def outcome(self) -> Outcome:
        ahead = (self.points[0] - self.points[1]) / 2
        if self.game.params.returns_type == "win_loss":
            ahead = (ahead > 0) - (ahead < 0)
        return Outcome.of_returns((ahead, -ahead), f"points {self.points[0]} to {self.points[1]}")

    def reveal(self, *news: list[str]) -> None:
        """Add the news to the logs, then the next prize and the question, or how it ended."""
        over = not self.to_act()
        if not over:
            left, order = self._left(), self.game.params.points_order
            self.prizes.append(self.chance.pick(left) if order == "random" else left[0 if order == "ascending" else -1])
        for player, told in enumerate(news):
            if not self.bids[0]:
                told.append(self.game.rules)
            else:
                told.append(f"Points: you {self.points[player]}, opponent {self.points[1 - player]}.")
            if not over:
                told.append(f"Prize {self.prizes[-1]}. Play {one_of(self.legal_actions(player))}.")
            self.tell(player, told)

    def _hand(self, player: int) -> list[int]:
        return [card for card in range(1, self.game.params.num_cards + 1) if card not in self.bids[player]]

    def _left(self) -> list[int]:
        """The prizes to come."""
        return [prize for prize in range(1, self.game.params.num_cards + 1) if prize not in self.prizes]

    def _bid(self, cards: list[int], news: tuple[list[str], list[str]]) -> None:
        prize = self.prizes[-1]
        for player in range(2):
            mine, theirs = cards[player], cards[1 - player]
            if not self.game.params.imp_info:
                news[player].append(f"Your opponent plays {theirs}.")
            who = "You win" if mine > theirs else "Your opponent wins" if mine < theirs else "Nobody wins"
            news[player].append(f"{who} the {prize}.")
            self.bids[player].append(mine)
            self.points[player] += prize * (mine > theirs)
