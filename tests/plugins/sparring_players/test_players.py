"""Players: that they play what they say, and refuse games that they cannot play."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from sparring import Game, Player, SeededChance, SparringError, State
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_games.matrix_game import MatrixGame, MatrixGameParams
from sparring_games.tic_tac_toe import TicTacToe, TicTacToeParams
from sparring_players.equilibrium import Equilibrium, EquilibriumParams
from sparring_players.minimax import Minimax, MinimaxParams
from sparring_players.random import Random, RandomParams

KUHN, TIC_TAC_TOE = KuhnPoker(KuhnPokerParams()), TicTacToe(TicTacToeParams())


def match(game: Game, first: Player, second: Player, seed: int) -> tuple[float, ...]:
    chance = SeededChance("match", seed)
    state = game.new_state(chance)
    while players := state.to_act():
        player = players[0]
        assert state.apply({player: (first, second)[player].act(player, state, chance)})[player].legal
    return state.outcome().returns


def after(game: Game, *moves: str) -> State:
    state = game.new_state(SeededChance(0))
    for move in moves:
        state.apply({state.to_act()[0]: move})
    return state


def counts(player: Player, state: State, draws: int = 600) -> Counter[str]:
    chance = SeededChance("counts")
    return Counter(player.act(state.to_act()[0], state, chance) for _ in range(draws))


def test_random_plays_every_legal_action_equally_often() -> None:
    found = counts(Random(RandomParams()), after(TIC_TAC_TOE, "5", "1", "9", "2", "3", "7"))
    assert set(found) == {"4", "6", "8"}
    assert min(found.values()) > 150


def test_minimax_never_loses_to_random() -> None:
    perfect, random = Minimax(MinimaxParams()), Random(RandomParams())
    for seed in range(25):
        assert match(TIC_TAC_TOE, perfect, random, seed)[0] >= 0
        assert match(TIC_TAC_TOE, random, perfect, seed)[1] >= 0


def test_minimax_draws_with_itself() -> None:
    perfect = Minimax(MinimaxParams())
    assert {match(TIC_TAC_TOE, perfect, perfect, seed)[0] for seed in range(5)} == {0.0}


def test_minimax_plays_all_the_best_moves_and_no_other() -> None:
    perfect = Minimax(MinimaxParams())
    assert set(counts(perfect, after(TIC_TAC_TOE, "1", "4", "2", "5"))) == {"3"}  # the only winning move
    assert set(counts(perfect, after(TIC_TAC_TOE, "5"))) == {"1", "3", "7", "9"}  # an edge loses to the centre
    assert set(counts(perfect, after(TIC_TAC_TOE, "1"))) == {"5"}  # anything else loses to a corner
    assert len(counts(perfect, after(TIC_TAC_TOE))) == 9  # every first move draws


def test_minimax_moves_the_same_by_the_same_chance() -> None:
    state = after(TIC_TAC_TOE, "5")
    assert counts(Minimax(MinimaxParams()), state) == counts(Minimax(MinimaxParams()), state)


@pytest.mark.parametrize("game", [KUHN, MatrixGame(MatrixGameParams())])
def test_minimax_refuses_hidden_information_and_simultaneous_moves(game: Game) -> None:
    with pytest.raises(SparringError, match=f"perfect information.*{game.info.name}"):
        Minimax(MinimaxParams()).act(0, game.new_state(SeededChance(0)), SeededChance(0))


def test_equilibrium_bets_a_king_three_times_as_often_as_a_jack() -> None:
    player = Equilibrium(EquilibriumParams(alpha=1 / 6))
    bets: dict[str, float] = {}
    for seed in range(40):
        state = KUHN.new_state(SeededChance(seed))
        bets[state.cards[0]] = counts(player, state)["bet"] / 600
    assert bets["J"] == pytest.approx(1 / 6, abs=0.05)
    assert bets["Q"] == 0
    assert bets["K"] == pytest.approx(1 / 2, abs=0.06)


def test_equilibrium_loses_an_eighteenth_to_itself() -> None:
    """Within four standard errors, of about 1.3 chips a hand."""
    player = Equilibrium(EquilibriumParams())
    mean = sum(match(KUHN, player, player, seed)[0] for seed in range(4000)) / 4000
    assert mean == pytest.approx(-1 / 18, abs=4 * 1.3 / 4000**0.5)


@pytest.mark.parametrize("game", [KuhnPoker(KuhnPokerParams(rounds=2)), KuhnPoker(KuhnPokerParams(bet=2)), TIC_TAC_TOE])
def test_equilibrium_refuses_other_games(game: Game) -> None:
    with pytest.raises(SparringError, match="equilibrium"):
        Equilibrium(EquilibriumParams()).act(0, game.new_state(SeededChance(0)), SeededChance(0))


def test_equilibrium_is_for_alpha_up_to_a_third() -> None:
    with pytest.raises(ValidationError):
        EquilibriumParams(alpha=0.34)
