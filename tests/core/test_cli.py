from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from sparring import __version__
from sparring.plugins import load_plugins
from sparring.recipe import RecipeSource, find_recipe, load_recipe
from sparring.registry import Registry
from sparring_cli import main
from sparring_cli.catalogue import example, parameters
from sparring_cli.commands import COMMANDS

PLUGIN = '''
"""A plugin in a file."""
from __future__ import annotations
from typing import Annotated, Literal
from pydantic import Field
from sparring import Choice, Game, Params, hookimpl, component

class NimParams(Params):
    heaps: tuple[int, ...] = Field((3, 4, 5), min_length=1, description="Matches in each heap.")
    ending: Literal["normal", "misere"] = Field("normal", description="Whether who takes the last one wins [or loses].")
    limit: int | None = Field(None, ge=1, lt=100, description="Most matches taken at once.")
    inner: Annotated[Choice[Game], component("game")] = Field(description="Another game.")

def make(params: NimParams):
    """Take matches from heaps.

    Who cannot move loses.
    """

class HeldParams(Params):
    pass

class Held:
    """A model at hand."""
    def __init__(self, params): pass
    def where(self): return "in the hand"

class Wanting(Params):
    path: str = Field(description="Where.")

@hookimpl
def sparring_register_games(register):
    register("toy_heaps", make, NimParams, paper="arXiv:1", status="experimental")

@hookimpl
def sparring_register_models(register):
    register("held", Held, HeldParams)
    register("wanting", Held, Wanting)
'''


Sparring = Callable[..., Result]


@pytest.fixture
def sparring(tmp_path: Path) -> Sparring:
    """Call the command line with the plugin above."""
    (tmp_path / "nim_plugin.py").write_text(PLUGIN)

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["--plugin", str(tmp_path / "nim_plugin.py"), *words], prog_name="sparring")

    return call


@pytest.mark.parametrize("kind", ["game", "games"])
def test_a_kind_is_listed(kind: str, sparring: Sparring) -> None:
    result = sparring("list", kind)
    assert result.exit_code == 0, result.output
    row = next(line for line in result.output.splitlines() if "toy_heaps (experimental)" in line)
    assert "Take matches from heaps." in row
    assert "held" not in result.output


def test_everything_is_listed_by_kind(sparring: Sparring) -> None:
    output = sparring("list").output
    assert output.index("toy_heaps") < output.index("held")


def test_recipes_are_a_kind(sparring: Sparring) -> None:
    assert sparring("list", "recipes").exit_code == 0


def test_an_unknown_kind_names_those_there_are(sparring: Sparring) -> None:
    result = sparring("list", "gmaes")
    assert result.exit_code == 2
    assert "did you mean 'games'?" in result.output


def test_options_stand_before_or_after_the_command(tmp_path: Path, sparring: Sparring) -> None:
    file = tmp_path / "nim_plugin.py"
    assert "toy_heaps" in CliRunner().invoke(main, ["list", "games", "--plugin", str(file)]).output
    assert "toy_heaps" not in sparring("list", "games", "--no-plugin", "nim_plugin").output
    assert "toy_heaps" not in sparring("--no-plugin", "nim_plugin", "list", "games").output
    result = sparring("list", "--no-plugin", "nim_plugn")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no plugin named 'nim_plugn' to leave out; did you mean 'nim_plugin'?")


def test_a_component_is_described(sparring: Sparring) -> None:
    output = sparring("describe", "games", "toy_heaps").output
    for text in (
        "toy_heaps  game, plugin nim_plugin, arXiv:1, experimental",
        "Take matches from heaps.\n\nWho cannot move loses.",
        "whole number or null  null",
        "≥ 1, < 100",
        "normal | misere",
        "wins [or loses].",
        "{use: toy_heaps, heaps: [3, 4, 5], ending: normal, limit: null, inner: …}",
    ):
        assert text in output


def test_an_unknown_component_has_exit_status_2_and_no_traceback(sparring: Sparring) -> None:
    result = sparring("describe", "game", "toy_heps")
    assert result.exit_code == 2
    assert "error: no game named 'toy_heps'; did you mean 'toy_heaps'?" in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_the_example_of_every_toy_is_valid_but_for_what_is_required(toy_registry: Registry) -> None:
    for component in toy_registry.all():
        data = yaml.safe_load(example(component))
        assert data.pop("use") == component.name
        required = {row.name for row in parameters(component.params) if row.default == "required"}
        assert {name for name, value in data.items() if value == "…"} == required
        if not required:
            component.params.model_validate(data, context={"registry": toy_registry})


def test_plugins_shows_what_is_broken(tmp_path: Path, sparring: Sparring) -> None:
    (tmp_path / "bad.py").write_text("import not_there_at_all\n")
    result = sparring("plugins", "--plugin", str(tmp_path / "bad.py"))
    assert result.exit_code == 0
    good, bad = (
        next(line for line in result.output.splitlines() if line.startswith(name)) for name in ("nim_plugin", "bad")
    )
    assert good.split() == ["nim_plugin", "3"]
    assert "No module named 'not_there_at_all'" in bad


