"""What can be won from play whose NashConv is known, exactly for the learner and within its interval for the evaluator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sparring import Choice, Game, Params, RecipeError, Sampling, SeededChance, SparringError, State, random_action
from sparring.evaluation import Evaluation
from sparring.examples import MessageChat
from sparring.play import Hall, Held
from sparring.plugins import load_plugins
from sparring.pool import Pool
from sparring.recipe import RecipeSource, load_recipe
from sparring_evaluators.best_response import BestResponse, BestResponseParams, Key, Learner, Memory
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_roles.turn_based import TurnBased, TurnBasedParams
from sparring_tree import Node, walk

ROLES = ("player_0", "player_1")


def key(*moves: str) -> Key:
    """A position by the player's own moves, told nothing."""
    return (), moves


def test_a_move_is_worth_what_the_best_move_after_it_is() -> None:
    """``left`` was mostly followed by a mistake, yet its best continuation beats ``right``."""
    memory = Memory()
    for won, *path in [
        (-5.0, (key(), "left"), (key("left"), "down")),
        (-5.0, (key(), "left"), (key("left"), "down")),
        (2.0, (key(), "left"), (key("left"), "up")),
        (1.0, (key(), "right")),
    ]:  # fmt: skip
        memory.add(path, won)  # type: ignore[arg-type]
    assert memory.best() == {key(): "left", key("left"): "up"}
    memory.add([(key(), "left")], -2.0)  # (3 · 2 - 2) / 4 = 1: no longer better
    memory.add([(key(), "left")], -2.0)  # (3 · 2 - 4) / 5 = 0.4: worse
    assert memory.best()[key()] == "right"


def exact(game: Game, seat: int, best: dict[Key, str]) -> float:
    """What the moves win on a seat from an opponent that plays evenly, over the whole tree."""
    nodes = {node.history: node for node in walk(game)}

    def at(history: Any, player: int) -> Node:
        return next(nodes[history[:n]] for n in range(len(history), -1, -1) if history[:n] in nodes)

    value = 0.0
    for node in nodes.values():
        if not node.terminal:
            continue
        probability, own = node.probability, ()
        for n, event in enumerate(node.history):
            if event.player is None:
                continue
            state = at(node.history[:n], event.player).state
            if event.player == seat:
                probability *= best[tuple(state.observe(seat)), own] == event.text
                own = (*own, event.text)  # type: ignore[assignment]
            else:
                probability /= len(state.legal_actions(event.player) or [])
        value += probability * node.state.outcome().returns[seat]
    return value


@pytest.mark.parametrize(("seat", "improvement", "even"), [(0, 0.375, 1 / 8), (1, 0.541667, -1 / 8)])
def test_the_learner_finds_the_exact_best_response_to_even_play_in_kuhn(
    seat: int, improvement: float, even: float
) -> None:
    """The two improvements are OpenSpiel's and add up to 11/12; the first to act wins 1/8 when both play evenly."""
    game, memory = KuhnPoker(KuhnPokerParams()), Memory()
    for number in range(4000):
        chance = SeededChance("match", seat, number)
        state: State = game.new_state(chance)
        learner = Learner({}, 1.0)
        while players := state.to_act():
            player = players[0]
            act = learner.act(player, state, chance) if player == seat else random_action(state, player, chance)
            state.apply({player: act})
        memory.add(learner.path, state.outcome().returns[seat])
    assert exact(game, seat, memory.best()) == pytest.approx(improvement + even, abs=1e-6)


class NeverAsked:
    def release(self) -> None:
        pass


class Seated(Evaluation):
    """An evaluation whose policy plays as a player does."""

    who: Held

    def held(self, policy: str, version: int | None = None) -> Held:
        return self.who


def choice(kind: Any, name: str, **given: Any) -> Choice[Any]:
    component = load_plugins().registry.get(kind, name)
    params: Params = component.params(**given)
    return Choice(name, params, component)


