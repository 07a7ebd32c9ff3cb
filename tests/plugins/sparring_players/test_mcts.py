"""Tree search: strong where it may be, blind to what it may not know, and the same for the same chance."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from click.testing import CliRunner

from sparring import Game, Player, RecipeError, SeededChance, SparringError, State
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring_cli import main
from sparring_games.connect_four import ConnectFour, ConnectFourParams
from sparring_games.goofspiel import Goofspiel, GoofspielParams
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_games.nim import Nim, NimParams
from sparring_games.pig import Pig, PigParams
from sparring_games.tic_tac_toe import TicTacToe, TicTacToeParams
from sparring_players.mcts import Mcts, MctsParams
from sparring_players.minimax import Minimax, MinimaxParams
from sparring_players.random import Random, RandomParams

TIC_TAC_TOE, KUHN = TicTacToe(TicTacToeParams()), KuhnPoker(KuhnPokerParams())


def mcts(game: Game, simulations: int = 100, **more: Any) -> Player:
    return Mcts(MctsParams(simulations=simulations, **more)).playing(game)


def match(game: Game, first: Player, second: Player, seed: int) -> tuple[float, ...]:
    """Every act has a chance of its own, as at a table."""
    state, turn = game.new_state(SeededChance("match", seed)), 0
    while players := state.to_act():
        chance = SeededChance("act", seed, turn)
        moves = {player: (first, second)[player].act(player, state, chance) for player in players}
        assert all(move.legal for move in state.apply(moves).values())
        turn += 1
    return state.outcome().returns


def after(game: Game, *moves: str, seed: int = 0) -> State:
    state = game.new_state(SeededChance(seed))
    for move in moves:
        state.apply({state.to_act()[0]: move})
    return state


def choice(player: Player, state: State, seed: int = 0) -> str:
    return player.act(state.to_act()[0], state, SeededChance("choice", seed))


# ---- strength --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seat", [0, 1])
def test_it_never_loses_tic_tac_toe_to_random(seat: int) -> None:
    players = [Random(RandomParams()), mcts(TIC_TAC_TOE, 200)]
    players = players if seat else players[::-1]
    returns = [match(TIC_TAC_TOE, *players, seed)[seat] for seed in range(15)]
    assert min(returns) >= 0
    assert sum(returns) > 10  # it wins nearly always, it does not only hold out


@pytest.mark.slow
def test_it_draws_with_minimax_given_enough_playouts() -> None:
    perfect, player = Minimax(MinimaxParams()), mcts(TIC_TAC_TOE, 1500)
    assert [match(TIC_TAC_TOE, player, perfect, seed)[0] for seed in range(6)] == [0.0] * 6
    assert [match(TIC_TAC_TOE, perfect, player, seed)[1] for seed in range(6)] == [0.0] * 6


def test_with_a_single_playout_it_plays_at_random_and_loses_to_minimax() -> None:
    """What makes it strong is the search, not the frame around it."""
    perfect, player = Minimax(MinimaxParams()), mcts(TIC_TAC_TOE, 1)
    assert len({choice(player, after(TIC_TAC_TOE), seed) for seed in range(60)}) == 9
    assert sum(match(TIC_TAC_TOE, perfect, player, seed)[0] for seed in range(10)) > 5


@pytest.mark.parametrize("seed", range(5))
def test_it_takes_a_win_in_one_and_stops_a_loss_in_one(seed: int) -> None:
    player = mcts(TIC_TAC_TOE)
    assert choice(player, after(TIC_TAC_TOE, "1", "4", "2", "5"), seed) == "3"
    assert choice(player, after(TIC_TAC_TOE, "1", "5", "2"), seed) == "3"


def test_it_leaves_a_lost_position_at_nim() -> None:
    """Piles 1 and 2, the last one taken wins: only taking one of the two leaves piles that are equal."""
    game = Nim(NimParams(pile_sizes=(1, 2), misere=False))
    assert {choice(mcts(game), after(game), seed) for seed in range(10)} == {"B1"}
    whole = Nim(NimParams())
    player, random = mcts(whole, 400), Random(RandomParams())
    won = [match(whole, player, random, s)[0] for s in range(5)] + [
        match(whole, random, player, s)[1] for s in range(5)
    ]
    assert sum(won) >= 8


def test_it_beats_random_at_connect_four() -> None:
    game = ConnectFour(ConnectFourParams())
    player, random = mcts(game, 50), Random(RandomParams())
    assert [match(game, player, random, s)[0] for s in range(3)] + [
        match(game, random, player, s)[1] for s in range(3)
    ] == [1.0] * 6


def test_it_plays_the_odds_of_a_die() -> None:
    """It keeps ten points rather than stake them on a coin, and rolls for a win of five in six that is its last chance."""
    coin, die = Pig(PigParams(winscore=20, diceoutcomes=2)), Pig(PigParams(winscore=20))
    ahead, behind = coin.new_state(SeededChance(0)), die.new_state(SeededChance(0))
    ahead.total = 10
    behind.scores, behind.total = [10, 19], 9
    assert {choice(mcts(coin), ahead, seed) for seed in range(5)} == {"stop"}
    assert {choice(mcts(die), behind, seed) for seed in range(5)} == {"roll"}


def test_moves_at_once_are_chosen_without_the_others() -> None:
    """Goofspiel with two cards for prizes of 2 and then 1: bidding the higher card first never does worse."""
    game = Goofspiel(GoofspielParams(num_cards=2, imp_info=False, points_order="descending"))
    state = game.new_state(SeededChance(0))
    assert state.to_act() == (0, 1)
    assert [mcts(game, 300).act(player, state, SeededChance(player)) for player in (0, 1)] == ["2", "2"]


# ---- hidden information ----------------------------------------------------------------------------------------------


def dealt(first: str, second: str, *moves: str) -> State:
    state = KUHN.new_state(SeededChance(0))
    state.cards, state.logs, state.chips = [], [[], []], [KUHN.stack, KUHN.stack]
    state.deal((first, second))
    for move in moves:
        state.apply({state.to_act()[0]: move})
    return state


@pytest.mark.parametrize("moves", [(), ("bet",), ("check",), ("check", "bet")])
@pytest.mark.parametrize(("mine", "others"), [("J", "QK"), ("Q", "JK"), ("K", "JQ")])
def test_what_the_opponent_holds_changes_nothing(moves: tuple[str, ...], mine: str, others: str) -> None:
    player = mcts(KUHN, 50)
    acting = len(moves) % 2
    for seed in range(5):
        states = [dealt(*((mine, other) if acting == 0 else (other, mine)), *moves) for other in others]
        assert len({choice(player, state, seed) for state in states}) == 1


def test_it_calls_with_a_king_and_folds_a_jack() -> None:
    player = mcts(KUHN, 200)
    assert {choice(player, dealt("Q", "K", "bet"), seed) for seed in range(5)} == {"call"}
    assert {choice(player, dealt("Q", "J", "bet"), seed) for seed in range(5)} == {"fold"}


@pytest.mark.parametrize("moves", [(), ("check",), ("check", "bet"), ("bet",)])
def test_a_hand_drawn_anew_is_one_the_player_could_be_in(moves: tuple[str, ...]) -> None:
    state = dealt("Q", "K", *moves)
    player = state.to_act()[0]
    mine = state.cards[player]
    drawn: Counter[str] = Counter()
    for seed in range(400):
        other = state.resample(player, SeededChance("resample", seed))
        assert other.observe(player) == state.observe(player)
        assert (other.to_act(), other.history, other.chips, other.cards[player]) == (
            state.to_act(),
            state.history,
            state.chips,
            mine,
        )
        other.clone().apply({player: other.legal_actions(player)[0]})
        drawn[other.cards[1 - player]] += 1
    assert set(drawn) == set("JQK") - {mine}
    assert all(abs(count - 200) < 50 for count in drawn.values())


def test_the_dice_to_come_change_nothing() -> None:
    """The match's own chance, which a copy would share, is never asked."""
    game = Pig(PigParams(winscore=20))
    for seed in range(4):
        moved = set()
        for dice in range(12):
            state = game.new_state(SeededChance("dice", dice))
            state.total = 9
            moved.add(choice(mcts(game, 20), state, seed))
        assert len(moved) == 1


