"""A loopback chat endpoint for the plugins that ask one: real sockets, and whatever answers a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Answering(ThreadingHTTPServer):
    """A loopback endpoint whose every answer is ``answer(number of the request, its body)``: a text, or what to do to the handler."""

    daemon_threads = True

    def __init__(self, answer: Callable[[int, dict[str, Any]], Any]) -> None:
        self.answer = answer
        self.requests: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that have gone away are meant here."""


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions"
        number = len(self.server.requests)
        self.server.requests.append((body, dict(self.headers)))
        said = self.server.answer(number, body)
        if callable(said):
            said(self)
        elif isinstance(said, int):
            self.reply(b'{"error": "so it is"}', said)
        else:
            self.reply(json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode())

    def reply(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(name="serve")
def _serve() -> Iterator[Callable[[Callable[[int, dict[str, Any]], Any]], Answering]]:
    servers: list[Answering] = []

    def start(answer: Callable[[int, dict[str, Any]], Any]) -> Answering:
        servers.append(Answering(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stopped.set()
        server.shutdown()
        server.server_close()
