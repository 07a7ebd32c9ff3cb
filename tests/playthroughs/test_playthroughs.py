"""What `write.py` would write is what is committed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sparring.plugins import load_plugins

FOLDER = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("playthroughs_write", FOLDER / "write.py")
assert _spec is not None
assert _spec.loader is not None
write = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(write)

REGISTRY = load_plugins().registry
HOW = "if the change is meant, run `python tests/playthroughs/write.py {name}` and commit what it writes"


@pytest.mark.parametrize("name", write.bundled(REGISTRY))
def test_the_playthrough_is_as_committed(name: str) -> None:
    path = FOLDER / f"{name}.txt"
    assert path.exists(), HOW.format(name=name)
    assert write.playthrough(write.make(REGISTRY, name)) == path.read_text(), HOW.format(name=name)


def test_there_are_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(write.bundled(REGISTRY))
