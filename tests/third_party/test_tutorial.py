"""The tutorial `docs/tutorial/first_plugin.md` makes the distribution beside this file, and its commands do what it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import HATCHLING, PACKAGE, ROOT, Place

PAGE = ROOT / "docs" / "tutorial" / "first_plugin.md"
FILE = "python", "toml", "yaml"


def steps() -> Iterator[tuple[str, str]]:
    """(name of a file, its text) and ("", shell commands), in the order of the page."""
    text = PAGE.read_text()
    for block in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        language, inside = block.groups()
        if language == "sh":
            yield "", inside
            continue
        named = re.search(r"^`([\w./]+)`:\n\n\Z", text[: block.start()], flags=re.MULTILINE)
        assert named, f"a block that no line names: {inside[:80]}"
        assert language in FILE
        yield named[1], inside


def test_it_ends_in_the_distribution_beside_this_file() -> None:
    made = {name: text for name, text in steps() if name}
    made["src/sealed_games/py.typed"] = ""
    there = {
        path.relative_to(PACKAGE).as_posix(): path.read_text()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix in (".py", ".toml", ".yaml", ".typed")
    }
    assert made == there


def commands_of(place: Place) -> None:
    """`pip` and `pytest` of the environment, which has them from outside. pip fetches nothing that is there already."""
    pip = f'exec "{sys.executable}" -m pip --python "{place.python}" "$@"'
    pytest_ = f'exec "{place.python}" -m pytest "$@"'
    sparring = f'exec "{place.python}" -m sparring "$@"'
    for name, line in (("pip", pip), ("pytest", pytest_), ("sparring", sparring)):
        script = place.python.parent / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)


@pytest.mark.slow
@pytest.mark.skipif(not HATCHLING, reason="pip would fetch hatchling, and everything else with it")
def test_it_can_be_followed_from_an_empty_folder(fresh: Callable[[], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # which is how pip spells "do not isolate"
    monkeypatch.setenv("PIP_NO_DEPS", "1")
    place = fresh()
    commands_of(place)
    said = []
    for name, text in steps():
        if name:
            (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (place.folder / name).write_text(text)
        else:
            said.append(place.run("bash", "-ec", text).stdout)
    _, first, tested, whole = said
    assert "sealed_bid     sealed_games" in re.sub(r" +", "     ", first)
    assert "Values are 0 to this, each as likely; so far go bids." in first
    assert "4 passed" in tested
    assert "nothing is wrong" in tested
    assert "done: runs/first" in tested
    assert "11 passed" in whole
    assert "done: runs/second" in whole
    assert Path(place.folder / "runs" / "second" / "metrics.jsonl").exists()
