"""TextArena's games as ours: sound, each match with its own draws, TextArena's verdicts, and clear words where there is no way."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sparring import GameError, SeededChance, State, random_action
from sparring.testing import check_game, make
from sparring_adapters.generators import Generators
from sparring_adapters.textarena import MISSING, TextArena, TextArenaParams
from sparring_adapters.textarena_facts import KNOWN_BAD, NLTK_DATA, family
from sparring_adapters.textarena_ids import base_id
from sparring_cli import main

textarena = pytest.importorskip("textarena", reason="games of TextArena need it: make install-games")

#: Games whose contract is checked each time: listed and free moves, with draws and without, talk, and more than two players.
HANDFUL = [
    "TicTacToe-v0",
    "Nim-v0",
    "ConnectFour-v0",
    "LiarsDice-v0-small",
    "SimpleNegotiation-v0-short",
    "IndianPoker-v0-short",
    "TruthAndDeception-v0",
    "ThreePlayerTicTacToe-v0",
]


def game(name: str, **params: Any) -> TextArena:
    return TextArena(TextArenaParams(id=name, **params))


def play(state: State, seed: int) -> State:
    """To the end, with random legal moves."""
    chance = SeededChance("players", seed)
    while players := state.to_act():
        read = state.apply({player: random_action(state, player, chance) for player in players})
        assert all(move.legal for move in read.values()), read
    return state


def say(state: State, *texts: str) -> None:
    for text in texts:
        (player,) = state.to_act()
        assert state.apply({player: text})[player].legal, text


@pytest.mark.parametrize("name", HANDFUL)
def test_it_is_a_sound_game(name: str) -> None:
    check_game(game(name), episodes=3)


@pytest.mark.parametrize("name", HANDFUL)
def test_twenty_random_matches_end_are_zero_sum_and_play_again_alike(name: str) -> None:
    played = game(name)
    for seed in range(20):
        first = play(played.new_state(SeededChance(seed)), seed)
        again = play(played.new_state(SeededChance(seed)), seed)
        assert (again.snapshot(), again.outcome()) == (first.snapshot(), first.outcome())
        outcome = first.outcome()
        assert "illegal" not in outcome.kinds
        if played.info.players == 2:
            assert sum(outcome.returns) == 0
        assert set(outcome.returns) <= {-1, 0, 1}


def multi_player_ids() -> list[str]:
    """Every plain id of two or more players that is not known to be bad: one a family, as variants differ in size alone."""
    from textarena.envs.registration import ENV_REGISTRY

    names = [base_id(name) for name in ENV_REGISTRY]
    alone = names.index("Alquerque-v0")  # those before it are for one player
    found: dict[str, str] = {}
    for name in names[alone:]:
        if family(name) not in KNOWN_BAD and family(name) not in NLTK_DATA:
            found.setdefault(family(name), name)
    return list(found.values())


#: Ids with a legal move so rare among those that look like the examples that random play does not find it.
NOT_AT_RANDOM = {"SantoriniBaseFixed-v0"}
NEWER_PYTHON = {"Chess-v0", "Checkers-v0", "IteratedStagHunt-v0", "ReverseTicTacToe-v0", "UltimateTexasHoldem-v0"}


@pytest.mark.slow
@pytest.mark.parametrize("name", multi_player_ids())
def test_every_game_that_is_not_known_to_be_bad_keeps_its_contract(name: str) -> None:
    if name in NEWER_PYTHON and sys.version_info < (3, 12):
        with pytest.raises(ValidationError, match=r"Python 3\.12"):
            game(name)
        return
    if name in NOT_AT_RANDOM:
        game(name).new_state(SeededChance(0))
        return
    played = game(name)
    began = time.process_time()
    for seed in range(20):
        if time.process_time() - began > 3:
            break  # where a random player has to try hundreds of moves before one is accepted, fewer matches do
        state = play(played.new_state(SeededChance(seed)), seed)
        again = played.restore(state.snapshot(), SeededChance(seed))
        assert [again.observe(p) for p in range(played.info.players)] == [
            state.observe(p) for p in range(played.info.players)
        ]
        outcome = state.outcome()
        assert again.outcome() == outcome
        assert "illegal" not in outcome.kinds
        assert all(-1 <= value <= 1 for value in outcome.returns)
        assert played.info.utility == "general" or sum(outcome.returns) == 0


@pytest.mark.parametrize("name", ["TicTacToe-v0", "LiarsDice-v0", "SimpleNegotiation-v0", "KuhnPoker-v0", "Taboo-v0"])
def test_a_match_is_the_one_that_textarena_plays_with_the_same_seed(name: str) -> None:
    """TextArena's own environment, alone in the process, is told the same moves; texts and rewards are the same."""
    ours = game(name, known_bad="allow")
    state = play(ours.new_state(SeededChance(5)), 5)
    theirs = textarena.make(f"{name}-raw")
    theirs.reset(num_players=ours.info.players, seed=state.seed)
    told: list[list[str]] = [[] for _ in ours.info.roles]
    for move in state.moves:
        player, news = theirs.get_observation()
        told[player] += [message for sender, message, _ in news if sender != player]
        done, _ = theirs.step(f"[{move}]" if ours.brackets else move)
    assert done
    rewards, _ = theirs.close()
    assert state.outcome().returns == tuple(rewards[player] for player in range(ours.info.players))
    for player, messages in enumerate(told):
        log = "\n".join(state.observe(player))
        assert all(message.strip("\n") in log for message in messages)