def test_models_say_where_they_are(sparring: Sparring) -> None:
    output = sparring("models").output
    assert "in the hand" in next(line for line in output.splitlines() if line.startswith("held"))
    assert "Give it: path." in next(line for line in output.splitlines() if line.startswith("wanting"))


def test_a_wrong_recipe_has_exit_status_2(tmp_path: Path, sparring: Sparring) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("format: 1\nplya: []\n")
    result = sparring("check", str(file))
    assert result.exit_code == 2
    assert f"{file}:2: plya: unknown key 'plya'; did you mean 'play'?" in result.stderr.splitlines()
    assert result.stdout == ""


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, (name, result.output)
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("words", [["list"], ["list", "recipes"], ["plugins"], ["--help"]])
def test_looking_around_imports_no_torch(words: list[str]) -> None:
    probe = (
        "import sys; from sparring_cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print('imported:', *({'torch', 'transformers', 'pyspiel'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "imported:"


# ---- a run, and what is done with it afterwards ----------------------------------------------------------------------

SMALL = "policies.main.model={use: tiny, hidden: 64, heads: 2, kv_heads: 1, layers: 2, warmup_steps: 60}"


def invoke(*words: object, typed: str = "") -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words], input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two runs of the quickstart's smoke block, with a smaller model."""
    out = tmp_path_factory.mktemp("runs") / "quick"
    result = invoke("run", "kuhn_poker/quickstart", "--smoke", "--seeds", "0,1", "--out", out, "--set", SMALL)
    assert result.exit_code == 0, result.output
    for number in (0, 1):
        assert f"done: {out / f'seed-{number}'}\n" in result.stdout
    assert f"all seeds: {out / 'curve.png'}\n" in result.stdout
    return out


@pytest.fixture
def ran(seeds: Path) -> Path:
    return seeds / "seed-0"


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_it_promises(ran: Path) -> None:
    recipe = find_recipe("kuhn_poker/quickstart", load_plugins().recipe_packages)
    assert (ran / "recipe.yaml").read_text() == recipe.text
    assert yaml.safe_load((ran / "resolved.yaml").read_text())["train"]["steps"] == 2
    assert json.loads((ran / "manifest.json").read_text())["resolved"] == (ran / "resolved.yaml").read_text()
    assert [row["step"] for row in metrics(ran)] == [0, 1, 2]
    assert (ran / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (ran / "episodes").iterdir()] == ["step-000002.jsonl.zst"]
    assert sorted(path.name for path in (ran / "checkpoints").iterdir()) == ["step-000000", "step-000002"]
    assert list((ran / "tensorboard").glob("events.*"))


