from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sparring import Params, hookimpl
from sparring.errors import NameClashError, PluginError
from sparring.metrics import Metric
from sparring.plugins import load_plugins

GOOD = '''
from sparring import Params, hookimpl

class NimParams(Params):
    """None."""

@hookimpl
def sparring_register_games(register):
    register("nim", lambda params: None, NimParams)
'''


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


def named(name: str, **hooks: Any) -> Any:
    """A plugin object."""
    plugin = ModuleType(name)
    for hook, implementation in hooks.items():
        setattr(plugin, hook, implementation)
    return plugin


def registers(kind: str, name: str, **options: Any) -> Any:
    def register_it(register: Any) -> None:
        register(name, lambda params: None, Params, **options)

    register_it.__name__ = f"sparring_register_{kind}"
    return hookimpl(register_it)


def test_a_file_is_a_plugin(tmp_path: Path) -> None:
    host = load_plugins(files=[write(tmp_path, "nim.py", GOOD)], entry_points=False)
    (info,) = host.plugins
    assert (info.name, info.error, [c.name for c in info.components]) == ("nim", "", ["nim"])
    assert host.registry.get("game", "nim").plugin == "nim"


def test_each_component_knows_its_plugin_and_keeps_its_metrics() -> None:
    metric = Metric("eval/x", "", "Something.")
    first = named("first", sparring_register_games=registers("games", "nim"))
    second = named(
        "second", sparring_register_games=registers("games", "go", metrics=[metric], status="experimental", paper="p")
    )
    host = load_plugins(modules=[first, second], entry_points=False)
    assert {c.name: c.plugin for c in host.registry.all("game")} == {"nim": "first", "go": "second"}
    go = host.registry.get("game", "go")
    assert (go.metrics, go.status, go.paper) == ((metric,), "experimental", "p")


def bad_register(register: Any) -> None:
    register("half", lambda params: None, Params)
    raise RuntimeError("no board")


bad_register.__name__ = "sparring_register_games"

BROKEN = {
    "import": ("import not_there_at_all\n", "ModuleNotFoundError: No module named 'not_there_at_all'"),
    "syntax": ("def (\n", "SyntaxError"),
    "misspelled": (
        GOOD.replace("register_games", "register_game"),
        "no hook is called 'sparring_register_game'; did you mean",
    ),
    "unmarked": (GOOD.replace("@hookimpl", ""), "'sparring_register_games' is not marked with @sparring.hookimpl"),
    "signature": (
        GOOD.replace("games(register)", "games(registr)"),
        "Argument(s) {'registr'} are declared in the hookimpl",
    ),
    "raises": (GOOD + "\n    raise RuntimeError('no board')\n", "RuntimeError: no board"),
    "params": (GOOD.replace(", NimParams)", ", dict)"), "no class derived from sparring.Params"),
    "name": (GOOD.replace('"nim"', '"n-m"'), "letters, digits and underscores"),
    "recipes": (
        "from sparring import hookimpl\n@hookimpl\ndef sparring_register_recipes():\n    return 'not_there_at_all'\n",
        "No module named 'not_there_at_all'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_reported_and_breaks_no_other(fault: str, tmp_path: Path) -> None:
    text, reason = BROKEN[fault]
    files = [write(tmp_path, "broken.py", text), write(tmp_path, "good.py", GOOD)]
    host = load_plugins(files=files, entry_points=False)
    broken, good = host.plugins
    assert reason in broken.error
    assert broken.components == ()
    assert good.error == ""
    assert host.registry.get("game", "nim").plugin == "good"
    assert host.registry.broken == [f"plugin 'broken' could not be loaded: {broken.error}"]
    assert "broken" not in dict(host.manager.list_name_plugin())


def test_a_plugin_that_fails_half_way_leaves_nothing() -> None:
    host = load_plugins(modules=[named("half", sparring_register_games=hookimpl(bad_register))], entry_points=False)
    assert host.registry.all() == []


def test_a_name_clash_stops_the_program() -> None:
    plugins = [named(name, sparring_register_games=registers("games", "nim")) for name in ("first", "second")]
    with pytest.raises(NameClashError, match="'first' and 'second'"):
        load_plugins(modules=plugins, entry_points=False)
    with pytest.raises(NameClashError, match="two plugins are called 'first'"):
        load_plugins(modules=[plugins[0], named("first")], entry_points=False)


def test_a_blocked_plugin_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good, other = write(tmp_path, "good.py", GOOD), named("other")
    assert [
        p.name for p in load_plugins(files=[good], modules=[other], block=["good"], entry_points=False).plugins
    ] == ["other"]
    monkeypatch.setenv("SPARRING_DISABLED_PLUGINS", "other, long_gone")
    assert [p.name for p in load_plugins(files=[good], modules=[other], entry_points=False).plugins] == ["good"]
    with pytest.raises(PluginError, match="no plugin named 'god' to leave out; did you mean 'good'"):
        load_plugins(files=[good], block=["god"], entry_points=False)


class FakeEntry:
    """What `importlib.metadata` says of an installed plugin."""

    def __init__(self, name: str, plugin: Any, distribution: str = "somebody") -> None:
        self.name, self._plugin = name, plugin
        self.dist = SimpleNamespace(name=distribution, version="1.2")

    def load(self) -> Any:
        if isinstance(self._plugin, Exception):
            raise self._plugin
        return self._plugin


def test_installed_plugins_load_in_name_order(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [FakeEntry("b", named("b")), FakeEntry("c", ImportError("no wheel")), FakeEntry("a", named("a"))]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries if group == "sparring" else [])
    host = load_plugins()
    assert [(p.name, p.distribution, p.version) for p in host.plugins] == [(n, "somebody", "1.2") for n in "abc"]
    assert host.registry.broken == ["plugin 'c' (1.2) could not be loaded: ImportError: no wheel"]
    entries.append(FakeEntry("a", named("a"), "stranger"))
    with pytest.raises(NameClashError, match=r"one from somebody 1\.2, one from stranger 1\.2"):
        load_plugins()


def test_events_reach_plugins() -> None:
    seen: list[Any] = []

    def sparring_step_ended(event: Any) -> None:
        seen.append(event)

    host = load_plugins(
        modules=[named("watcher", sparring_step_ended=hookimpl(sparring_step_ended))], entry_points=False
    )
    host.manager.hook.sparring_step_ended(event="now")
    assert seen == ["now"]


def test_recipe_packages_are_collected() -> None:
    def sparring_register_recipes() -> list[str]:
        return ["json", "email"]

    host = load_plugins(
        modules=[named("r", sparring_register_recipes=hookimpl(sparring_register_recipes))], entry_points=False
    )
    assert host.recipe_packages == ["json", "email"]
