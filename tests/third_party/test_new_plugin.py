"""What `sparring new-plugin` writes installs, is typed, passes its own tests and trains, unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sparring_cli.new_plugin import kinds

from .conftest import Place, told

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", kinds())
def test_a_new_plugin_works_as_it_is(fresh: Callable[[], Place], kind: str) -> None:
    place = fresh()
    place.sparring("new-plugin", "first-one", "--kind", kind)
    home = place.folder / "sparring-first-one"
    place.pip("--editable", str(home))
    assert told(place.sparring("list", kind), ["first_one", "sparring_first_one"])
    # Its own tests train its recipe's smoke block too.
    done = place.run(str(place.python), "-m", "pytest", "-q", cwd=home)
    assert re.search(r"\d+ passed", done.stdout)
    assert "warning" not in done.stdout
    done = place.run(str(place.python), "-m", "mypy", cwd=home)
    assert "Success: no issues found" in done.stdout
    for command in (["check"], ["format", "--check"]):
        place.run(str(place.python), "-m", "ruff", *command, ".", cwd=home)


def test_the_smoke_block_trains_from_the_command_line(fresh: Callable[[], Place]) -> None:
    place = fresh()
    place.sparring("new-plugin", "first-one", "--kind", "game")
    place.pip("--editable", str(place.folder / "sparring-first-one"))
    assert "done: out" in place.sparring("run", "first_one/quickstart", "--smoke", "--out", "out")
