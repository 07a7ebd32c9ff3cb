"""Environments behind an OpenEnv server: a session for each match, and every way in which a server can fail."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sparring import GameError, Sampling, SeededChance
from sparring.errors import EpisodeError
from sparring.play import EpisodePlan, Held
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, load_recipe
from sparring.run import Run
from sparring.testing import check_game
from sparring.testing.fakes import ScriptedGenerator, hall_of, make
from sparring_adapters.openenv import OpenEnv, OpenEnvParams, OpenEnvSession
from sparring_cli import main

websockets = pytest.importorskip("websockets.sync.server", reason="needs websockets: pip install 'sparring[openenv]'")
Answer = Callable[["Server", dict[str, Any]], Any]


class Server:
    """OpenEnv's messages on loopback, as openenv-core 0.3 answers them: higher or lower, one environment a connection.

    ``answer(server, message)`` may answer in its place: a text is sent as it is, None leaves the message to the environment.
    """

    def __init__(self, answer: Answer | None = None, most: int = 100) -> None:
        self.answer, self.most = answer, most
        self.live = self.opened = 0
        self.messages: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.stopped = threading.Event()
        self._server = websockets.serve(self._session, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()

    def wait_for(self, live: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.live == live, timeout=10)

    def _session(self, socket: Any) -> None:
        with self.changed:
            self.opened += 1
            full = self.live >= self.most
            self.live += 1
            self.changed.notify_all()
        try:
            if socket.request.path != "/ws" or full:
                socket.send(error("CAPACITY_REACHED", f"{self.most} sessions are live"))
                return
            self._play(socket)
        finally:
            with self.changed:
                self.live -= 1
                self.changed.notify_all()

    def _play(self, socket: Any) -> None:
        number = turn = 0
        for text in socket:
            message = json.loads(text)
            self.messages.append(message)
            said = self.answer(self, message) if self.answer else None
            if said is not None:
                socket.send(said)
            elif message["type"] == "close":
                return
            elif message["type"] == "reset":
                number, turn = Random(message["data"]["seed"]).randint(1, 8), 0
                socket.send(observation("guess from 1 to 8", None, False))
            elif not str(message["data"].get("guess", "")).isdigit():
                wrong = {"loc": ["guess"], "msg": "Input should be a valid integer"}
                socket.send(error("VALIDATION_ERROR", "Invalid message", errors=[wrong]))
            else:
                guess, turn = int(message["data"]["guess"]), turn + 1
                hint = "right" if guess == number else "higher" if guess < number else "lower"
                socket.send(observation(hint, float(guess == number), guess == number or turn == 4))


def observation(hint: str, reward: Any, done: Any) -> str:
    told = {"observation": {"hint": hint, "seen": []}, "reward": reward, "done": done}
    return json.dumps({"type": "observation", "data": told})


def error(code: str, message: str, **more: Any) -> str:
    return json.dumps({"type": "error", "data": {"code": code, "message": message, **more}})


@pytest.fixture(name="serve")
def _serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*args: Any, **kwargs: Any) -> Server:
        servers.append(Server(*args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def openenv(url: str, **params: Any) -> OpenEnv:
    given = {"say": "guess", "moves": ["1", "2", "5", "8"], "timeout": 5, **params}
    return OpenEnv(OpenEnvParams(url=url, **given))


def test_it_is_a_sound_game(serve: Callable[..., Server]) -> None:
    check_game(openenv(serve().url, max_turns=4), episodes=6)


def test_halving_finds_the_number(serve: Callable[..., Server]) -> None:
    server = serve()
    state, low, high = openenv(server.url).new_state(SeededChance(3)), 1, 8
    assert state.observe(0) == ["guess from 1 to 8"]
    while state.to_act():
        guess = (low + high) // 2
        assert state.apply({0: str(guess)})[0].legal
        low, high = (guess + 1, high) if state.observe(0)[-1] == "higher" else (low, guess - 1)
    assert state.observe(0)[-1] == "right"
    assert (state.rewards(), state.outcome().returns, state.outcome().kinds) == ([1.0], (1.0,), ("win",))
    assert server.wait_for(live=0)


def test_matches_side_by_side_have_sessions_of_their_own(serve: Callable[..., Server]) -> None:
    server = serve()
    game = openenv(server.url)
    states = [game.new_state(SeededChance(seed)) for seed in range(3)]
    assert server.wait_for(live=3)
    first = [state.apply({0: "1"}) and state.observe(0)[-1] for state in states]
    assert first == ["right" if Random(state.start).randint(1, 8) == 1 else "higher" for state in states]


def test_matches_wait_for_the_server_at_the_same_time(serve: Callable[..., Server]) -> None:
    together = threading.Barrier(5)

    def answer(_: Server, message: dict[str, Any]) -> None:
        if message["type"] != "close":
            together.wait(10)  # answered once five sessions have asked

    game, generator = openenv(serve(answer).url, max_turns=1), ScriptedGenerator(lambda policy, _: "1")
    seated, judges = {"player": Held("main")}, {"outcome": make("judge", "outcome")}
    scheme = make("scheme", "turn_based")
    plans = [EpisodePlan(n, 0, game, scheme, seated, judges, Sampling(), n, (0,)) for n in range(5)]
    episodes = hall_of(generator, ("main",)).play(plans, 1)
    assert [(episode.error, len(episode.turns)) for episode in episodes] == [("", 1)] * 5


def test_an_action_and_a_reset_carry_what_the_recipe_gives(serve: Callable[..., Server]) -> None:
    server = serve()
    state = openenv(server.url, action={"unit": "x"}, reset={"level": 2}).new_state(SeededChance(0))
    state.apply({0: "7"})
    assert [message["data"] for message in server.messages] == [
        {"level": 2, "seed": state.start},
        {"unit": "x", "guess": "7"},
    ]


def test_an_action_the_schema_refuses_is_an_illegal_move(serve: Callable[..., Server]) -> None:
    state = openenv(serve().url).new_state(SeededChance(0))
    move = state.apply({0: "seven"})[0]
    assert not move.legal
    assert "guess: Input should be a valid integer" in move.reason
    assert state.apply({0: "7"})[0].legal


def test_several_fields_are_told_by_name_and_one_is_told_as_it_is(serve: Callable[..., Server]) -> None:
    def answer(_: Server, message: dict[str, Any]) -> str:
        told = {"board": [[0, 1]], "text": "go", "none": None}
        return json.dumps({"type": "observation", "data": {"observation": told, "reward": None, "done": False}})

    url = serve(answer).url
    assert openenv(url).new_state(SeededChance(0)).observe(0) == ["board: [[0, 1]]\ntext: go"]
    assert openenv(url, show=["text"]).new_state(SeededChance(0)).observe(0) == ["go"]
    with pytest.raises(EpisodeError, match="no field 'picture' to show, but board, text, none"):
        openenv(url, show=["picture"]).new_state(SeededChance(0))


def test_a_match_that_is_given_up_leaves_no_session(serve: Callable[..., Server]) -> None:
    server = serve()
    state = openenv(server.url).new_state(SeededChance(0))
    assert server.wait_for(live=1)
    del state
    gc.collect()
    assert server.wait_for(live=0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{", "no observation but '{'"),
        ("[]", "no observation but"),
        ('{"type": "observation", "data": {}}', "no observation but"),
        (observation("x", "much", False), "no observation but"),
        (observation("x", float("inf"), False), "no observation but"),
        (observation("x", 0, "maybe"), "no observation but"),
        (error("EXECUTION_ERROR", "it fell over"), "the server says EXECUTION_ERROR: it fell over"),
        ("x" * (1 << 21), "ConnectionClosedError"),
    ],
)
def test_rubbish_fails_the_episode_by_name(serve: Callable[..., Server], said: str, why: str) -> None:
    server = serve(lambda _, message: said if message["type"] == "step" else None)
    state = openenv(server.url).new_state(SeededChance(0))
    with pytest.raises(EpisodeError, match=rf"start {state.start}, after 0 moves: .*take a step: .*{why}"):
        state.apply({0: "1"})


def test_a_silent_server_is_waited_for_no_longer_than_the_timeout(serve: Callable[..., Server]) -> None:
    def answer(server: Server, message: dict[str, Any]) -> None:
        if message["type"] == "step":
            server.stopped.wait()

    state = openenv(serve(answer).url, timeout=0.2).new_state(SeededChance(0))
    with pytest.raises(EpisodeError, match=r"took longer than 0\.2 s for a step"):
        state.apply({0: "1"})


def test_a_full_server_says_what_to_change(serve: Callable[..., Server]) -> None:
    game = openenv(serve(most=1).url)
    first = game.new_state(SeededChance(0))
    with pytest.raises(EpisodeError, match=r"CAPACITY_REACHED: .*max_concurrent_envs"):
        game.new_state(SeededChance(1))
    assert first.to_act()


def test_a_full_server_that_has_hung_up_before_it_is_asked_is_heard(serve: Callable[..., Server]) -> None:
    server = serve(most=0)
    session = OpenEnvSession(OpenEnvParams(url=server.url, timeout=5))
    assert server.wait_for(live=0)
    with pytest.raises(ConnectionError, match="CAPACITY_REACHED"):
        session.reset(0)


def test_too_many_failures_stop_the_run(serve: Callable[..., Server]) -> None:
    server = serve()
    server.stop()
    game = openenv(server.url, max_failures=2, window=10)
    for seed in range(2):
        with pytest.raises(EpisodeError, match="could not be built: ConnectionRefusedError"):
            game.new_state(SeededChance(seed))
    with pytest.raises(GameError, match=r"failed 3 of its last 3 items, more than max_failures \(2\)"):
        game.new_state(SeededChance(2))


def recipe(url: str, **train: Any) -> str:
    game = {"use": "openenv", "url": url, "say": "guess", "moves": ["1", "2", "5", "8"], "max_turns": 4, "timeout": 5}
    return yaml.safe_dump(
        {
            "format": 1,
            "policies": {"main": {"model": {"use": "tiny", "warmup_steps": 20, "warmup_examples": 32}}},
            "play": [{"game": game, "scheme": "turn_based"}],
            "objective": "policy_gradient",
            "sampling": {"max_tokens": 4},
            "batch": {"size": 8, "unit": "episodes"},
            "train": {"steps": 2, "threads": 1, **train},
        }
    )


def test_a_run_goes_on_when_an_episode_fails(serve: Callable[..., Server], tmp_path: Path) -> None:
    """The third session's first step falls over, once; warm-up plays at random and needs the server as well."""
    broken: list[int] = []

    def answer(server: Server, message: dict[str, Any]) -> str | None:
        if message["type"] == "step" and server.opened > 40 and not broken:
            broken.append(server.opened)
            return error("EXECUTION_ERROR", "it fell over")
        return None

    host = load_plugins()
    text = recipe(serve(answer).url)
    run = Run(load_recipe(RecipeSource("page", text, "page"), host.registry), text, host, tmp_path / "run")
    result = run.train()
    assert broken
    assert result.finished
    assert result.metrics["episodes_failed"] == 1


def test_without_websockets_the_command_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(recipe("http://localhost:1"))
    monkeypatch.setitem(__import__("sys").modules, "websockets.sync.client", None)
    result = CliRunner().invoke(main, ["check", str(tmp_path / "mine.yaml")])
    assert result.exit_code == 2
    (line,) = [line for line in result.output.splitlines() if "websockets" in line]
    assert "pip install 'sparring[openenv]'" in line
    assert "Traceback" not in result.output
