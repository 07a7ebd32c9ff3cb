from __future__ import annotations

from dataclasses import replace

import pytest

from sparring import Params, PluginError
from sparring.errors import NameClashError
from sparring.registry import KINDS, Component, Registry


class Nothing(Params):
    """No parameters."""


def factory(params: Nothing) -> object:
    """Make one.

    At length.
    """
    return params


ONE = Component("game", "nim", factory, Nothing, "first")


def test_components_are_found_by_kind_and_name() -> None:
    registry = Registry()
    registry.add(ONE)
    registry.add(replace(ONE, kind="judge", plugin="second"))  # another kind may have the name
    assert registry.get("game", "nim") is ONE
    assert registry.find("player", "nim") is None
    assert [component.kind for component in registry.all()] == ["game", "judge"]
    assert registry.names("game") == ["nim"]


def test_a_clash_names_both_plugins_and_the_remedy() -> None:
    registry = Registry()
    registry.add(ONE)
    with pytest.raises(
        NameClashError, match=r"two plugins register the game 'nim': 'first' and 'second'; .*--no-plugin second"
    ):
        registry.add(replace(ONE, plugin="second"))


@pytest.mark.parametrize("name", ["", "a-b", "a.b", "a b", "a/b"])
def test_names_can_stand_in_dotted_keys(name: str) -> None:
    with pytest.raises(PluginError, match="letters, digits and underscores"):
        Registry().add(replace(ONE, name=name))


def test_an_unknown_name_tells_the_nearest_and_the_broken_plugins() -> None:
    registry = Registry()
    registry.add(ONE)
    registry.broken.append("plugin 'chess' could not be loaded: no board")
    with pytest.raises(PluginError) as caught:
        registry.get("game", "nimm")
    assert "no game named 'nimm'; did you mean 'nim'? (available: nim)" in str(caught.value)
    assert "plugin 'chess' could not be loaded: no board; it may define it" in str(caught.value)


def test_the_summary_is_the_first_line() -> None:
    assert ONE.summary == "Make one."


def test_every_kind_has_a_hook() -> None:
    from sparring import hookspecs

    registering = {name for name in vars(hookspecs) if name.startswith("sparring_register_")}
    assert registering - set(KINDS.values()) == {"sparring_register_recipes", "sparring_register_commands"}
    assert set(KINDS.values()) <= registering
