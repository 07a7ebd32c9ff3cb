"""A seat behind an endpoint: what it is told, and what becomes of a match when it is slow, dies or talks rubbish."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sparring import Episode, SeededChance, SparringError
from sparring.assemble import assemble
from sparring.errors import PlayerError
from sparring.metrics import CORE, undeclared
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.trainer import Trainer
from sparring_cli import main
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams
from sparring_players.endpoint import EndpointPlayer, EndpointPlayerParams

Body = Mapping[str, Any]


def trainer(url: str, *, game: str = "tic_tac_toe", scheme: str = "", size: int = 4, **more: Any) -> Trainer:
    """Matches of the player random against the endpoint; the entry that is trained is there because a run trains something."""
    settings = {"use": "endpoint", "url": url, "model": "m", "timeout": 20.0, "attempts": 1, "backoff": 0.0, **more}
    text = f"""
format: 1
policies: {{main: {{model: {{use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 0}}}}}}
play:
  - {{name: outside, game: {game}, scheme: {{use: turn_based, retries: 1, {scheme}}}, roles: {{player_0: {settings}, player_1: random}}}}
  - {{name: trained, game: kuhn_poker}}
schedule: [{{play: [outside], steps: 5}}]
objective: policy_gradient
batch: {{size: {size}}}
train: {{steps: 5, threads: 1}}
"""
    return assemble(load_recipe(RecipeSource("test", text, "test"), load_plugins().registry))


def step(run: Trainer) -> tuple[dict[str, float], list[Episode]]:
    metrics, episodes = run.step()
    assert not undeclared(metrics, CORE)
    assert [episode.error for episode in episodes] == [""] * len(episodes)
    assert not any(turn.trained for episode in episodes for turn in episode.turns)
    return metrics, episodes


# ---- one that answers ------------------------------------------------------------------------------------------------


def test_it_is_told_what_a_policy_in_its_seat_is_told_and_its_moves_are_played(serve: Any) -> None:
    server = serve(
        lambda number, body: "I think <think>no</think> [check]" if len(body["messages"]) < 4 else "I [fold]."
    )
    run = trainer(
        server.url,
        game="kuhn_poker",
        scheme='answer: brackets, system: "Be brief.", instruction: "Use [brackets]."',
        size=30,
    )
    metrics, episodes = step(run)
    assert metrics["player_unanswered_rate/kuhn_poker/endpoint"] == 0
    assert metrics["player_illegal_rate/kuhn_poker/endpoint"] == 0
    assert len(server.requests) == sum(turn.role == "player_0" for e in episodes for turn in e.turns)
    long = next(e for e in episodes if len(e.turns) == 3)
    assert long.facts["moves"] == [[[0, "check"]], [[1, "bet"]], [[0, "fold"]]]
    body = next(body for body, _ in server.requests if len(body["messages"]) == 4)
    assert {key: body[key] for key in ("model", "temperature", "top_p", "max_tokens")} == {
        "model": "m", "temperature": 1.0, "top_p": 1.0, "max_tokens": 1024,
    }  # fmt: skip
    system, first, mine, second = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert first["role"] == "user"
    assert first["content"].startswith("Kuhn poker")
    assert first["content"].endswith("\nUse [brackets].")
    # Its own answer as it gave it, and then only what is new.
    assert mine == {"role": "assistant", "content": "I think <think>no</think> [check]"}
    assert second["content"].startswith("Your opponent bets.")


def test_a_system_message_of_its_own_replaces_that_of_the_scheme(serve: Any) -> None:
    server = serve(lambda number, body: "fold" if "bets" in body["messages"][-1]["content"] else "check")
    step(trainer(server.url, game="kuhn_poker", scheme='system: "Be brief."', system="You are strong."))
    told = [
        message["content"] for body, _ in server.requests for message in body["messages"] if message["role"] == "system"
    ]
    assert set(told) == {"You are strong."}
    assert len(told) == len(server.requests)


def test_all_seats_are_asked_at_once(serve: Any) -> None:
    """Eight matches wait for each other's answer: one after the other they would never get it."""
    together = threading.Barrier(8, timeout=10)

    def answer(number: int, body: Body) -> str:
        if len(body["messages"]) == 1:
            together.wait()
        return "fold" if "bets" in body["messages"][-1]["content"] else "check"

    server = serve(answer)
    metrics, _ = step(trainer(server.url, game="kuhn_poker", size=8, timeout=20, concurrency=8))
    assert metrics["player_unanswered_rate/kuhn_poker/endpoint"] == 0


def test_a_person_plays_against_it(serve: Any) -> None:
    server = serve(lambda number, body: "B1")
    against = f"{{use: endpoint, url: '{server.url}', model: m}}"
    result = CliRunner().invoke(
        main, ["play", "nim", "--against", against, "--set", "pile_sizes=[1,1]", "--matches", "1"], input="A1\n"
    )
    assert result.exit_code == 0, result.output
    assert "against endpoint" in result.output
    assert "you get +1" in result.output
    assert len(server.requests) == 1


