"""verifiers' environments as one-player games: their own rollout runs, their rubric pays, and what needs more is refused."""

from __future__ import annotations

import asyncio
import builtins
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sparring import SeededChance
from sparring.errors import EpisodeError
from sparring.testing import check_game, make
from sparring_adapters.verifiers import Verifiers, VerifiersParams
from sparring_cli import main

MODULES = {
    "made_guess": """
import random
import verifiers as vf
from datasets import Dataset


class Guess(vf.MultiTurnEnv):
    async def setup_state(self, state):
        state["luck"] = random.random()

    async def env_response(self, messages, state, **kwargs):
        said, answer = messages[-1].content, state["answer"]
        if said == "die":
            raise vf.Error("the environment fell over")
        if said == answer:
            state["final_env_response"] = [vf.UserMessage(content="right")]
            return state["final_env_response"]
        return [vf.UserMessage(content=("higher" if said < answer else "lower") + f" ({state['luck']:.6f})")]


def found(completion, answer):
    return float(any(message.role == "assistant" and message.content == answer for message in completion))


def short(completion):
    return -float(sum(message.role == "assistant" for message in completion))


def together(completions):
    return [0.0 for _ in completions]


def load_environment(rows=8, group=False, tools=False, empty=False):
    rows = [{"question": f"Guess, hint {i}.", "answer": str(i + 1)} for i in range(rows)]
    rubric = vf.Rubric([found, short] + [together] * group, weights=[1.0, 0.1] + [1.0] * group)
    more = {"tool_defs": [{"name": "look", "description": "", "parameters": {}}]} if tools else {}
    return Guess(dataset=Dataset.from_list(rows), max_turns=4, system_prompt="You guess.", rubric=rubric, **more)
""",
    "made_question": """
import verifiers as vf
from datasets import Dataset


def right(parser, completion, answer):
    return float(parser.parse_answer(completion) == answer)


def load_environment():
    parser = vf.XMLParser(["answer"])
    data = Dataset.from_list([{"question": f"1 + {i} = ?", "answer": str(1 + i)} for i in range(3)])
    return vf.SingleTurnEnv(dataset=data, parser=parser, rubric=vf.Rubric([right], parser=parser))
""",
    "made_tasks": """
import verifiers.v1 as vf


class Data(vf.TaskData):
    answer: str


class Sum(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward(weight=2.0)
    async def right(self, trace) -> float:
        return float(trace.last_reply == self.data.answer)


class Config(vf.TasksetConfig):
    tasks: int = 5


class Sums(vf.Taskset[Sum, Config]):
    def load(self):
        for i in range(self.config.tasks):
            yield Sum(Data(idx=i, prompt=f"1 + {i} = ?", system_prompt="Add.", answer=str(1 + i)), self.config.task)


__all__ = ["Sums"]
""",
    "made_talk": """
import itertools
import verifiers.v1 as vf


class Data(vf.TaskData):
    number: str


class Talk(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward
    async def short(self, trace) -> float:
        return -0.1 * trace.num_turns


class Config(vf.EnvConfig):
    player: vf.AgentConfig = vf.AgentConfig(max_turns=3)


class TalkEnv(vf.Env[Config]):
    async def run(self, task, agents):
        async with agents.player.interaction(task) as interaction:
            segment = await interaction.turn()
            while not segment.terminated and segment.last_reply != task.data.number:
                segment = await interaction.turn("higher" if segment.last_reply < task.data.number else "lower")
        interaction.trace.record_reward("found", float(not segment.terminated))


class Talks(vf.Taskset[Talk, vf.TasksetConfig]):
    INFINITE = True

    def load(self):
        for i in itertools.count():
            yield Talk(Data(idx=i, prompt="Guess 1 to 4.", number=str(1 + i % 4)), self.config.task)


__all__ = ["Talks", "TalkEnv"]
""",
    "made_boxed": """
import verifiers.v1 as vf


class Boxed(vf.Task[vf.TaskData, vf.State, vf.TaskConfig]):
    NEEDS_CONTAINER = True


class Boxes(vf.Taskset[Boxed, vf.TasksetConfig]):
    def load(self):
        yield Boxed(vf.TaskData(prompt="x"), self.config.task)


__all__ = ["Boxes"]
""",
    "made_pair": """
import verifiers.v1 as vf


class Config(vf.EnvConfig):
    first: vf.AgentConfig = vf.AgentConfig()
    second: vf.AgentConfig = vf.AgentConfig()


class Pair(vf.Env[Config]):
    async def run(self, task, agents):
        await agents.first.run(task)


class Tasks(vf.Taskset[vf.Task, vf.TasksetConfig]):
    def load(self):
        yield vf.Task(vf.TaskData(prompt="x"), self.config.task)


__all__ = ["Tasks", "Pair"]
""",
}
MOVES = ("1", "3", "5", "8")


@pytest.fixture
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("verifiers", reason="needs verifiers: pip install 'sparring[verifiers]'")
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def _version_1(_modules: None) -> None:
    pytest.importorskip("verifiers.v1", reason="verifiers' version 1 needs mcp<2", exc_type=ImportError)


def game(name: str, **params: Any) -> Verifiers:
    return Verifiers(VerifiersParams(id=name, moves=MOVES, **params))


@pytest.mark.usefixtures("_modules")
@pytest.mark.parametrize("name", ["made-guess", "made-question"])
def test_a_classic_environment_is_a_sound_game(name: str) -> None:
    check_game(game(name), episodes=6)