def test_matches_side_by_side_and_others_who_draw_do_not_disturb_each_other() -> None:
    dice = game("LiarsDice-v0-small")
    alone = [play(dice.new_state(SeededChance(seed)), seed).snapshot() for seed in range(3)]
    states = [dice.new_state(SeededChance(seed)) for seed in range(3)]
    chances = [SeededChance("players", seed) for seed in range(3)]
    random.seed(7)
    np.random.seed(7)
    expected = [(random.random(), np.random.rand()) for _ in range(400)]
    random.seed(7)
    np.random.seed(7)
    drawn = []
    while any(state.to_act() for state in states):
        for state, chance in zip(states, chances, strict=True):
            if state.to_act():
                (player,) = state.to_act()
                state.apply({player: random_action(state, player, chance)})
                drawn.append((random.random(), np.random.rand()))
    assert [state.snapshot() for state in states] == alone
    assert drawn == expected[: len(drawn)]


def test_a_generator_that_is_shared_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """As TextArena does it without this: it seeds and draws from the generator of the whole process."""

    @contextlib.contextmanager
    def not_lent(self: Generators) -> Iterator[None]:
        yield

    dice = game("LiarsDice-v0-small")
    monkeypatch.setattr(Generators, "lent", not_lent)
    with pytest.raises(GameError, match="differ"):
        check_game(dice, episodes=10)


def test_brackets_are_put_around_a_move_that_has_none() -> None:
    for said in ("4", "[4]", " [ 4 ] "):
        state = game("TicTacToe-v0").new_state(SeededChance(0))
        assert state.apply({0: said})[0].action == "4"
        assert state.moves == ["4"]
    talk = game("TruthAndDeception-v0").new_state(SeededChance(0))
    say(talk, "Trust me.", "Why?", "I know.", "Fine.", "Good.", "[Fact 1]")
    assert talk.to_act() == ()


def test_an_illegal_move_is_textarenas_verdict_and_changes_nothing() -> None:
    state = game("TicTacToe-v0").new_state(SeededChance(0))
    say(state, "4")
    before = (state.observe(0), state.observe(1), state.snapshot(), state.legal_actions(1))
    for said, why in (("4", "cell 4 is already occupied"), ("9", "Must be between 0 and 8"), ("no", "correct format")):
        move = state.apply({1: said})[1]
        assert not move.legal
        assert why in move.reason
        assert (state.observe(0), state.observe(1), state.snapshot(), state.legal_actions(1)) == before
    say(state, "0", "5", "8", "3")
    assert state.outcome().kinds == ("win", "loss")
    assert state.outcome().reason == "Player 0 has won!"