def test_without_a_conversation_it_is_told_the_log(serve: Any) -> None:
    server = serve(lambda number, body: ["check", 503][number])
    state = KuhnPoker(KuhnPokerParams()).new_state(SeededChance(0))
    player = EndpointPlayer(EndpointPlayerParams(url=server.url, model="m", attempts=1))
    assert player.act(0, state, SeededChance(0)) == "check"
    assert player.act(0, state, SeededChance(0)) == ""  # no legal move here
    assert server.requests[0][0]["messages"] == [{"role": "user", "content": "\n".join(state.observe(0))}]


def test_what_it_needs_is_asked_for() -> None:
    for against, message in (
        ("endpoint", "url Field required"),
        ("{use: endpoint, url: ftp://x, model: m}", "url String should match"),
        ("{use: mtcs}", "did you mean 'mcts'"),
    ):
        result = CliRunner().invoke(main, ["play", "nim", "--against", against])
        assert result.exit_code == 2
        assert message in result.output


# ---- one that does not -----------------------------------------------------------------------------------------------


def hang(handler: Any) -> None:
    handler.server.stopped.wait(20)


def die(handler: Any) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


SILENT: dict[str, Any] = {
    "slow": hang,
    "dies": die,
    "no JSON": lambda handler: handler.reply(b"<html>it works</html>"),
    "no text": lambda handler: handler.reply(b'{"choices": [{"message": {"content": null}}]}'),
    "out of order": 500,
}


@pytest.mark.parametrize("what", SILENT)
def test_a_seat_without_an_answer_forfeits_and_is_counted(serve: Any, what: str) -> None:
    server = serve(lambda number, body: SILENT[what])
    began = time.monotonic()
    metrics, episodes = step(trainer(server.url, timeout=0.3))
    assert time.monotonic() - began < 30
    for episode in episodes:
        assert episode.facts["kinds"] == ["illegal", "win"]
        assert episode.facts["reason"] == "player_0: it did not answer"
        # It is not asked to answer again as for an illegal move: it was tried as often as its own settings say.
        assert [turn.labels["answered"] for turn in episode.turns] == [False]
    assert metrics["player_unanswered_rate/tic_tac_toe/endpoint"] == 1
    assert metrics["facts/tic_tac_toe/draw"] == 0
    assert metrics["player_illegal_rate/tic_tac_toe/endpoint"] == 1
    assert len(server.requests) == 4


def test_rubbish_follows_the_rule_for_illegal_moves(serve: Any) -> None:
    server = serve(lambda number, body: "What a lovely board!")
    metrics, episodes = step(trainer(server.url))
    for episode in episodes:
        assert episode.facts["offender"] == 0
        assert "lovely" in str(episode.facts["reason"])
        assert len(episode.turns) == 2  # retries: 1
    again = [body for body, _ in server.requests if len(body["messages"]) == 3]
    assert len(again) == 4
    assert all(body["messages"][2]["content"].startswith("Illegal move: ") for body in again)
    assert metrics["player_unanswered_rate/tic_tac_toe/endpoint"] == 0
    assert metrics["player_illegal_rate/tic_tac_toe/endpoint"] == 1


def test_it_may_die_within_a_match_and_the_others_go_on(serve: Any) -> None:
    def answer(number: int, body: Body) -> Any:
        if len(body["messages"]) > 1:
            return die
        return "check"

    metrics, episodes = step(trainer(serve(answer).url, game="kuhn_poker", size=30))
    reasons = [str(episode.facts["reason"]) for episode in episodes]
    died = sum(reason == "player_0: it did not answer" for reason in reasons)
    assert 0 < died < 30
    turns = sum(turn.role == "player_0" for episode in episodes for turn in episode.turns)
    assert metrics["player_unanswered_rate/kuhn_poker/endpoint"] == pytest.approx(died / turns)


def test_too_many_failures_stop_the_run_with_the_cause(serve: Any) -> None:
    server = serve(lambda number, body: 503)
    run = trainer(server.url, size=100, max_failures=5, window=20, concurrency=2)
    with pytest.raises(
        PlayerError, match=r"endpoint at http://127.*\(model m\) did not answer 6 of its last 6 items.*\(5\).*HTTP 503"
    ):
        run.step()
    assert len(server.requests) < 12


def test_failures_are_counted_over_steps_and_forgotten_after_a_window(serve: Any) -> None:
    server = serve(lambda number, body: 503 if "bad" in body["messages"][0]["content"] else "fine")
    player = EndpointPlayer(EndpointPlayerParams(url=server.url, model="m", attempts=1, max_failures=2, window=4))
    bad, good = [("user", "bad")], [("user", "good")]
    assert player.answer([bad, bad]) == [None, None]
    assert player.answer([good] * 4) == ["fine"] * 4
    assert player.answer([bad, good, bad]) == [None, "fine", None]
    with pytest.raises(SparringError, match="3 of its last 4 items"):
        player.answer([bad])


def test_a_key_that_is_not_set_stops_the_run_before_anything_is_sent(serve: Any) -> None:
    server = serve(lambda number, body: "5")
    with pytest.raises(PlayerError, match="NO_SUCH_KEY, which is not set"):
        trainer(server.url, api_key_env="NO_SUCH_KEY").step()
    assert not server.requests


def test_a_bound_that_can_never_be_met_is_refused() -> None:
    with pytest.raises(ValidationError, match="can never be passed"):
        EndpointPlayerParams(url="http://x", model="m", max_failures=9, window=9)
