"""What goes wrong in a run is told in a sentence and loses nothing: numbers that break, plugins that fail, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from sparring import checkpoint, learner, transcripts
from sparring.prefix_tree import build_forest
from sparring_cli import main

PLUGIN = '''
"""Components with a fault each, after as many calls as they are told to wait."""
import math
from pathlib import Path
from sparring import Completion, Params, RoleSpec, Verdict, hookimpl
from sparring_generators.params import TransformersParams
from sparring_generators.transformers import TransformersGenerator
from sparring_games.kuhn_poker import KuhnPoker, KuhnPokerParams, KuhnState
from sparring_roles.turn_based import TurnBased, TurnBasedParams

class Wait(Params):
    calls: int = 2

class Counted:
    def __init__(self, params):
        self.params, self.calls = params, 0
    def due(self):
        self.calls += 1
        return self.calls > self.params.calls

class NanEstimator(Counted):
    def estimate(self, trajectories):
        bad = self.due()
        return [[math.nan if bad and i else 1.0 - 2 * (i % 2) for _ in t.turns] for i, t in enumerate(trajectories)]

class ShortEstimator(Counted):
    def estimate(self, trajectories):
        return [[0.0] for _ in trajectories][1:]

class NanJudge(Counted):
    def judge(self, items):
        return [Verdict((math.nan, 0.0) if self.due() else (1.0, -1.0)) for _ in items]

class NanLoss(Counted):
    needs_reference = "no"
    def __call__(self, batch):
        return batch.logprobs.sum() * (math.nan if self.due() else 1.0), {}

class SteepLoss(Counted):
    """A loss of zero whose gradient is infinite."""
    needs_reference = "no"
    def __call__(self, batch):
        value = batch.logprobs.sum()
        return (value - value.detach()).sqrt() if self.due() else value, {}

class Forgetful(KuhnPoker):
    def new_state(self, chance):
        state = ForgetfulState(self, chance)
        state.deal()
        return state

class ForgetfulState(KuhnState):
    def observe(self, player):
        return [] if len(self.history) == 2 else super().observe(player)

class Stumbles(TurnBased):
    """Fails in some episodes, after they were played."""
    async def play(self, table):
        await super().play(table)
        if table.chance.pick([True, False, False]):
            raise RuntimeError("the table fell over")

class Nobody(TurnBased):
    async def play(self, table):
        await table.act("nobody", table.conversation("nobody"))

class BadParams(TransformersParams):
    fault: str = "raises"
    call: int = 6  # of the run
    once: str = ""  # a file that is there once it has happened

class Bad(TransformersGenerator):
    """Fails in one call, or gives what is no completion."""
    def __init__(self, params):
        super().__init__(params)
        self.calls = 0
    def room(self, requests):
        return 0 if self.due("no_room") else super().room(requests)
    def due(self, fault):
        happened = self._params.once and Path(self._params.once).exists()
        return self.calls >= self._params.call and self._params.fault == fault and not happened
    def advance(self, until=bool):
        self.calls += 1
        if self.due("raises"):
            if self._params.once:
                Path(self._params.once).touch()
            raise RuntimeError("the device fell off the bus")
        done = super().advance(until)
        if self.due("none_ended"):
            return {}
        if self.due("unknown"):
            return {number + 1000: one for number, one in done.items()}
        return {number: self.spoil(one) for number, one in done.items()}
    def spoil(self, one):
        tokens, logprobs = one.tokens, one.logprobs
        if self.due("nothing_sampled"):
            tokens, logprobs = [], []
        if self.due("without_logprobs"):
            logprobs = []
        if self.due("endless"):
            tokens, logprobs = 10 * tokens, 10 * logprobs
        return Completion(tokens, logprobs, one.finish)

class Whole:
    """The same, which answers all it is asked before anybody else may ask."""
    def __init__(self, params):
        self.inner = Bad(params)
        self.publish, self.withdraw, self.release = self.inner.publish, self.inner.withdraw, self.inner.release
        self.room, self.score = self.inner.room, self.inner.score
    def generate(self, requests):
        done = self.inner.generate(requests)
        return done[1:] if self.inner.due("too_few") else done

class Roleless(TurnBased):
    def roles(self, game):
        return ["player_0", "player_1"]

def register(hook, **made):
    def call(register):
        for name, (factory, params) in made.items():
            register(name, factory, params)
    call.__name__ = hook
    globals()[hook] = hookimpl(call)

register("sparring_register_advantage_estimators", nan_estimator=(NanEstimator, Wait),
         short_estimator=(ShortEstimator, Wait))
register("sparring_register_judges", nan_judge=(NanJudge, Wait))
register("sparring_register_objectives", nan_loss=(NanLoss, Wait), steep_loss=(SteepLoss, Wait))
register("sparring_register_generators", bad=(Bad, BadParams), whole=(Whole, BadParams))
register("sparring_register_games", forgetful=(Forgetful, KuhnPokerParams))
register("sparring_register_role_schemes", stumbles=(Stumbles, TurnBasedParams), nobody=(Nobody, TurnBasedParams),
         roleless=(Roleless, TurnBasedParams))
'''
SMALL = (
    "objective={use: policy_gradient, normalize: token_sum}",
    "batch.size=8",
    "train.steps=4",
    "train.schedule=constant",
    "evaluate=[]",
    "checkpoint.every=1",
    "transcripts.every=1",
    "trackers=[jsonl]",
)
WORDS = Callable[..., list[str]]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> WORDS:
    """Arguments of `sparring run` for a small run with the faulty plugin, of a model that was built once."""
    home = tmp_path_factory.mktemp("home")
    (home / "faulty.py").write_text(PLUGIN)
    tiny = "policies.main.model={use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}"

    def call(folder: Path, *sets: str, model: str = "", resume: bool = False) -> list[str]:
        given = (f"policies.main.model={model or {'use': 'pretrained', 'path': str(home / 'model')}}", *SMALL)
        sets = sets if resume else (*given, *sets)
        way = ["--resume"] if resume else ["kuhn_poker/quickstart"]
        plugin = ["--plugin", str(home / "faulty.py")]
        return ["run", *way, *plugin, "--out", str(folder), *(word for item in sets for word in ("--set", item))]

    made = CliRunner().invoke(main, [*call(home / "model"), "--set", tiny, "--set", "train.steps=0"])
    assert made.exit_code == 0, made.output
    return call


def invoke(words: list[str]) -> Result:
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


# ---- numbers that break ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "cure", "last", "message"),
    [
        (
            "advantage={use: nan_estimator, calls: 2}",
            "advantage=plain",
            2,
            r"step 3: the advantage of player_[01] in episode \d+ is nan .*estimator is at fault",
        ),
        (
            "objective={use: nan_loss, calls: 1}",
            "objective=policy_gradient",
            1,
            r"step 2: the loss of policy 'main' is nan because the objective overflows, first for episode \d+ of \S+ \(role p",
        ),
        (
            "objective={use: steep_loss, calls: 3}",
            "objective=policy_gradient",
            3,
            r"step 4: the gradient norm of policy 'main' is (nan|inf): not finite in \d+ tensors, first model\.\S+\.weight; .*role p",
        ),
    ],
)  # fmt: skip
def test_a_number_that_breaks_stops_the_run_and_leaves_the_checkpoint_before(
    words: WORDS, tmp_path: Path, fault: str, cure: str, last: int, message: str
) -> None:
    folder = tmp_path / "run"
    result = invoke(words(folder, fault))
    assert result.exit_code == 1
    assert re.search(f"^error: {message}", result.stderr)
    newest = checkpoint.latest(folder)
    assert newest is not None
    assert checkpoint.load(newest).step == last
    assert [row["step"] for row in rows(folder)] == [*range(last + 1)]
    resumed = invoke(words(folder, cure, resume=True))
    assert resumed.exit_code == 0, resumed.output
    assert [row["step"] for row in rows(folder)] == [*range(5)]


def test_weights_that_have_grown_out_of_bounds_stop_the_run(words: WORDS, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = invoke(words(folder, "train.learning_rate=1e36", "checkpoint.every=50"))
    assert result.exit_code == 1
    assert re.search(r"^error: step \d: the (loss|gradient norm) of policy 'main' is (nan|inf)", result.stderr)
    resumed = invoke(words(folder, "train.learning_rate=1e-4", resume=True))
    assert resumed.exit_code == 0, resumed.output


# ---- memory that runs short ------------------------------------------------------------------------------------------


def test_memory_that_runs_short_halves_the_micro_batch_and_a_resume_goes_on_with_it(
    words: WORDS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, forward, sizes = tmp_path / "run", learner.token_logprobs, list[int]()

    def limited(model: Any, rows: Any, *args: Any, **more: Any) -> Any:
        sizes.append(build_forest(rows).size)
        if sizes[-1] > 100:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return forward(model, rows, *args, **more)

    sets = ("batch.size=16", "train.steps=2", "objective={use: policy_gradient, kl_coef: 0.1, kl_estimator: k3}")
    with monkeypatch.context() as short:
        short.setattr(learner, "token_logprobs", limited)
        result = invoke(words(folder, *sets))
    assert result.exit_code == 0, result.output
    assert "warning: step 1: memory ran short in a micro-batch of" in result.stderr
    budgets = [row["token_budget/main"] for row in rows(folder)[1:]]
    assert budgets[0] == budgets[1] <= max(sizes) // 2
    resumed = invoke(words(folder, "train.steps=4", resume=True))
    assert resumed.exit_code == 0, resumed.output
    assert [row["token_budget/main"] for row in rows(folder)[1:]] == 2 * budgets


def test_a_row_that_does_not_fit_stops_the_run_and_what_was_learned_before_is_saved(
    words: WORDS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, forward, calls = tmp_path / "run", learner.token_logprobs, list[int]()

    def limited(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return forward(*args, **more)

    with monkeypatch.context() as short:
        short.setattr(learner, "token_logprobs", limited)
        result = invoke(words(folder, "checkpoint.every=50"))
    assert result.exit_code == 1
    assert re.search(
        r"^error: step 3: one row of \d+ tokens of policy 'main' does not fit", result.stderr, re.MULTILINE
    )
    newest = checkpoint.latest(folder)
    assert newest is not None
    assert checkpoint.load(newest).step == 2
    resumed = invoke(words(folder, resume=True))
    assert resumed.exit_code == 0, resumed.output
    assert [row["step"] for row in rows(folder)] == [*range(5)]


# ---- plugins that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "status", "message"),
    [
        (["judges.outcome={use: nan_judge, calls: 5}"], 1, r"step 1: .*judge NanJudge gave .*not all of it finite"),
        (
            ["play.0.game=forgetful"],
            1,
            r"step \d, episode \d+ of kuhn_poker \(seed 0, start \d+\): the log of player 0 became shorter.* moves so far \['0 ",
        ),
        (["play.0.scheme=nobody"], 1, r"step 1: 8 episodes .* episode 7 of kuhn_poker: .*no role 'nobody'"),
        (["play.0.scheme=roleless"], 2, r"play\.0: cannot be set up: .*'str' object has no attribute 'name'"),
    ],
)
def test_a_plugin_that_breaks_its_contract_is_named(
    words: WORDS, tmp_path: Path, sets: list[str], status: int, message: str
) -> None:
    result = invoke(words(tmp_path / "run", "train.failure_budget=0", "batch.size=8", *sets))
    assert result.exit_code == status
    assert re.search(message, result.stderr), result.stderr


def test_episodes_that_fail_are_counted_and_left_out(words: WORDS, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    sets = ("play.0.scheme=stumbles", "batch.size=16", "train.steps=2")
    result = invoke(words(folder, *sets, "train.failure_budget=100"))
    assert result.exit_code == 0, result.output
    episodes = [transcripts.read(folder / "episodes" / f"step-{step:06d}.jsonl.zst") for step in (1, 2)]
    failed = [sum(bool(episode.error) for episode in step) for step in episodes]
    assert all(0 < n < 16 for n in failed)
    assert [row["episodes_failed"] for row in rows(folder)[1:]] == [failed[0], sum(failed)]
    assert {e.error for step in episodes for e in step} == {"", "RuntimeError: the table fell over"}
    assert not any(turn.trained for step in episodes for e in step if e.error for turn in e.turns)

    result = invoke(words(tmp_path / "other", *sets, f"train.failure_budget={sum(failed) - 1}"))
    assert result.exit_code == 1
    assert f"step 2: {sum(failed)} episodes of this run have failed" in result.stderr
    assert "RuntimeError: the table fell over" in result.stderr
    result = invoke(words(tmp_path / "third", *sets, f"train.failure_budget={sum(failed)}"))
    assert result.exit_code == 0


def test_a_plugin_file_that_raises_is_refused(words: WORDS, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n")
    result = invoke([*words(tmp_path / "run"), "--plugin", str(tmp_path / "bad.py")])
    assert result.exit_code == 2
    assert re.search(r"^error: the plugin \S+bad\.py could not be loaded: ZeroDivisionError", result.stderr)
    assert not (tmp_path / "run").exists()


def test_an_installed_plugin_that_raises_is_reported_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "stranger-1.2.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
    (installed / "entry_points.txt").write_text("[sparring]\nstranger = stranger\n")
    (tmp_path / "stranger.py").write_text("raise OSError('no board')\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = invoke(["plugins"])
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if line.startswith("stranger"))
    assert line.split() == ["stranger", "stranger", "1.2", "0", "OSError:", "no", "board"]
    checked = invoke(["check", "kuhn_poker/quickstart"])
    assert checked.exit_code == 0
    assert "warning: plugin 'stranger' (1.2) could not be loaded: OSError: no board" in checked.stderr


# ---- generators that fail --------------------------------------------------------------------------------------------

WHERE = r"^error: step \d, episode \d+ of kuhn_poker \(seed 0, start \d+\): "


FAILED = r"the generator failed on \d requests at once, of episodes \d+ to \d+ with prompts of up to \d+ tokens: RuntimeError\('the device fell"


@pytest.mark.parametrize(
    ("use", "fault", "message"),
    [
        ("bad", "raises", FAILED),
        ("whole", "raises", FAILED),
        ("bad", "no_room", "the generator has room for none of the requests"),
        ("bad", "none_ended", r"the generator went on, and ended none of the \d requests it has"),
        ("bad", "unknown", r"the generator ended \[10\d\d.*\], which no request has as its number"),
        ("whole", "too_few", r"the generator gave \d completions for \d requests"),
        ("bad", "nothing_sampled", r"turn \d of role 'player_[01]', by policy 'main': the generator gave 0 tokens with 0 log-prob"),
        ("whole", "without_logprobs", r"turn \d of role 'player_[01]', by policy 'main': the generator gave \d tokens with 0 log-prob"),
        ("bad", "endless", r"turn \d of role 'player_[01]', by policy 'main': the generator gave \d+ tokens .* asked for 1 to 4"),
    ],
)  # fmt: skip
def test_a_generator_that_fails_is_named_with_the_episode_and_the_last_whole_step_is_saved(
    words: WORDS, tmp_path: Path, use: str, fault: str, message: str
) -> None:
    folder = tmp_path / "run"
    result = invoke(
        words(folder, f"generator={{use: {use}, fault: {fault}}}", "sampling.max_tokens=4", "checkpoint.every=50")
    )
    assert result.exit_code == 1
    assert re.search(WHERE + message, result.stderr), result.stderr
    step = int(rows(folder)[-1]["step"])
    assert step >= 1
    assert result.stderr.endswith(
        f"Saved up to step {step}. Go on from there with:\n  sparring run --resume --out {folder}\n"
    )
    newest = checkpoint.latest(folder)
    assert newest is not None
    assert checkpoint.load(newest).step == step


def test_after_an_engine_died_a_resume_is_the_run_in_which_it_did_not(words: WORDS, tmp_path: Path) -> None:
    straight, folder = tmp_path / "straight", tmp_path / "run"
    happened = tmp_path / "happened"
    assert invoke(words(straight, "generator=bad", "generator.call=1000")).exit_code == 0
    died = invoke(words(folder, f"generator={{use: bad, once: {happened}}}", "checkpoint.every=50"))
    assert (died.exit_code, happened.exists()) == (1, True)
    resumed = invoke(words(folder, resume=True))
    assert resumed.exit_code == 0, resumed.output
    kept = [
        [{k: v for k, v in row.items() if "seconds" not in k and k != "framework_share"} for row in rows(each)]
        for each in (straight, folder)
    ]
    assert kept[0] == kept[1]
    weights = [each / "checkpoints/step-000004/policies/main/model.safetensors" for each in (straight, folder)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_model_whose_weights_are_no_numbers_is_refused(words: WORDS, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    assert invoke(words(tmp_path / "run", "train.steps=0")).exit_code == 0
    model = tmp_path / "run/checkpoints/step-000000/policies/main"
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    result = invoke(words(tmp_path / "other", model=f"{{use: pretrained, path: {model}}}"))
    assert result.exit_code == 1
    assert re.search(
        r"^error: the model \S+ is not whole: 1 of its tensors are not finite, such as model\.norm\.weight",
        result.stderr,
    )


# ---- places that cannot be used --------------------------------------------------------------------------------------


def test_a_missing_model_is_named(words: WORDS, tmp_path: Path) -> None:
    result = invoke(words(tmp_path / "run", model=str({"use": "pretrained", "path": "./not/there"})))
    assert result.exit_code == 1
    assert "error: there is no model folder ./not/there; give a folder" in result.stderr


def test_a_folder_that_cannot_be_written_is_named(words: WORDS, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        result = invoke(words(folder))
        assert result.exit_code == 2
        assert f"error: cannot write to {folder}" in result.stderr
        assert "--out" in result.stderr


# ---- interruption ----------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_the_run_after_the_step_in_hand(words: WORDS, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    endless = words(folder, "train.steps=1000000", "checkpoint.every=1000000")
    process = subprocess.Popen(
        [sys.executable, "-m", "sparring", *endless], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while not (folder / "metrics.jsonl").exists() or len(rows(folder)) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the run tells nobody when it writes; its file is what there is to watch

    # Meanwhile nobody else gets the folder.
    second = invoke(words(folder))
    assert second.exit_code == 2
    assert f"{folder} is not empty" in second.stderr
    resumed = invoke(words(folder, resume=True))
    assert resumed.exit_code == 2
    assert f"error: {folder} is in use by another run" in resumed.stderr

    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    told = re.search(rf"stopped after step (\d+), saved\. Go on with:\n  (sparring run --resume --out {folder})\n", out)
    assert told, out
    step = int(told[1])
    assert rows(folder)[-1]["step"] == step
    newest = checkpoint.latest(folder)
    assert newest is not None
    assert checkpoint.load(newest).step == step

    resumed = invoke(words(folder, f"train.steps={step + 2}", resume=True))
    assert resumed.exit_code == 0, resumed.output
    assert f"done: {folder}" in resumed.stdout
    assert "not exact" not in resumed.stderr
    assert [row["step"] for row in rows(folder)] == [*range(step + 3)]


def test_an_estimator_that_gives_too_few_advantages_is_named(words: WORDS, tmp_path: Path) -> None:
    done = invoke(words(tmp_path / "run", "advantage=short_estimator"))
    assert done.exit_code == 1
    assert "step 1: estimator ShortEstimator gave" in done.stderr
    assert "one for each turn" in done.stderr


def test_a_model_that_cannot_be_loaded_costs_no_folder(words: WORDS, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = invoke(words(folder, model="{use: pretrained, path: ./nowhere}"))
    assert done.exit_code == 1
    assert not folder.exists()


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    from types import SimpleNamespace

    import torch

    from sparring.errors import NumericsError

    model = torch.nn.Linear(2, 2)
    model.weight.data[0, 0] = float("inf")
    with pytest.raises(NumericsError, match="policy 'main' are not finite in 1 tensors, first weight"):
        checkpoint.save(tmp_path, 3, {}, {}, {"main": SimpleNamespace(model=model)})  # type: ignore[dict-item]
    assert list((tmp_path / "checkpoints").iterdir()) == []
