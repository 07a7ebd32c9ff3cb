"""PettingZoo's games as ours: sound, its own rewards, words that agree with its arrays, and clear words where there is no way."""

from __future__ import annotations

import copy
import importlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sparring import GameError, SeededChance, random_action
from sparring.testing import check_game, make
from sparring_adapters import pettingzoo as adapter
from sparring_adapters.pettingzoo import MISSING, PettingZoo, PettingZooParams, PettingZooState, legal
from sparring_adapters.pettingzoo_words import WORDS
from sparring_cli import main

pytest.importorskip("pettingzoo", reason="games of PettingZoo need it: make install-games")
pytest.importorskip("rlcard", reason="PettingZoo's classic games need it: make install-games")

SMALL_HANABI = {"colors": 2, "ranks": 3, "hand_size": 2}
#: Every game that has words: (name, its parameters, our max_turns).
GAMES: list[tuple[str, dict[str, Any], int | None]] = [
    ("tictactoe", {}, None),
    ("connect_four", {}, None),
    ("leduc_holdem", {}, None),
    ("texas_holdem", {}, None),
    ("texas_holdem", {"num_players": 3}, None),
    ("texas_holdem_no_limit", {}, None),
    ("rps", {"max_cycles": 3}, None),
    ("hanabi", SMALL_HANABI, None),
    ("go", {"board_size": 3}, None),
    ("chess", {}, 4),
]


def game(name: str, max_turns: int | None = None, **parameters: Any) -> PettingZoo:
    return PettingZoo(PettingZooParams(name=name, parameters=parameters, max_turns=max_turns))


def play(played: PettingZoo, seed: int, turns: int = 1000) -> PettingZooState:
    state, chance = played.new_state(SeededChance(seed)), SeededChance("players", seed)
    while (players := state.to_act()) and len(state.actions) < turns:
        state.apply({player: random_action(state, player, chance) for player in players})
    return state


def test_every_game_that_has_words_is_tried_here() -> None:
    assert {name for name, _, _ in GAMES} == set(WORDS)


@pytest.mark.parametrize(("name", "parameters", "turns"), GAMES)
def test_it_is_a_sound_game(name: str, parameters: dict[str, Any], turns: int | None) -> None:
    check_game(game(name, turns, **parameters), episodes=2)


@pytest.mark.parametrize(("name", "parameters", "turns"), GAMES)
def test_matches_end_and_pay_what_pettingzoo_pays(name: str, parameters: dict[str, Any], turns: int | None) -> None:
    """The same actions in the environment with all its wrappers, whose rewards are summed as its own loop does."""
    played = game(name, turns, **parameters)
    for seed in range(20):
        state = play(played, seed)
        env = importlib.import_module(f"pettingzoo.classic.{adapter._versions()[name]}").env(**parameters)
        env.reset(seed=state.seed)
        returns = dict.fromkeys(env.possible_agents, 0.0)
        actions = iter(state.actions)
        for agent in env.agent_iter():
            _, reward, ended, cut, _ = env.last(observe=False)
            returns[agent] += float(reward)
            action = None if ended or cut else next(actions, None)
            if action is None and not (ended or cut):
                break  # ours was cut off by max_turns
            env.step(action)
        outcome = state.outcome()
        if "truncated" not in outcome.kinds:
            assert outcome.returns == tuple(returns.values())


def test_its_generator_is_its_own() -> None:
    """Whoever draws from the global generators meanwhile, and whatever they are at."""
    holdem = game("leduc_holdem")
    alone = [play(holdem, seed).snapshot() for seed in range(5)]
    for seed in range(5):
        np.random.seed(seed)
        random.seed(seed)
        assert play(holdem, seed).snapshot() == alone[seed]
    assert len(set(alone)) > 1


def test_a_copy_that_is_a_new_match_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `copy.deepcopy` makes of PettingZoo's environments: it copies what they were made with."""

    def new_match(env: Any) -> Any:
        other = copy.deepcopy(env)
        other.reset()
        return other

    monkeypatch.setattr(adapter, "_copied", new_match)
    with pytest.raises(GameError):
        check_game(game("connect_four"), episodes=2)


def test_listed_moves_are_those_of_the_mask() -> None:
    state, chance = game("connect_four").new_state(SeededChance(0)), SeededChance(1)
    for _ in range(20):
        (player,) = state.to_act()
        assert state.legal_actions(player) == [str(action) for action in legal(state.env)]
        assert state.legal_actions(1 - player) == []
        state.apply({player: random_action(state, player, chance)})
        if not state.to_act():
            break


def test_tic_tac_toe_is_told_as_it_is_numbered() -> None:
    """PettingZoo counts cells down the columns."""
    state = game("tictactoe").new_state(SeededChance(0))
    assert state.observe(0)[-1].startswith("You are X. The board, free cells by their numbers:\n0 3 6\n1 4 7\n2 5 8\n")
    for player, cell in ((0, "0"), (1, "4"), (0, "1"), (1, "8"), (0, "2")):
        assert state.apply({player: cell})[player].legal
    assert (
        "player_1: 2\nYou are O. The board, free cells by their numbers:\nX 3 6\nX O 7\nX 5 O" in state.observe(1)[-1]
    )
    assert state.outcome().returns == (1, -1)


def test_connect_four_is_told_from_the_top() -> None:
    state = game("connect_four").new_state(SeededChance(0))
    for player, column in ((0, "3"), (1, "3"), (0, "0")):
        state.apply({player: column})
    assert "\n. . . O . . .\nX . . X . . .\n0 1 2 3 4 5 6\n" in state.observe(1)[-1]