def evaluated(game: Choice[Any], policy: str, *, seed: int = 0, **given: Any) -> dict[str, float]:
    chat = MessageChat()
    hall = Hall(NeverAsked(), {"main": chat}, "main")  # type: ignore[arg-type, dict-item]
    entry: Any = SimpleNamespace(
        game=game.make(), scheme=TurnBased(TurnBasedParams()), sampling=Sampling(), judges={}, roles={}
    )
    run = Seated(0, seed, hall, ["main"], [entry], Pool(hall.generator))
    run.who = Held.by(policy, choice("player", policy).make(), game.make())
    params = BestResponseParams.model_construct(
        **{"game": game, "players": [], "learn": 0, "trial": 100, "episodes": 500, "policy": "", **given}
    )
    where = f"eval/best_response/{game.make().info.name}/"
    return {name.removeprefix(where): value for name, value in BestResponse(params).evaluate(run).items()}


def test_even_play_in_kuhn_is_bounded_close_below_its_nash_conv() -> None:
    """Within a tenth below 11/12, beyond what 3000 matches leave uncertain (0.11 at 95 %)."""
    found = evaluated(choice("game", "kuhn_poker"), "random", learn=600, episodes=1500)
    error = found["lower_bound_high"] - found["lower_bound"]
    assert error < 0.12
    assert 11 / 12 - 0.1 - error < found["lower_bound"] < 11 / 12 + error
    assert found["lower_bound_low"] < 11 / 12
    assert found["lower_bound"] == pytest.approx(found["player_0/value"] + found["player_1/value"])


def test_little_is_won_from_an_equilibrium() -> None:
    found = evaluated(choice("game", "kuhn_poker"), "equilibrium", learn=600, episodes=1500)
    assert found["lower_bound_low"] < 0
    assert found["lower_bound"] < 0.12


def test_the_best_of_several_is_chosen_and_measured_apart_from_its_trial() -> None:
    players = [choice("player", "random"), choice("player", "minimax")]
    found = evaluated(choice("game", "tic_tac_toe"), "random", players=players, trial=20, episodes=50)
    for role in ROLES:
        assert found[f"{role}/trial/minimax"] > found[f"{role}/trial/random"]
        assert found[f"{role}/value"] > 0.6
        assert found[f"{role}/value"] != found[f"{role}/trial/minimax"]


def test_choosing_among_many_lucky_responders_does_not_flatter_the_bound() -> None:
    """From even play of rock, paper, scissors nothing can be won; of short trials somebody always wins something."""
    game = choice("game", "matrix_game")
    players = [choice("player", "random")]
    all_found = [
        evaluated(game, "random", seed=seed, players=players, learn=20, trial=6, episodes=60) for seed in range(30)
    ]
    trials = [max(found[f"{role}/trial/{name}"] for name in ("learner", "random"))
              for found in all_found for role in ROLES]  # fmt: skip
    assert sum(trials) / len(trials) > 0.1
    # A sum of two means of 60 matches of variance 2/3 has deviation 0.15, their mean over 30 runs 0.027.
    assert abs(sum(found["lower_bound"] for found in all_found) / 30) < 3 * 0.027


def test_three_players_are_each_answered_in_turn() -> None:
    """NashConv of even play is 2.0625 over three players."""
    found = evaluated(choice("game", "three_player_kuhn"), "random", learn=600, episodes=600)
    assert len([name for name in found if name.endswith("/value")]) == 3
    assert 1.2 < found["lower_bound"] < 2.0625 + found["lower_bound_high"] - found["lower_bound"]


def test_equal_runs_find_equal_numbers() -> None:
    once, again = (evaluated(choice("game", "kuhn_poker"), "random", learn=100, episodes=50) for _ in range(2))
    assert once == again


def test_games_whose_returns_do_not_sum_to_zero_are_refused() -> None:
    with pytest.raises(SparringError, match="returns sum to zero; those of tiny_hanabi have utility 'identical'"):
        evaluated(choice("game", "tiny_hanabi"), "random", learn=10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("learn: 0", "names no responder"),
        ("players: [minimax]", r"players\.0: the player minimax plays .* kuhn_poker is none"),
        ("players: [random, random]", "names one twice"),
        ("policy: mian", r"no policy named 'mian' \(there are: main\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(given: str, message: str) -> None:
    text = (
        "format: 1\npolicies: {main: {model: tiny}}\nplay: [{game: kuhn_poker}]\nobjective: policy_gradient\n"
        f"train: {{steps: 1}}\nevaluate: [{{use: best_response, game: kuhn_poker, {given}, every: 1}}]\n"
    )
    with pytest.raises(RecipeError, match=message):
        load_recipe(RecipeSource("mine", text, "mine.yaml"), load_plugins().registry)