@pytest.mark.parametrize("name", ["TicTacToe-v0", "Nim-v0", "ConnectFour-v0", "WildTicTacToe-v0"])
def test_listed_moves_are_exactly_those_that_textarena_accepts(name: str) -> None:
    said = [str(n) for n in range(10)] if name == "TicTacToe-v0" else []
    said += [f"{a} {b}" for a in range(-1, 4) for b in range(7)] if name == "Nim-v0" else []
    said += [f"col {n}" for n in range(9)] if name == "ConnectFour-v0" else []
    said += [f"{mark} {n}" for mark in "XO" for n in range(10)] if name == "WildTicTacToe-v0" else []
    state, chance = game(name).new_state(SeededChance(0)), SeededChance(1)
    for _ in range(5):
        (player,) = state.to_act()
        listed = state.legal_actions(player)
        assert sorted(listed) == sorted(text for text in said if state.clone().apply({player: text})[player].legal)
        say(state, chance.pick(listed))
        if not state.to_act():
            break


def test_with_an_error_allowance_textarena_asks_again_and_then_ends_the_match() -> None:
    rewards = {"illegal_self": -1.5, "illegal_other": 0.5}
    once = game("TicTacToe-v0", error_allowance=1, rewards=rewards)
    assert once.info.utility == "general"
    assert once.info.bounds == (-1.5, 1)
    state = once.new_state(SeededChance(0))
    assert state.legal_actions(0) is None
    assert state.apply({0: "nine"})[0].legal
    assert state.to_act() == (0,)
    assert "invalid move" in state.observe(0)[-1]
    say(state, "4", "0", "nine")
    assert state.to_act() == (0,)
    say(state, "ten")
    outcome = state.outcome()
    assert (outcome.returns, outcome.kinds, outcome.offender) == ((-1.5, 0.5), ("illegal", "win"), 0)
    at_once = game("TicTacToe-v0", error_allowance=0).new_state(SeededChance(0))
    say(at_once, "4", "4")
    assert at_once.outcome().returns == (1, -1)
    assert at_once.outcome().offender == 1


def test_who_is_put_out_of_a_game_of_many_has_the_reward_for_that() -> None:
    """The others play on, and their rewards are those of the end."""
    dice = game("LiarsDice-v0-small", players=3, error_allowance=0, rewards={"illegal_self": -2})
    state = dice.new_state(SeededChance(0))
    (first,) = state.to_act()
    say(state, "nonsense")
    assert state.to_act() not in ((), (first,))
    play(state, 0)
    outcome = state.outcome()
    assert outcome.kinds[first] == "illegal"
    assert outcome.returns[first] == -2
    assert outcome.offender is None
    assert 1 in outcome.returns


def test_rewards_are_paid_as_the_recipe_says() -> None:
    state = game("TicTacToe-v0", rewards={"win": 3, "loss": -0.5}).new_state(SeededChance(0))
    say(state, "4", "0", "5", "8", "3")
    assert state.outcome().returns == (3, -0.5)
    assert state.info.utility == "general"
    cut = game("TicTacToe-v0", max_turns=2, rewards={"truncated": -0.25}).new_state(SeededChance(0))
    say(cut, "4", "0")
    outcome = cut.outcome()
    assert (outcome.returns, outcome.kinds) == ((-0.25, -0.25), ("truncated", "truncated"))
    assert outcome.reason == "no end after 2 moves"


def test_only_what_the_game_says_is_told_if_that_is_wanted() -> None:
    told = {}
    for mode in ("all", "game"):
        state = game("TicTacToe-v0", told=mode).new_state(SeededChance(0))
        say(state, "4", "0")
        told[mode] = state.observe(0)[-1]
    assert "[Player 1] [0]" in told["all"]
    assert told["all"].count("Current Board") == 2
    assert "[Player 1]" not in told["game"]
    assert "placed their symbol (X) in cell 0" in told["game"]
    assert told["game"].count("Current Board") == 1
    assert "| O |" in told["game"]


def test_no_own_words_are_told_back() -> None:
    state = game("SimpleNegotiation-v0").new_state(SeededChance(0))
    say(state, "My ore is dear to me.", "Mine too.")
    assert "dear to me" in "\n".join(state.observe(1))
    assert "dear to me" not in "\n".join(state.observe(0))
    assert "Mine too." in "\n".join(state.observe(0))


def test_roles_and_seats_are_as_asked_for() -> None:
    info = game("LiarsDice-v0", players=4, roles=["north", "east", "south", "west"]).info
    assert info.roles == ("north", "east", "south", "west")
    assert game("Taboo-v0").info.players == 4  # the fewest that it starts with