def test_leducs_cards_and_chips_are_those_of_the_observation() -> None:
    ranks = {"jack": 0, "queen": 1, "king": 2}
    for seed in range(8):
        state = play(game("leduc_holdem"), seed, turns=3)
        if not state.to_act():
            continue
        (player,) = state.to_act()
        array = state.env.observe(state.env.agent_selection)["observation"]
        text = state.observe(player)[-1]
        held, table = text.split("You hold: ")[1].split(". On the table: ")
        assert array[ranks[held.split()[0]]] == 1
        assert ("none" in table.split(".")[0]) == (array[3:6].sum() == 0)
        assert array[6 + int(text.split("you ")[1].split(",")[0].split(".")[0])] == 1


def test_the_others_cards_are_never_told() -> None:
    """Two deals in which a player holds the same card, and the other does not: it is told the same."""
    told: dict[str, set[str]] = {}
    for seed in range(40):
        state = game("leduc_holdem").new_state(SeededChance(seed))
        (player,) = state.to_act()
        own = state.env.env.get_state(player)["raw_obs"]["hand"]
        told.setdefault(f"{player} {own}", set()).add("\n".join(state.observe(player)))
    assert all(len(texts) == 1 for texts in told.values())


def test_a_choice_at_rock_paper_scissors_is_not_told_before_the_other_has_chosen() -> None:
    texts = set()
    for choice in ("rock", "paper", "scissors"):
        state = game("rps").new_state(SeededChance(0))
        state.apply({0: choice})
        texts.add("\n".join(state.observe(1)))
    assert len(texts) == 1
    state.apply({1: "rock"})
    assert state.rewards() == [-1, 1]
    assert "the other chose rock" in state.observe(0)[-1]


def test_chess_and_go_have_names_for_their_moves() -> None:
    chess = game("chess", 4).new_state(SeededChance(0))
    chess.apply({0: "e2e4"})
    assert "e7e5" in (chess.legal_actions(1) or ())
    assert chess.apply({1: "E7E5"})[1].action == "e7e5"
    assert "player_1: e7e5" in chess.observe(0)[-1]
    go = game("go", board_size=3).new_state(SeededChance(0))
    assert go.legal_actions(0)[:4] == ["A3", "B3", "C3", "A2"]
    go.apply({0: "B2"})
    assert "\n 2 . X .\n" in go.observe(1)[-1]
    go.apply({1: "pass"})
    go.apply({0: "pass"})
    assert go.outcome().returns == (1, -1)


def test_boards_of_go_of_two_sizes_are_played_side_by_side() -> None:
    """PettingZoo keeps the size in its module."""
    small, large = game("go", board_size=3), game("go", board_size=5)
    alone = play(small, 0).snapshot()
    states = [small.new_state(SeededChance(0)), large.new_state(SeededChance(0))]
    chance = SeededChance("players", 0)
    while states[0].to_act():
        (player,) = states[0].to_act()
        states[0].apply({player: random_action(states[0], player, chance)})
        if states[1].to_act():
            states[1].apply({states[1].to_act()[0]: (states[1].legal_actions(states[1].to_act()[0]) or [""])[0]})
    assert states[0].snapshot() == alone


def test_what_is_not_listed_is_refused_and_changes_nothing() -> None:
    state = game("leduc_holdem").new_state(SeededChance(3))
    (player,) = state.to_act()
    before = state.observe(player), state.snapshot()
    move = state.apply({player: "all in"})[player]
    assert "is not one of the legal moves: call, raise, fold" in move.reason
    assert (state.observe(player), state.snapshot()) == before
    assert state.apply({player: " RAISE"})[player].action == "raise"
    assert json.loads(state.snapshot())["actions"] == [1]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"name": "conect_four"}, "no classic game 'conect_four'; did you mean 'connect_four'"),
        ({"name": "connect_four_v2"}, "did you mean 'connect_four_v3'"),
        ({"name": "go", "parameters": {"boardsize": 9}}, r"go\(boardsize=9\) does not start: .*unexpected keyword"),
        ({"name": "rps", "parameters": {"num_actions": 4}}, "must be an odd number"),
    ],
)
def test_what_cannot_be_wrapped_is_refused_with_the_reason(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        PettingZooParams(**params)
    (error,) = caught.value.errors()
    assert "\n" not in error["msg"]


def test_a_game_without_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(WORDS, "rps")
    with pytest.raises(
        ValidationError, match="rps has no words here, and its observations are arrays; these have: chess, "
    ):
        PettingZooParams(name="rps")


@pytest.mark.parametrize("command", ["check-game", "play", "run"])
def test_without_pettingzoo_it_is_said_what_to_install(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pettingzoo"]:
        monkeypatch.setitem(sys.modules, name, None)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "format: 1\npolicies: {main: {model: tiny}}\nplay: [{game: {use: pettingzoo, name: tictactoe}}]\n"
        "advantage: plain\nobjective: policy_gradient\ntrain: {steps: 1}\n"
    )
    words = {
        "check-game": ["check-game", "pettingzoo", "--set", "name=tictactoe"],
        "play": ["play", "pettingzoo", "--set", "name=tictactoe"],
        "run": ["run", str(recipe), "--out", str(tmp_path / "run")],
    }
    result = CliRunner().invoke(main, words[command])
    assert result.exit_code == 2, result.output
    assert MISSING in result.output
    assert "Traceback" not in result.output


def test_it_is_a_component_with_a_card() -> None:
    assert make("game", "pettingzoo", name="leduc_holdem").info.roles == ("player_0", "player_1")
    result = CliRunner().invoke(
        main, ["check-game", "pettingzoo", "--set", "name=leduc_holdem", "--episodes", "3", "--limit", "50"]
    )
    assert result.exit_code == 0, result.output
    assert "declares  returns zero-sum, from -7 to 7; hidden information; one move at a time" in result.output
    assert "contract  kept in 3 random matches" in result.output
