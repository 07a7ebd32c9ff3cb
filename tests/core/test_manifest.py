"""What a run writes down about itself, and what of it keeps a resume from being exact."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from sparring.manifest import _commit, differences, manifest
from sparring.plugins import Host, load_plugins
from sparring.recipe import Recipe, resolved

Record = dict[str, Any]
Load = Callable[..., Recipe]


@cache
def host() -> Host:
    return load_plugins()


def of(recipe: Recipe, text: str = "") -> Record:
    return manifest(text, resolved(recipe), host(), recipe)


@pytest.fixture
def record(load: Load, toy_recipe: str) -> Record:
    return of(load(toy_recipe, sets=["train.seed=7"]), toy_recipe)


def test_it_holds_the_recipe_as_given_and_every_value(record: Record, load: Load, toy_recipe: str) -> None:
    assert record["recipe"] == toy_recipe
    assert load(record["resolved"]) == load(toy_recipe, sets=["train.seed=7", "smoke={}"])
    assert record["seed"] == 7


def test_it_names_every_plugin_in_use_with_its_version(record: Record, tmp_path: Path, load: Load) -> None:
    assert record["sparring"] == record["plugins"]["sparring_games"] == sparring.__version__
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    recipe = load()
    files = [tmp_path / "mine.py", tmp_path / "broken.py"]
    plugins = manifest("", "", load_plugins(files=files, block=["sparring_games"]), recipe)["plugins"]
    assert plugins["mine"] == ""
    assert not {"broken", "sparring_games"} & plugins.keys()


def test_it_says_on_what_it_ran(record: Record, monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    assert record["versions"]["torch"] == version("torch")
    assert {"transformers", "accelerate", "tokenizers", "numpy"} <= record["versions"].keys()
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", record["python"])
    assert record["device"] == ("cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert of(load())["threads"] == 3
    assert record == json.loads(json.dumps(record))


def test_the_commit_is_that_of_the_working_copy_or_none(tmp_path: Path) -> None:
    package = tmp_path / "core" / "sparring"
    package.mkdir(parents=True)
    (package / "file.py").write_text("")
    assert _commit(package) is None

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init")
    assert _commit(package) is None
    git("add", ".")
    git("commit", "-m", "x")
    commit = git("rev-parse", "HEAD")
    assert _commit(package) == commit
    (package / "file.py").write_text("changed")
    assert _commit(package) == f"{commit}-dirty"
    installed = tmp_path / ".venv" / "lib" / "python3" / "site-packages" / "sparring"
    assert _commit(installed) is None


def test_the_record_has_the_commit_of_this_working_copy(record: Record) -> None:
    assert record["commit"] == _commit(Path(sparring.__file__).parent)


# ---- differences -----------------------------------------------------------------------------------------------------


def test_the_same_run_later_has_no_differences(record: Record) -> None:
    later = copy.deepcopy(record) | {"started": "later", "cores": 99, "platform": "another kernel"}
    assert differences(record, later) == []


@pytest.mark.parametrize("name", ["sparring", "python", "processor", "threads", "device"])
def test_what_changed_is_named_with_both_values(record: Record, name: str) -> None:
    assert differences(record, record | {name: "new"}) == [f"{name} was {record[name]} and is new"]


def test_another_version_of_a_plugin_or_of_torch_is_named(record: Record) -> None:
    other = copy.deepcopy(record)
    other["plugins"]["sparring_games"] = "9.9"
    other["versions"]["torch"] = "9.9+cpu"
    plugins, versions = differences(record, other)
    assert plugins.startswith("plugins was")
    assert "'sparring_games': '9.9'" in plugins
    assert versions.startswith("versions was")
    assert "'torch': '9.9+cpu'" in versions


def test_the_recipes_sections_that_changed_are_named(record: Record, load: Load) -> None:
    changed = of(load(sets=["train.seed=8", "batch.size=4"]))
    assert [re.findall("section '(.*)'", line) for line in differences(record, changed)] == [["batch"], ["train"]]


@pytest.mark.parametrize(("schedule", "found"), [("constant", 0), ("cosine", 1), ("linear", 1)])
def test_more_steps_matter_only_to_a_learning_rate_that_follows_them(load: Load, schedule: str, found: int) -> None:
    short, long = (of(load(sets=[f"train.schedule={schedule}", f"train.steps={n}"])) for n in (3, 9))
    assert len(differences(short, long)) == found