@pytest.mark.usefixtures("_modules")
def test_a_classic_rollout_is_told_turn_by_turn_and_its_rubric_pays() -> None:
    played = game("made-guess")
    assert (played.starts, played.info.max_turns) == (8, 4)
    state = played.new_state(SeededChance(3))
    answer = str(state.start + 1)
    assert state.observe(0) == [f"You guess.\n\nGuess, hint {state.start}."]
    state.apply({0: "0"})
    assert state.observe(0)[-1].startswith("higher (0.")
    assert state.rewards() == [0.0]
    state.apply({0: answer})
    assert state.observe(0)[-1] == "right"
    assert state.rewards() == pytest.approx([1.0 - 0.2])
    assert (state.to_act(), state.outcome().kinds) == ((), ("win",))


@pytest.mark.usefixtures("_modules")
def test_the_environments_own_limit_ends_a_match_and_is_paid() -> None:
    state = game("made-guess").new_state(SeededChance(0))
    while state.to_act():
        state.apply({0: "0"})
    assert len(state.taken) == 4
    assert state.outcome().returns == pytest.approx((-0.4,))


@pytest.mark.usefixtures("_modules")
def test_it_is_played_from_within_a_running_loop() -> None:
    """As our own play does. And what the environment draws is the match's own, whoever plays beside it."""
    played = game("made-guess", arguments={"rows": 1000})

    async def play() -> list[list[str]]:
        states = [played.new_state(SeededChance(seed)) for seed in (1, 2)]
        for _ in range(2):
            for state in states:
                state.apply({0: "0"})
        return [state.observe(0) for state in states]

    alone = [played.new_state(SeededChance(seed)) for seed in (1, 2)]
    for state in alone:
        state.apply({0: "0"})
        state.apply({0: "0"})
    assert asyncio.run(play()) == [state.observe(0) for state in alone]
    assert alone[0].observe(0)[1] != alone[1].observe(0)[1]


@pytest.mark.usefixtures("_modules")
def test_an_environment_that_falls_over_fails_the_episode_with_its_cause() -> None:
    state = game("made-guess").new_state(SeededChance(0))
    with pytest.raises(EpisodeError, match=r"made-guess, start \d, after 0 moves: .*the environment fell over"):
        state.apply({0: "die"})


@pytest.mark.usefixtures("_modules")
def test_a_single_turn_environments_parser_reads_the_answer() -> None:
    state = game("made-question").new_state(SeededChance(0))
    state.apply({0: f"<answer>{state.start + 1}</answer>"})
    assert state.outcome().returns == (1.0,)


@pytest.mark.usefixtures("_modules")
def test_handlers_of_signals_stay_the_runs_own() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    game("made-guess")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.usefixtures("_version_1")
@pytest.mark.parametrize("name", ["made-tasks", "made-talk"])
def test_a_taskset_is_a_sound_game(name: str) -> None:
    check_game(game(name, most=20, bounds=(-2, 2)), episodes=6)


@pytest.mark.usefixtures("_version_1")
def test_a_task_is_told_answered_and_scored() -> None:
    played = game("made-tasks", arguments={"tasks": 3})
    assert (played.starts, played.info.max_turns) == (3, 1)
    state = played.new_state(SeededChance(0))
    assert state.observe(0) == [f"Add.\n\n1 + {state.start} = ?"]
    state.apply({0: f" {state.start + 1}\n"})
    assert state.outcome().returns == (2.0,)


@pytest.mark.usefixtures("_version_1")
def test_a_tasksets_own_environment_runs_with_the_player_in_its_seat() -> None:
    played = game("made-talk", most=4)
    assert played.info.max_turns == 3
    state = played.new_state(SeededChance(0))
    state.apply({0: "0"})
    assert state.observe(0)[-1] == "higher"
    state.apply({0: str(state.start + 1)})
    assert state.outcome().returns == pytest.approx((1.0 - 0.2,))
    lost = played.new_state(SeededChance(0))
    while lost.to_act():
        lost.apply({0: "0"})
    assert len(lost.taken) == 3
    assert lost.outcome().returns == pytest.approx((-0.3,))


@pytest.mark.usefixtures("_version_1")
@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("made-guess", {"group": True}, "scores several rollouts together"),
        ("made-guess", {"tools": True}, "has tools to call"),
        ("made-guess", {"row": 3}, "does not load made-guess with {'row': 3}: TypeError"),
        ("made-boxed", {}, "needs a container"),
        ("made-pair", {}, "has 2 agents, and there is one seat"),
        ("primeintellect/nowhere-to-be-found", {}, "no module 'nowhere_to_be_found' is installed"),
    ],
)
def test_what_a_seat_cannot_play_is_refused_with_the_reason(name: str, arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        VerifiersParams(id=name, arguments=arguments)
    (error,) = caught.value.errors()
    assert why in error["msg"]
    assert "\n" not in error["msg"]


@pytest.mark.usefixtures("_modules")
def test_it_is_a_component_like_any_other() -> None:
    assert make("game", "verifiers", id="made-question").info.name == "made-question"


def test_without_verifiers_the_command_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "verifiers":
            raise ModuleNotFoundError("No module named 'verifiers'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "format: 1\npolicies: {main: {model: tiny}}\nobjective: policy_gradient\n"
        "play: [{game: {use: verifiers, id: my-env}, scheme: turn_based}]\n"
    )
    result = CliRunner().invoke(main, ["check", str(recipe)])
    assert result.exit_code == 2
    (line,) = [line for line in result.output.splitlines() if "pip install" in line]
    assert "mine.yaml:4: play.0.game" in line
    assert "pip install 'sparring[verifiers]'" in line
    assert "Traceback" not in result.output
