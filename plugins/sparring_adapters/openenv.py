"""Environments behind a server that speaks OpenEnv's protocol (openenv-core 0.3): JSON messages over a WebSocket.

Only that channel keeps a match: over plain HTTP the same server builds a new environment for each request, so that a step would
never meet what was reset. A connection is a session with an environment of its own::

    {"type": "reset", "data": {"seed": 3}}            ->  {"type": "observation", "data": {"observation": {…}, "reward": null, "done": false}}
    {"type": "step", "data": {"message": "left"}}     ->  the same, or {"type": "error", "data": {"code": …, "message": …}}
    {"type": "close"}

An action that is not what the server's schema asks for is an illegal move. Whatever else goes wrong (no server, no answer in
time, rubbish) fails the episode, and too much of it stops the run.
"""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

from pydantic import Field, model_validator

from sparring_adapters.reading import one_line
from sparring_adapters.single_seat import RefusedError, SingleSeat, SingleSeatParams
from sparring_endpoint import FailureBound, FailureCount

_MOST_BYTES = 1 << 20  # of a message: an observation is told to a model, which reads a few pages at most


class OpenEnvParams(SingleSeatParams, FailureBound):
    url: str = Field(
        pattern="^(https?|wss?)://", description="Base of the server, for example http://localhost:8000; /ws is added."
    )
    say: str = Field(
        "message", min_length=1, description="The field of the server's action that holds the move, as text."
    )
    action: dict[str, Any] = Field(default_factory=dict, description="Other fields of every action.")
    reset: dict[str, Any] = Field(default_factory=dict, description="What a reset is given beside the seed.")
    show: tuple[str, ...] = Field(
        (), description="Fields of an observation that the player is told. Empty: all of them that are not empty."
    )
    timeout: float = Field(
        30.0, gt=0, description="Seconds an answer of the server may take, and so may connecting (ours)."
    )

    @model_validator(mode="after")
    def _can_connect(self) -> Self:
        try:
            import websockets.sync.client  # noqa: F401  # whether it is there
        except ImportError as error:
            raise ValueError(
                f"environments of OpenEnv need the package websockets: `pip install 'sparring[openenv]'` ({one_line(error)})"
            ) from error
        return self


class OpenEnv(SingleSeat):
    """An environment behind an OpenEnv server as a one-player game: a session for each match, failures counted and bounded."""

    def __init__(self, params: OpenEnvParams) -> None:
        failures = FailureCount(params, f"the environment at {params.url} failed")
        super().__init__(
            f"openenv {params.url}", params, lambda: OpenEnvSession(params), failures=failures, elsewhere=True
        )


class OpenEnvSession:
    """One match: a connection, and so an environment of the server."""

    def __init__(self, params: OpenEnvParams) -> None:
        from websockets.sync.client import connect

        self.params = params
        url = "ws" + params.url.removeprefix("http") if params.url.startswith("http") else params.url
        self._socket = connect(
            f"{url.rstrip('/')}/ws",
            open_timeout=params.timeout,
            close_timeout=1,
            max_size=_MOST_BYTES,
            ping_interval=None,  # a server that is busy with a step need not answer pings; `timeout` bounds it
        )
        # A match that is given up is not closed by anybody, and the connection's thread would keep it.
        self._end = weakref.finalize(self, self._socket.close)

    def reset(self, seed: int) -> str:
        observation, _, done = self._ask("reset", {**self.params.reset, "seed": seed})
        if done:
            raise ValueError(f"the server says that the match is over as it begins: {observation[:200]!r}")
        return observation

    def step(self, action: str) -> tuple[str, float, bool, bool, Mapping[str, Any]]:
        observation, reward, done = self._ask("step", {**self.params.action, self.params.say: action})
        return observation, reward, done, False, {}

    def sample(self) -> str | None:
        return None

    def close(self) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._end.alive:
            with suppress(ConnectionClosed):
                self._socket.send(json.dumps({"type": "close"}))
            self._end()

    def _ask(self, kind: str, data: Mapping[str, Any]) -> tuple[str, float, bool]:
        """The server's observation as text, its reward, and whether the match is over."""
        from websockets.exceptions import ConnectionClosed

        with suppress(
            ConnectionClosed
        ):  # a server that is full says so and hangs up: then there is something to be read
            self._socket.send(json.dumps({"type": kind, "data": data}))
        try:
            said = self._socket.recv(timeout=self.params.timeout)
        except TimeoutError:
            self._end()  # what is said too late would be taken for the next answer
            raise TimeoutError(f"the server took longer than {self.params.timeout:g} s for a {kind}") from None
        try:
            answer = json.loads(said)
            kind_of, told = answer["type"], answer["data"]
            if kind_of == "error":
                raise _refused(told) if kind == "step" and told.get("code") == "VALIDATION_ERROR" else _failed(told)
            reward = 0.0 if told["reward"] is None else float(told["reward"])
            if not math.isfinite(reward) or not isinstance(told["done"], bool):
                raise ValueError("a reward or a done that is none")
            return self._text(told["observation"]), reward, told["done"]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"the server sent no observation but {_shown(said)} ({one_line(error)})") from error

    def _text(self, observation: Mapping[str, Any]) -> str:
        names = self.params.show or tuple(observation)
        missing = [name for name in names if name not in observation]
        if missing:
            raise ValueError(f"it has no field {missing[0]!r} to show, but {', '.join(observation) or 'none'}")
        told = {
            name: observation[name] for name in names if self.params.show or observation[name] not in (None, "", [], {})
        }
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
        return (
            next(iter(texts.values()))
            if len(texts) == 1
            else "\n".join(f"{name}: {text}" for name, text in texts.items())
        )


def _refused(told: Mapping[str, Any]) -> RefusedError:
    errors = told.get("errors") or []
    details = "; ".join(f"{'.'.join(map(str, error.get('loc', ())))}: {error.get('msg', '')}" for error in errors)
    return RefusedError(f"the environment does not take it as an action: {details or told.get('message', '')}")


def _failed(told: Mapping[str, Any]) -> ConnectionError:
    """An error, of a class that is not taken for a message that cannot be read."""
    remedy = ""
    if told.get("code") == "CAPACITY_REACHED":
        remedy = "; start it with more sessions at once (max_concurrent_envs), or play fewer episodes side by side"
    return ConnectionError(f"the server says {told.get('code')}: {told.get('message')}{remedy}")


def _shown(said: str | bytes) -> str:
    text = said if isinstance(said, str) else said.decode(errors="replace")
    return repr(text[:120] + ("…" if len(text) > 120 else ""))
