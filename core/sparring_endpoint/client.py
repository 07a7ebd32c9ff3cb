"""Asking a model behind an OpenAI-compatible endpoint, which may be slow, talk rubbish or be gone.

Every attempt has a deadline, attempts are few, at most so many are under way at once, and after too many failures the
rest is not asked: a dead endpoint costs a minute, not a night.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pydantic import Field

from sparring import Params, Sampling, SparringError, Transcript

if TYPE_CHECKING:
    import httpx

_MOST_BYTES = 1 << 20  # of an answer, which is a few pages at most


class EndpointParams(Params):
    url: str = Field(
        pattern="^https?://",
        description="Base of the API, for example http://localhost:8000/v1; /chat/completions is added.",
    )
    model: str = Field(min_length=1, description="The model's name there.")
    api_key_env: str = Field("", description="Environment variable that holds the key; empty: none is sent.")
    timeout: float = Field(30.0, gt=0, description="Seconds an attempt may take, connection and answer together.")
    attempts: int = Field(3, ge=1, description="How often a question is tried (ours).")
    backoff: float = Field(0.5, ge=0, description="Seconds before the second attempt; doubled before each further one.")
    concurrency: int = Field(8, ge=1, description="Most requests at once.")


class NoAnswerError(Exception):
    """Why there is no answer. ``final``: another attempt would bring nothing."""

    def __init__(self, why: str, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Endpoint:
    """A client for one endpoint and model."""

    def __init__(self, params: EndpointParams) -> None:
        self.params = params

    def ask(
        self, transcripts: Sequence[Transcript], sampling: Sampling, most_failures: int
    ) -> list[str | NoAnswerError]:
        """An answer for each transcript, or why there is none. After more than ``most_failures`` no more are asked."""
        import httpx

        failures = 0
        lock = threading.Lock()

        def one(transcript: Transcript) -> str | NoAnswerError:
            nonlocal failures
            if failures > most_failures:
                return NoAnswerError("it was not asked: too many others had failed")
            try:
                return self._try(client, self._body(transcript, sampling), lambda: failures > most_failures)
            except NoAnswerError as error:
                with lock:
                    failures += 1
                return error

        limits = httpx.Limits(max_connections=self.params.concurrency)
        with (
            httpx.Client(headers=self._headers(), timeout=self.params.timeout, limits=limits) as client,
            ThreadPoolExecutor(self.params.concurrency, "endpoint") as pool,
        ):
            return list(pool.map(one, transcripts))

    def _headers(self) -> dict[str, str]:
        name = self.params.api_key_env
        if not name:
            return {}
        if name not in os.environ:
            raise SparringError(
                f"the endpoint {self.params.url} needs a key in the environment variable {name}, which is not set"
            )
        return {"Authorization": f"Bearer {os.environ[name]}"}

    def _body(self, transcript: Transcript, sampling: Sampling) -> dict[str, Any]:
        return {
            "model": self.params.model,
            "messages": [{"role": role, "content": text} for role, text in transcript],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }

    def _try(self, client: httpx.Client, body: dict[str, Any], hopeless: Callable[[], bool]) -> str:
        for attempt in range(1, self.params.attempts + 1):
            try:
                return self._once(client, body)
            except NoAnswerError as error:
                if error.final or attempt == self.params.attempts or hopeless():
                    tries = "1 attempt" if attempt == 1 else f"{attempt} attempts"
                    raise NoAnswerError(f"{self.params.url} gave no answer in {tries}: {error}", True) from error
                time.sleep(self.params.backoff * 2 ** (attempt - 1))
        raise AssertionError("the loop returns or raises")

    def _once(self, client: httpx.Client, body: dict[str, Any]) -> str:
        import httpx

        deadline = time.monotonic() + self.params.timeout
        data = bytearray()
        try:
            with client.stream("POST", f"{self.params.url.rstrip('/')}/chat/completions", json=body) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    # httpx's own timeout is for each read: an endpoint that sends a byte a second would never meet it.
                    if time.monotonic() > deadline:
                        raise NoAnswerError(f"it took longer than {self.params.timeout:g} s")
                    if len(data) > _MOST_BYTES:
                        raise NoAnswerError(f"it sent more than {_MOST_BYTES} bytes")
        except httpx.TimeoutException as error:
            raise NoAnswerError(f"it took longer than {self.params.timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error
        if response.status_code != 200:
            status = response.status_code
            # Too many requests and a server's own trouble pass; a wrong key, name or body does not.
            raise NoAnswerError(f"HTTP {status}: {_shown(data)}", final=status < 500 and status not in (408, 425, 429))
        return _answer(data)


def _answer(data: bytes | bytearray) -> str:
    try:
        text = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError) as error:
        raise NoAnswerError(f"it sent no chat completion but {_shown(data)}") from error
    if not isinstance(text, str):
        raise NoAnswerError(f"it sent {text!r} instead of a text")
    return text


def _shown(data: bytes | bytearray) -> str:
    text = bytes(data[:120]).decode(errors="replace")
    return repr(text + ("…" if len(data) > 120 else ""))
