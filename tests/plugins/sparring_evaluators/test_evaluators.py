"""NashConv of known policies through the whole path of tokens, and intervals of matches by hand."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from sparring import Choice, Completion, Episode, RecipeError, Sampling
from sparring.evaluation import Evaluation
from sparring.examples import MessageChat
from sparring.play import Hall
from sparring.plugins import load_plugins
from sparring.pool import Pool
from sparring.recipe import RecipeSource, load_recipe
from sparring_evaluators.head_to_head import score
from sparring_evaluators.nash_conv import NashConv, NashConvParams, frequencies
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams, equilibrium
from sparring_roles.turn_based import TurnBased, TurnBasedParams


class Told:
    """A generator that answers with the probabilities it is told: ``bet(card, moves)`` is that of betting or calling."""

    def __init__(self, chat: MessageChat, bet: Any) -> None:
        self.chat, self.bet = chat, bet

    def _bet(self, context: Sequence[int]) -> float:
        said = [self.chat.messages[token][1] for token in context]
        card = said[0].split("Your card: ")[1][0]
        moves = ""
        for text in said:
            for word, letter in (("opponent checks", "p"), ("opponent bets", "b")):
                moves += letter if word in text else ""
            moves += {"check": "p", "bet": "b"}.get(text, "")
        return float(self.bet(f"{'JQK'.index(card)}{moves}"))

    def score(self, policy: str, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        found = []
        for context, answer in rows:
            p = self._bet(context)
            p = p if self.chat.messages[answer[0]][1] in ("bet", "call") else 1 - p
            found.append([math.log(max(p, 1e-300))])
        return found

    def room(self, requests: Sequence[object]) -> int:
        return len(requests)

    def release(self) -> None:
        pass

    def generate(self, requests: Sequence[Any]) -> list[Completion]:
        return [Completion(self.chat.answer("no move"), [0.0], "stop") for _ in requests]


def evaluated(bet: Any, **params: Any) -> dict[str, float]:
    registry = load_plugins().registry
    chat = MessageChat()
    game = KuhnPoker(KuhnPokerParams())
    hall = Hall(Told(chat, bet), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]  # both speak the protocols' methods
    entry: Any = SimpleNamespace(game=game, scheme=TurnBased(TurnBasedParams()), sampling=Sampling())
    run = Evaluation(0, 0, hall, ["main"], [entry], Pool(hall.generator))
    choice: Choice[Any] = Choice("kuhn_poker", KuhnPokerParams(), registry.get("game", "kuhn_poker"))
    evaluator = NashConv(
        NashConvParams.model_construct(
            **{"game": choice, "mode": "scored", "samples": 8, "policy": "", "bootstrap": 0, **params}
        )
    )
    assert game.info.twin is not None
    return {name.rsplit("/", 1)[1]: value for name, value in evaluator.evaluate(run).items()}


@pytest.mark.parametrize(
    ("bet", "expected"),
    [
        (lambda key: 0.5, 11 / 12),
        (lambda key: 1.0, 2 / 3),
        (lambda key: 0.0, 2.0),
        (equilibrium(1 / 6).__getitem__, 0.0),
    ],
    ids=["uniform", "always bet", "always pass", "equilibrium"],
)
def test_nash_conv_of_known_policies(bet: Any, expected: float) -> None:
    found = evaluated(bet)
    assert found["last"] == pytest.approx(expected, abs=1e-6)
    assert found["uniform"] == pytest.approx(11 / 12, abs=1e-6)
    assert found["legal_mass"] == pytest.approx(1, abs=1e-6)


def test_the_value_of_equilibrium_play_is_minus_one_eighteenth() -> None:
    assert evaluated(equilibrium(1 / 3).__getitem__)["value"] == pytest.approx(-1 / 18, abs=1e-9)


def test_answers_that_are_never_legal_count_as_uniform_and_are_told() -> None:
    found = evaluated(lambda key: 1.0, mode="sampled")
    assert found["illegal_rate"] == 1
    assert found["sampled"] == pytest.approx(11 / 12, abs=1e-6)


def test_frequencies_spread_illegal_answers_evenly() -> None:
    assert frequencies([3, 1, 4]) == [5 / 8, 3 / 8]


def test_intervals_of_matches_by_hand() -> None:
    episodes = [
        Episode(i, 0, 0, "g", [], [], {"returns": [r, -r], "offender": None}) for i, r in enumerate([1, 1, -1, 0])
    ]
    found = score(episodes, [0, 1, 0, 1])
    assert found["mean_return"] == pytest.approx((1 - 1 - 1 + 0) / 4)
    assert found["win_rate"] == pytest.approx(1.5 / 4)
    z, p, n = 1.959964, 0.375, 4
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert found["win_rate_high"] - found["win_rate_low"] == pytest.approx(2 * half)
    variance = (1.25**2 + 2 * 0.75**2 + 0.25**2) / 3
    assert found["mean_return_error"] == pytest.approx(z * math.sqrt(variance / 4))


def test_matches_that_either_side_threw_away_are_told_apart() -> None:
    offenders = [0, 0, 1, None, 1]
    episodes = [
        Episode(i, 0, 0, "g", [], [], {"returns": [0, 0], "offender": offender}) for i, offender in enumerate(offenders)
    ]
    found = score(episodes, [0, 1, 0, 1, 0])
    assert found["illegal_rate"] == pytest.approx(1 / 5)
    assert found["opponent_illegal_rate"] == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("players: [random, minimax]", r"evaluate\.0\.players\.1: the player minimax plays .* kuhn_poker is none"),
        ("policies: [mian]", r"evaluate\.0\.policies: no policy named 'mian' \(there are: main\)"),
    ],
)
def test_opponents_that_cannot_play_or_are_not_there_are_refused(given: str, message: str) -> None:
    text = (
        "format: 1\npolicies: {main: {model: tiny}}\nplay: [{game: kuhn_poker}]\nobjective: policy_gradient\n"
        f"train: {{steps: 1}}\nevaluate: [{{use: head_to_head, game: kuhn_poker, {given}, every: 1}}]\n"
    )
    with pytest.raises(RecipeError, match=message):
        load_recipe(RecipeSource("test", text, "test"), load_plugins().registry)
