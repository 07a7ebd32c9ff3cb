"""Kuhn poker for three: four cards, one bet.

Each player antes 1 and gets one of J < Q < K < A. In turn they check, or bet 1; once somebody has bet, the two others fold or
call in turn. The highest card of those who did not fold wins the pot. It is OpenSpiel's ``kuhn_poker`` for three
players. Source: Abou Risk and Szafron 2010, "Using Counterfactual Regret Minimization to Create Competitive Multiplayer
Poker Agents".
"""

from __future__ import annotations

from collections.abc import Mapping

from sparring import Chance, GameInfo, Move, Outcome, Params, Twin
from sparring_games.moves import one_of, read_moves
from sparring_games.text_state import TextState

CARDS = ("J", "Q", "K", "A")
PLAYERS = 3
_SAYS = {"check": "checks", "bet": "bets", "fold": "folds", "call": "calls"}
_RULES = (
    "Kuhn poker for three: cards J<Q<K<A, one each. The ante is 1, a bet is 1 more. Once one has bet, the two others call or "
    "fold. The highest card of those who stayed wins the pot."
)


class ThreePlayerKuhnParams(Params):
    """It has no parameters."""


class ThreePlayerKuhn:
    """Kuhn poker for three: four cards, one bet."""

    info = GameInfo(
        name="three_player_kuhn",
        roles=("player_0", "player_1", "player_2"),
        utility="zero",
        bounds=(-2.0, 4.0),
        max_turns=5,
        twin=Twin(
            "kuhn_poker(players=3)",
            {"check": 0, "fold": 0, "bet": 1, "call": 1, **{card: number for number, card in enumerate(CARDS)}},
        ),
    )

    def __init__(self, params: ThreePlayerKuhnParams) -> None:
        self.params = params

    def new_state(self, chance: Chance) -> KuhnState:
        state = KuhnState(self, chance)
        state.deal()
        return state

    def restore(self, snapshot: str, chance: Chance) -> KuhnState:
        return KuhnState(self, chance).load(snapshot)


class KuhnState(TextState[ThreePlayerKuhn]):
    kept = ("cards", "moves")

    def __init__(self, game: ThreePlayerKuhn, chance: Chance) -> None:
        super().__init__(game, chance)
        self.cards: list[str] = []  # of each player
        self.moves: list[str] = []

    def to_act(self) -> tuple[int, ...]:
        most = self.moves.index("bet") + PLAYERS if "bet" in self.moves else PLAYERS
        return () if len(self.moves) == most else (len(self.moves) % PLAYERS,)

    def legal_actions(self, player: int) -> list[str]:
        if player not in self.to_act():
            return []
        return ["fold", "call"] if "bet" in self.moves else ["check", "bet"]

    def apply(self, moves: Mapping[int, str]) -> dict[int, Move]:
        read = read_moves(self, moves)
        (actor,) = read
        action = read[actor].action
        if action is None:
            return read
        self.moves.append(action)
        for player in range(PLAYERS):
            news = [] if player == actor else [f"player_{actor} {_SAYS[action]}."]
            if player in self.to_act():
                news.append(self._ask())
            if not self.to_act():
                news += self._result(player)
            if news:
                self.tell(player, news)
        return read

    def outcome(self) -> Outcome:
        paid = self._paid()
        winner = max(self._staying(), key=lambda player: CARDS.index(self.cards[player]))
        returns = [sum(paid) - paid[p] if p == winner else -paid[p] for p in range(PLAYERS)]
        return Outcome.of_returns(returns, f"player_{winner} wins the pot of {sum(paid)}")

    def deal(self) -> None:
        """Give each player a card, and tell it."""
        for _ in range(PLAYERS):
            self.cards.append(self.chance.pick([card for card in CARDS if card not in self.cards]))
        for player in range(PLAYERS):
            card = f"You are player_{player}. Your card: {self.cards[player]}."
            self.tell(player, [_RULES, card, self._ask() if player == 0 else ""])

    def _ask(self) -> str:
        return f"Choose one word: {one_of(self.legal_actions(self.to_act()[0]))}."

    def _paid(self) -> list[int]:
        """Chips each player has put in."""
        paid = [1] * PLAYERS
        for number, move in enumerate(self.moves):
            paid[number % PLAYERS] += move in ("bet", "call")
        return paid

    def _staying(self) -> list[int]:
        folded = {number % PLAYERS for number, move in enumerate(self.moves) if move == "fold"}
        return [player for player in range(PLAYERS) if player not in folded]

    def _result(self, player: int) -> list[str]:
        """The cards that are shown, if more than one player stayed, and what the player wins."""
        staying = self._staying()
        shown = [f"player_{p} has {self.cards[p]}." for p in staying if p != player] if len(staying) > 1 else []
        net = int(self.outcome().returns[player])
        return [*shown, f"You win {net}." if net > 0 else f"You lose {-net}."]