def test_several_seeds_are_several_runs_and_one_curve(seeds: Path) -> None:
    assert sorted(path.name for path in seeds.iterdir()) == ["curve.png", "seed-0", "seed-1"]
    assert (seeds / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [json.loads((seeds / f"seed-{n}" / "manifest.json").read_text())["seed"] for n in (0, 1)] == [0, 1]
    name = "eval/nash_conv/kuhn_poker/last"
    assert metrics(seeds / "seed-0")[0][name] != metrics(seeds / "seed-1")[0][name]


# Nobody knows what a model of two steps plays: on some deals it loses by a move that is not legal, before the person is asked.
@pytest.mark.parametrize("seed", range(5))
def test_a_person_plays_hands_against_a_run_and_never_sees_its_card(ran: Path, seed: int) -> None:
    # Of check and fold one is legal wherever a person is asked; what is not is asked again.
    typed = "raise\n" + "check\nfold\n" * 20
    result = invoke("play", "kuhn_poker", "--against", ran, "--matches", "3", "--seed", seed, typed=typed)
    assert result.exit_code == 0, result.output
    matches = result.stdout.split("— match ")[1:]
    seats = [re.match(r"(\d) of 3: you are (player_\d)", match) for match in matches]
    assert [seat and seat.groups() for seat in seats] == [("1", "player_0"), ("2", "player_1"), ("3", "player_0")]
    assert "not a legal move: " in matches[0]
    total = 0.0
    for match in matches:
        forfeited = re.search("moves: .* is not one of the legal moves", match) is not None
        # Its own card is the one that a person is told, once; J<Q<K are the rules, and the other's is shown unless one folds.
        hidden = re.sub("J<Q<K|shows [JQK]", "", match)
        assert len(re.findall(r"\b[JQK]\b", hidden)) == ("your move" in match)
        assert ("shows" in match) == (not forfeited and re.search("moves: .*fold", match) is None)
        assert re.search(
            r"moves: (player_0 (check|bet|fold|call)|none\. player_0: '.*' is not one of the legal moves)", match
        )
        won, in_all = (float(number) for number in re.findall(r"you get (\S+); (\S+) in all", match)[0])
        assert won in ((2,) if forfeited else (-2, -1, 1, 2))
        total += won
        assert in_all == total


def test_the_same_seed_deals_the_same_hands(ran: Path) -> None:
    typed = "check\nfold\n" * 20
    told = [invoke("play", "kuhn_poker", "--against", ran, "--seed", seed, typed=typed).stdout for seed in (3, 3, 4)]
    assert told[0] == told[1] != told[2]


def test_play_takes_a_player_and_refuses_what_is_neither(tmp_path: Path) -> None:
    result = invoke("play", "kuhn_poker", "--against", tmp_path)
    assert result.exit_code == 2
    assert "takes a run folder or a player (" in result.stderr
    result = invoke("play", "kuhn_poker", "--seat", "2")
    assert result.exit_code == 2
    assert "--seat is 0 to 1 in kuhn_poker; got 2" in result.stderr


BUNDLED = [game.name for game in load_plugins().registry.all("game") if game.plugin == "sparring_games"]


@pytest.mark.parametrize("game", BUNDLED)
def test_every_bundled_game_asks_a_person_for_a_move(game: str) -> None:
    result = invoke("play", game, "--matches", "1", typed="xyzzy\n" * 40)
    asked = result.stdout.split("your move")
    assert len(asked) > 1, result.output
    assert "— match 1 of 1: you are " in asked[0]
    # Either it is no legal move, or a game of free speech took it and went on to its end.
    assert "not a legal move: " in result.stdout or "you get " in result.stdout
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_eval_measures_the_newest_checkpoint_again(ran: Path, tmp_path: Path) -> None:
    result = invoke("eval", ran)
    assert result.exit_code == 0, result.output
    found = {name: float(value) for name, value in (line.split() for line in result.stdout.splitlines())}
    assert found["nash_conv/kuhn_poker/last"] == pytest.approx(
        metrics(ran)[-1]["eval/nash_conv/kuhn_poker/last"], abs=2e-4
    )
    result = invoke("eval", tmp_path)
    assert result.exit_code == 2
    assert f"error: {tmp_path} is no run folder" in result.stderr


def test_export_is_a_plain_model_folder(ran: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path / "exported"
    result = invoke("export", ran, folder)
    assert result.exit_code == 0, result.output
    weights = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    saved = load_file(ran / "checkpoints" / "step-000002" / "policies" / "main" / "model.safetensors")
    assert saved
    assert all(weights[name].equal(value) for name, value in saved.items())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "J"}], tokenize=False, add_generation_prompt=True
    )
    assert prompt.endswith("<|assistant|>")
    assert tokenizer.decode(tokenizer("check")["input_ids"]) == "check"

    assert invoke("export", ran, folder).exit_code == 2
    missing = invoke("export", ran, tmp_path / "other", "--step", "1")
    assert missing.exit_code == 1
    assert "(there are: step-000000, step-000002)" in missing.stderr


# ---- values from the command line ------------------------------------------------------------------------------------


def test_a_wrong_key_starts_no_run(tmp_path: Path) -> None:
    result = invoke("run", "kuhn_poker/quickstart", "--out", tmp_path / "run", "--set", "train.stepz=3")
    assert result.exit_code == 2
    assert "--set: train.stepz: unknown key 'stepz'; did you mean 'steps'?" in result.stderr.splitlines()[0]
    assert not (tmp_path / "run").exists()


def test_what_check_prints_is_the_same_recipe(tmp_path: Path) -> None:
    words = ("kuhn_poker/quickstart", "--smoke", "--set", "train.learning_rate=1e-5")
    text = invoke("check", *words, "--resolved").stdout
    host = load_plugins()
    source = find_recipe(words[0], host.recipe_packages)
    expected = load_recipe(source, host.registry, sets=[words[3], "smoke={}"], smoke=True)
    assert load_recipe(RecipeSource("x", text, "x"), host.registry) == expected
    assert expected.train.learning_rate == 1e-5
    (tmp_path / "resolved.yaml").write_text(text)
    assert invoke("check", tmp_path / "resolved.yaml").stdout == f"{tmp_path / 'resolved.yaml'}: nothing is wrong\n"


def test_bundled_things_are_listed_and_described() -> None:
    output = invoke("list").stdout
    for name in ("kuhn_poker/quickstart", "turn_based", "role_conditioned", "nash_conv", "tiny"):
        assert name in output
    assert "wording" in invoke("describe", "game", "kuhn_poker").stdout
    assert "batch.size: 16" in invoke("describe", "recipe", "kuhn_poker/quickstart").stdout
    assert re.search(
        r"^tiny +built in place, at most 0\.\d M parameters *$", invoke("models").stdout, flags=re.MULTILINE
    )
