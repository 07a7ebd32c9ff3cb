"""A stranger's distribution, installed beside Sparring as anyone would: it is listed, tested and trained like a bundled one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import PACKAGE, ROOT, Place, told

pytestmark = pytest.mark.slow

COMPONENTS = [("game", "sealed_bid"), ("scheme", "sealed_letter"), ("judge", "secrecy"), ("estimator", "median")]


def test_sparring_is_the_one_that_was_installed(place: Place, request: pytest.FixtureRequest) -> None:
    file = Path(place.run(str(place.python), "-c", "import sparring; print(sparring.__file__)").stdout.strip())
    where = place.python.parents[1] if "wheel" in request.node.name else ROOT
    assert file.is_relative_to(where)


def test_it_is_a_plugin_like_others(stranger: Place) -> None:
    (line,) = told(stranger.sparring("plugins"), ["sealed_games"])
    assert line.split() == ["sealed_games", "sealed-games", "0.1.0", "4"]


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_its_components_are_listed_and_described(stranger: Place, kind: str, name: str) -> None:
    assert told(stranger.sparring("list", kind), [f" {name} ", " sealed_games "])
    text = stranger.sparring("describe", kind, name)
    assert f"{kind}, plugin sealed_games" in text
    assert f"{{use: {name}, " in text


def test_its_recipes_are_listed(stranger: Place) -> None:
    text = stranger.sparring("list", "recipes")
    assert told(text, ["sealed_bid/selfplay", "A tiny model learns to bid"])
    assert told(text, ["sealed_letter/selfplay", "Alice, Bob and Eve"])


def test_its_own_tests_pass(stranger: Place) -> None:
    done = stranger.run(str(stranger.python), "-m", "pytest", "-q", cwd=stranger.folder / PACKAGE.name)
    assert "11 passed" in done.stdout


@pytest.mark.parametrize(
    ("recipe", "rewarded"),
    [
        ("sealed_bid/selfplay", ["sealed_bid/bidder_0", "sealed_bid/bidder_1"]),
        ("sealed_letter/selfplay", ["sealed_letter/alice", "sealed_letter/bob", "sealed_letter/eve"]),
    ],
)
def test_its_recipes_train(stranger: Place, tmp_path: Path, recipe: str, rewarded: list[str]) -> None:
    out = tmp_path / "run"
    stranger.sparring("run", recipe, "--smoke", "--out", str(out))
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert {f"reward/{name}" for name in rewarded} <= set(last)
    assert json.loads((out / "manifest.json").read_text())["plugins"]["sealed_games"] == "0.1.0"


def test_it_can_be_left_out(stranger: Place) -> None:
    text = stranger.sparring("--no-plugin", "sealed_games", "check", "sealed_bid/selfplay", check=False)
    assert "no file and no recipe of this name" in text
    assert not told(stranger.sparring("--no-plugin", "sealed_games", "list"), ["sealed_games"])


@pytest.mark.usefixtures("place")
def test_type_checkers_follow_it(stranger: Place, tmp_path: Path) -> None:
    """Sparring is typed wherever it is installed from: nothing of it is Any to a stranger."""
    cache = ["--cache-dir", str(tmp_path)]
    done = stranger.run(str(stranger.python), "-m", "mypy", *cache, cwd=stranger.folder / PACKAGE.name)
    assert "Success: no issues found" in done.stdout
    wrong = stranger.folder / "wrong.py"
    wrong.write_text(
        "from sparring import Register, Game, Params\n\n\ndef f(register: Register[Game]) -> None:\n    register('x', str, Params)\n"
    )
    done = stranger.run(str(stranger.python), "-m", "mypy", *cache, "--strict", str(wrong), check=False)
    assert "error" in done.stdout
