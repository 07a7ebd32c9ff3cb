"""Tasksets of verifiers' version 1: a task, the environment's ``run(task, agents)`` with the player in its one seat, the task's score.

The seat stands for verifiers' own agent, which would start a program and a server that listens to what it asks a model: there is
neither here, only what such an agent's interaction promises the environment (turns, a trace, scoring as it is closed).
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import verifiers.v1 as vf
from verifiers.v1.dialects.chat import parse_message
from verifiers.v1.episode import EnvInfo
from verifiers.v1.graph import MessageNode
from verifiers.v1.state import state_cls
from verifiers.v1.trace import TraceTask
from verifiers.v1.types import AssistantMessage, SystemMessage, UserMessage
from verifiers.v1.utils.decorators import discover_decorated

from sparring_adapters.own_loop import Ask
from sparring_adapters.verifiers import told


class TasksetSource:
    """A taskset's tasks as starts, played by its environment, or by one that asks once where it has none."""

    def __init__(self, name: str, arguments: Mapping[str, Any], most: int) -> None:
        self.environment = vf.load_environment(vf.resolve_env_config({"taskset": {**arguments, "id": name}}))
        self.tasks: list[Any] = list(islice(self.environment.taskset, most))
        self.starts = len(self.tasks)
        (self.seat, *others) = vf.Agents(self.environment.config, lambda agent, spec: (agent, spec))
        alone = type(self.environment) is vf.SingleAgentEnv  # which asks once
        self.max_turns: int | None = 1 if alone else self.seat[1].max_turns
        self.refusal = f"has {1 + len(others)} agents, and there is one seat" if others else self._refusal()

    async def play(self, start: int, ask: Ask) -> tuple[str, float]:
        task, (name, config) = self.tasks[start], self.seat
        seat = _Seat(name, config, ask)
        agents = vf.Agents(self.environment.config, lambda *_: seat)
        await self.environment.setup(agents)
        await self.environment.run(task, agents)
        if len(seat.traces) != 1:
            raise RuntimeError(f"its environment ran the agent {len(seat.traces)} times, and a match is one run")
        await self.environment.finalize(task, vf.Episode(env=EnvInfo(id=name), traces=seat.traces))
        trace = seat.traces[0]
        unscored = [reward for reward, value in trace.rewards.items() if value is None]
        if unscored:
            raise RuntimeError(f"its reward {unscored[0]!r} was not given")
        return "", trace.reward

    def _refusal(self) -> str:
        """Why a seat that only speaks cannot play it; empty if it can."""
        if not self.tasks:
            return "has no tasks"
        task, environment = self.tasks[0], self.environment
        kind = type(task)
        if kind.toolsets(task.config) or type(environment.taskset).toolsets(environment.taskset.config):
            return "has tools to call, and the seat of a game only speaks"
        wants = [
            what
            for what, needed in {
                "a container": kind.NEEDS_CONTAINER,
                "a runtime to prepare the task in": kind.setup is not vf.Task.setup,
                "a runtime to finish the task in": kind.finalize is not vf.Task.finalize,
                "stop conditions of its tasks": bool(discover_decorated(task, "stop")),
                "resources that it starts": type(environment).start is not vf.Env.start,
                "a runtime to score in": any(_needs_runtime(f) for f in discover_decorated(task, "reward")),
            }.items()
            if needed
        ]
        return f"needs {wants[0]}, and there is only a seat that speaks" if wants else ""


class _Seat:
    """What an environment takes for an agent."""

    def __init__(self, name: str, config: Any, ask: Ask) -> None:
        self.name, self.config, self.ask = name, config, ask
        self.trainable = True
        self.traces: list[Any] = []

    async def run(self, task: Any) -> Any:
        """The task's prompt, and one answer."""
        async with self.interaction(task) as interaction:
            await interaction.turn()
        return interaction.trace

    @asynccontextmanager
    async def interaction(self, task: Any) -> AsyncIterator[_Interaction]:
        interaction = _Interaction(self, task)
        self.traces.append(interaction.trace)
        yield interaction
        interaction.trace.stop("user_closed")
        await task.score(interaction.trace)
        interaction.trace.ok = True


class _Interaction:
    """What an environment takes for a conversation with an agent."""

    def __init__(self, seat: _Seat, task: Any) -> None:
        self.seat, self.prompt = seat, task.data.prompt
        self.trace: Any = vf.Trace(
            task=TraceTask(type=type(task).__name__, data=task.data),
            state=state_cls(type(task))(),
            agent=vf.AgentInfo(config=seat.config, name=seat.name),
        )
        self._unsaid: list[Any] = []
        if task.data.system_prompt is not None:
            self._unsaid.append(SystemMessage(content=task.data.system_prompt))
        self._unsaid += _messages(self.prompt)

    async def turn(self, message: Any = None) -> vf.Segment:
        """Tell the player what is new and have it answer; a prompted task speaks first, with no message."""
        opens = self.prompt is not None and not self.trace.num_turns
        if opens != (message is None):
            raise ValueError("a task with a prompt is opened by a turn without a message, and any other turn has one")
        most = self.seat.config.max_turns
        if most is not None and self.trace.num_turns >= most:
            self.trace.stop("max_turns")
            return vf.Segment(messages=[], terminated=True)
        new = [*self._unsaid, *_messages(message)]
        self._unsaid = []
        answer = AssistantMessage(content=await self.seat.ask(told(new)))
        for said in (*new, answer):
            parent = len(self.trace.nodes) - 1 if self.trace.nodes else None
            self.trace.nodes.append(MessageNode(parent=parent, message=said, sampled=said is answer))
        return vf.Segment(messages=[answer])


def _messages(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, str):
        return [UserMessage(content=given)]
    return [parse_message(message) if isinstance(message, dict) else message for message in given]


def _needs_runtime(function: Any) -> bool:
    parameter = inspect.signature(function).parameters.get("runtime")
    return parameter is not None and parameter.default is inspect.Parameter.empty
