"""Classic environments of verifiers, whose own rollout runs: its stop conditions, its setup and cleanup, and its rubric."""

from __future__ import annotations

from typing import Any, Literal

import verifiers as vf
from verifiers.clients import Client
from verifiers.types import Response, ResponseMessage

from sparring_adapters.own_loop import Ask
from sparring_adapters.verifiers import told

_MODEL = "player"  # what the environment is told that its model is called


class Classic:
    """An environment with rows of a dataset as its starts."""

    def __init__(self, environment: vf.Environment, split: Literal["train", "eval"]) -> None:
        self.environment = environment
        self.rows = environment.get_dataset() if split == "train" else environment.get_eval_dataset()
        self.starts = len(self.rows)
        most = getattr(environment, "max_turns", -1)
        self.max_turns: int | None = most if most > 0 else None
        self.refusal = _refusal(environment, self.starts)

    async def play(self, start: int, ask: Ask) -> tuple[str, float]:
        player = _Player(ask)
        output = await self.environment.run_rollout(dict(self.rows[start]), player, _MODEL, {})
        if output["error"] is not None:
            raise RuntimeError(f"its rollout ended with an error: {output['error']!r}")
        last = [message for message in output["completion"] or [] if message["role"] != "assistant"]
        return told([_Said(message) for message in last[player.heard :]]), float(output["reward"])


class _Said:
    """A message of an output, which is a mapping there."""

    def __init__(self, message: Any) -> None:
        self.role, self.content = message["role"], message["content"]


def _refusal(environment: vf.Environment, starts: int) -> str:
    if not isinstance(environment, vf.MultiTurnEnv):
        return f"is a {type(environment).__name__}, not a MultiTurnEnv or SingleTurnEnv: its turns are its own affair"
    if environment.tool_defs or isinstance(environment, vf.ToolEnv):
        return "has tools to call, and the seat of a game only speaks"
    if environment.requires_group_rollouts:
        return "scores several rollouts together, and a match is one"
    return "" if starts else "has no rows in that split of its dataset"


class _Player(Client[Any, Any, str, Any]):  # type: ignore[misc]  # verifiers ships no types
    """A client that is a player: a prompt is what it is told, as far as it has not heard it."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(None)
        self._ask = ask
        self._known: list[Any] = []  # the messages of the last prompt, and the answer to it
        self.heard = 0  # messages that were told since the first prompt

    def setup_client(self, config: Any) -> Any:
        return None

    async def to_native_tool(self, tool: Any) -> Any:
        raise ValueError("the environment gives its model tools to call, and the seat of a game only speaks")

    async def to_native_prompt(self, messages: Any) -> tuple[Any, dict[str, Any]]:
        return messages, {}

    async def get_native_response(
        self, prompt: Any, model: str, sampling_args: Any, tools: Any = None, **kwargs: Any
    ) -> str:
        texts = [(message.role, message.content) for message in prompt]
        grows = self._known and texts[: len(self._known)] == self._known
        new = prompt[len(self._known) :] if grows else prompt  # a prompt that was written anew is told anew
        if self._known:
            self.heard += sum(message.role != "assistant" for message in new)
        answer = await self._ask(told(list(new)))
        self._known = [*texts, ("assistant", answer)]
        return answer

    async def raise_from_native_response(self, response: str) -> None:
        pass

    async def from_native_response(self, response: str) -> Response:
        message = ResponseMessage(content=response, finish_reason="stop", is_truncated=False)
        return Response(id="", created=0, model=_MODEL, message=message)

    async def close(self) -> None:
        pass