# ---- chance ----------------------------------------------------------------------------------------------------------


def test_it_moves_the_same_by_the_same_chance_and_leaves_the_match_alone() -> None:
    state = after(TIC_TAC_TOE)
    before = state.snapshot()
    first = [choice(mcts(TIC_TAC_TOE, 20), state, seed) for seed in range(20)]
    assert first == [choice(mcts(TIC_TAC_TOE, 20), state, seed) for seed in range(20)]
    assert len(set(first)) > 1
    assert state.snapshot() == before


# ---- where it may not play -------------------------------------------------------------------------------------------

RECIPE = "format: 1\npolicies: {main: {model: tiny}}\nobjective: policy_gradient\ntrain: {steps: 1}\n"


@pytest.mark.parametrize(
    ("game", "reason"),
    [
        ("leduc_poker", "must not look at what leduc_poker hides"),
        ("blind_auction", "must not look at what blind_auction hides"),
        ("{use: kuhn_poker, rounds: 3}", "rounds: 3 cannot be drawn anew"),
        ("{use: goofspiel, imp_info: true}", "must not look at what goofspiel hides"),
    ],
)
def test_a_recipe_that_has_it_peek_is_refused_before_anything_is_loaded(game: str, reason: str) -> None:
    text = f"{RECIPE}play: [{{game: {game}, roles: {{player_1: mcts}}}}]\n"
    with pytest.raises(RecipeError, match=rf"play\.0: cannot be set up: .*{reason}"):
        load_recipe(RecipeSource("test", text, "test"), load_plugins().registry)


def test_every_bundled_game_is_played_or_refused_with_the_games_that_it_can_play() -> None:
    registry = load_plugins().registry
    played = set()
    for component in registry.all("game"):
        try:
            params = component.params()
        except ValueError:
            continue  # a parameter without a default: the adapters
        game: Game = component.factory(params)
        try:
            player = mcts(game, 5)
        except SparringError as error:
            assert "such as tic_tac_toe" in str(error)  # noqa: PT017  # most raise nothing
            continue
        state = game.new_state(SeededChance(1))
        for mover in state.to_act():
            assert player.act(mover, state, SeededChance(2)) in (state.legal_actions(mover) or ())
        played.add(component.name)
    assert played == {"tic_tac_toe", "connect_four", "nim", "pig", "repeated_dilemma", "kuhn_poker"}


def test_a_person_plays_against_it(tmp_path: Any) -> None:
    result = CliRunner().invoke(
        main, ["play", "nim", "--against", "mcts", "--set", "pile_sizes=[1,1]", "--matches", "1"], input="A1\n"
    )
    assert result.exit_code == 0, result.output
    assert "you get +1" in result.output