def test_a_game_that_fails_on_a_move_has_refused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from textarena.envs.TicTacToe.env import TicTacToeEnv

    step = TicTacToeEnv.step

    def fragile(self: Any, action: str) -> Any:
        if "5" in action:
            raise IndexError("list index out of range")
        return step(self, action)

    monkeypatch.setattr(TicTacToeEnv, "step", fragile)
    state = game("TicTacToe-v0").new_state(SeededChance(0))
    move = state.apply({0: "5"})[0]
    assert "fails on it (IndexError" in move.reason
    say(state, "4")


def test_older_versions_that_give_rewards_alone_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    from textarena.core import State as TheirState

    monkeypatch.setattr(TheirState, "close", lambda self: self.rewards)
    state = game("TicTacToe-v0").new_state(SeededChance(0))
    say(state, "4", "0", "5", "8", "3")
    assert state.outcome().returns == (1, -1)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"id": "TicTacTo-v0"}, "no game 'TicTacTo-v0'; did you mean 'TicTacToe-v0'"),
        ({"id": "KuhnPoker-v0-long"}, "never move a chip.*known_bad: allow"),
        ({"id": "Debate-v0"}, "a jury of remote models"),
        ({"id": "CharacterConclave-v0"}, "TypeError"),
        ({"id": "TicTacToe-v0", "players": 3}, "does not start with 3 players"),
        ({"id": "LiarsDice-v0", "roles": ["a", "a"]}, "needs 2 different names"),
        ({"id": "Wordle-v0"}, "does not start with 2 to 15 players"),
        ({"id": "UsedCar-v0-balanced", "known_bad": "allow"}, "does not start with 2 to 15 players: Could not import"),
    ],
)
def test_what_cannot_be_wrapped_is_refused_with_the_reason(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        TextArenaParams(**params)
    (error,) = caught.value.errors()
    assert "\n" not in error["msg"]


def test_a_game_that_needs_a_download_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    def nowhere(name: str) -> None:
        raise LookupError(name)

    monkeypatch.setattr(nltk.data, "find", nowhere)
    with pytest.raises(ValidationError, match=r"reads NLTK's 'words'.*`python -m nltk.downloader words` downloads it"):
        game("WordChains-v0")


def test_a_game_that_is_known_to_be_bad_can_be_had_all_the_same() -> None:
    check_game(game("KuhnPoker-v0", known_bad="allow"), episodes=2)


def test_kuhns_chips_still_do_not_move() -> None:
    """Why it is known to be bad: a bet that is called is worth no more than two checks. If this fails, take it off the list."""
    paid = []
    for moves in (("check", "check"), ("bet", "call")):
        state = game("KuhnPoker-v0", known_bad="allow").new_state(SeededChance(0))
        say(state, *moves)
        paid.append(state.env.state.game_state["player_chips"])
    assert paid[0] == paid[1]


@pytest.mark.parametrize("command", ["check-game", "play", "run"])
def test_without_textarena_it_is_said_what_to_install(
    command: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "textarena"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "textarena", None)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "format: 1\npolicies: {main: {model: tiny}}\nplay: [{game: {use: textarena, id: TicTacToe-v0}}]\n"
        "advantage: plain\nobjective: policy_gradient\ntrain: {steps: 1}\n"
    )
    words = {
        "check-game": ["check-game", "textarena", "--set", "id=TicTacToe-v0"],
        "play": ["play", "textarena", "--set", "id=TicTacToe-v0"],
        "run": ["run", str(recipe), "--out", str(tmp_path / "run")],
    }
    result = CliRunner().invoke(main, words[command])
    assert result.exit_code == 2, result.output
    assert MISSING in result.output
    assert "Traceback" not in result.output


def test_it_is_a_component_with_a_card() -> None:
    assert make("game", "textarena", id="Nim-v0").info.name == "Nim-v0"
    result = CliRunner().invoke(
        main, ["check-game", "textarena", "--set", "id=TicTacToe-v0", "--episodes", "3", "--limit", "50"]
    )
    assert result.exit_code == 0, result.output
    assert (
        "declares  returns zero-sum, from -1 to 1; nothing is hidden; one move at a time; at most 9 moves"
        in result.output
    )
    assert "contract  kept in 3 random matches" in result.output
