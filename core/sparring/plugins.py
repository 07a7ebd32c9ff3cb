"""Finding, loading and blocking plugins. Nothing happens on import: `load_plugins` makes a `Host`, which is passed on.

A plugin that cannot be used is reported (`PluginInfo.error`, `Registry.broken`) and left out; it never breaks another
one. Two plugins that register one name are two different experiments under one recipe: that stops the program.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pluggy

from sparring import hookspecs
from sparring.errors import NameClashError, PluginError, PluginLoadError
from sparring.metrics import Metric
from sparring.params import Params, did_you_mean
from sparring.registry import KINDS, Component, Registry, Status

if TYPE_CHECKING:
    import click

GROUP = "sparring"
DISABLED = "SPARRING_DISABLED_PLUGINS"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin that was asked for. ``error`` says why it is not used; empty if it is."""

    name: str
    distribution: str = ""
    version: str = ""
    error: str = ""
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """Every plugin that is in use, and what they registered. ``commands`` are by name, each with its plugin's name."""

    manager: pluggy.PluginManager
    registry: Registry = field(default_factory=Registry)
    plugins: list[PluginInfo] = field(default_factory=list)
    recipe_packages: list[str] = field(default_factory=list)
    commands: dict[str, tuple[str, click.Command]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    load: Callable[[], object]
    distribution: str = ""
    version: str = ""

    @property
    def source(self) -> str:
        return f"{self.distribution} {self.version}" if self.distribution else self.name


def load_plugins(
    *,
    block: Iterable[str] = (),
    files: Iterable[Path | str] = (),
    modules: Iterable[object | str] = (),
    entry_points: bool = True,
) -> Host:
    """Load installed plugins in name order, then ``modules`` (objects or import names), then ``files``.

    ``block`` and the comma list in ``SPARRING_DISABLED_PLUGINS`` name plugins to leave out. Raises `NameClashError` if two
    plugins have one name or register one, and `PluginError` if ``block`` names no plugin there is.
    """
    installed = list(_installed()) if entry_points else []
    candidates = [*installed, *map(_from_module, modules), *map(_from_file, files)]
    _refuse_equal_names(candidates)
    blocked = set(block)
    for name in sorted(blocked - {c.name for c in candidates}):
        raise PluginError(f"no plugin named '{name}' to leave out{did_you_mean(name, [c.name for c in candidates])}")
    # The environment outlives an installation, so a name in it that is gone is no mistake.
    blocked |= {name.strip() for name in os.environ.get(DISABLED, "").split(",")}
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    host = Host(manager)
    for candidate in candidates:
        if candidate.name not in blocked:
            host.plugins.append(_use(host, candidate))
    return host


# ---- finding ---------------------------------------------------------------------------------------------------------


def _installed() -> Iterator[_Candidate]:
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        found = entry.dist
        yield _Candidate(entry.name, entry.load, found.name if found else "", found.version if found else "")


def _from_module(module: object | str) -> _Candidate:
    if isinstance(module, str):
        name = module
        return _Candidate(name, lambda: importlib.import_module(name))
    return _Candidate(getattr(module, "__name__", type(module).__name__), lambda: module)


def _from_file(file: Path | str) -> _Candidate:
    path = Path(file)
    return _Candidate(path.stem, lambda: _import_file(path))


def _import_file(path: Path) -> object:
    name = f"sparring_plugin_{path.stem}"  # random.py must not become everybody's `random`
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise PluginLoadError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pydantic look up the module of a class by name while it is being made.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _refuse_equal_names(candidates: Sequence[_Candidate]) -> None:
    known: dict[str, _Candidate] = {}
    for candidate in candidates:
        other = known.setdefault(candidate.name, candidate)
        if other is not candidate:
            raise NameClashError(
                f"two plugins are called '{candidate.name}': one from {other.source}, one from {candidate.source}; rename or uninstall one"
            )


# ---- loading ---------------------------------------------------------------------------------------------------------


def _use(host: Host, candidate: _Candidate) -> PluginInfo:
    """Load a plugin and let it register. Whatever it raises becomes its `PluginInfo.error`."""
    plugin: object = None
    try:
        plugin = candidate.load()
        _check_hooks(host.manager, plugin)
        host.manager.register(plugin, candidate.name)
        fresh = _registered(host.manager, plugin, candidate.name)
        packages = _recipe_packages(host.manager, plugin)
        commands = _commands(host.manager, plugin)
    except NameClashError:
        raise
    except Exception as error:  # noqa: BLE001  # a stranger's code may raise anything, and must not stop the others
        if plugin is not None and host.manager.is_registered(plugin):
            host.manager.unregister(plugin)  # a plugin without its components should not see events either
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        reason = " ".join(reason.split())  # one line, in tables and warnings
        version = f" ({candidate.version})" if candidate.version else ""
        host.registry.broken.append(f"plugin '{candidate.name}'{version} could not be loaded: {reason}")
        return PluginInfo(candidate.name, candidate.distribution, candidate.version, reason)
    components = tuple(fresh.all())
    for component in components:
        host.registry.add(component)
    host.recipe_packages.extend(packages)
    for name, command in commands:
        if name in host.commands:
            refuse_command(name, host.commands[name][0], candidate.name)
        host.commands[name] = candidate.name, command
    return PluginInfo(candidate.name, candidate.distribution, candidate.version, components=components)


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse what pluggy would pass over: a misspelled hook, and a hook without its mark."""
    known = [name for name in vars(hookspecs) if name.startswith("sparring_")]
    for name in dir(plugin):
        if not name.startswith("sparring_") or not inspect.isroutine(getattr(plugin, name)):
            continue
        if name not in known:
            raise PluginLoadError(f"no hook is called '{name}'{did_you_mean(name, known)}")
        if manager.parse_hookimpl_opts(plugin, name) is None:
            raise PluginLoadError(f"'{name}' is not marked with @sparring.hookimpl, so it would never be called")


def _call(manager: pluggy.PluginManager, plugin: object, hook: str, **arguments: Any) -> list[Any]:
    """Call one plugin's hook alone, so that we know who answers."""
    others = [other for other in manager.get_plugins() if other is not plugin]
    answers: list[Any] = manager.subset_hook_caller(hook, others)(**arguments)
    return answers


def _registered(manager: pluggy.PluginManager, plugin: object, name: str) -> Registry:
    """What a plugin registers, in a registry of its own: all of it is used, or nothing."""
    fresh = Registry()
    for kind, hook in KINDS.items():
        _call(manager, plugin, hook, register=_register_for(fresh, kind, name))
    return fresh


def _register_for(registry: Registry, kind: str, plugin: str) -> Callable[..., None]:
    """The `Register` that a plugin is given for a kind."""

    def register(
        name: str,
        factory: Callable[[Any], Any],
        params: type[Params],
        *,
        status: Status = "stable",
        paper: str | None = None,
        metrics: Sequence[Metric] = (),
    ) -> None:
        if not (isinstance(params, type) and issubclass(params, Params)):
            raise PluginLoadError(
                f"the parameters of {kind} '{name}' are no class derived from sparring.Params: {params!r}"
            )
        registry.add(Component(kind, name, factory, params, plugin, status, paper, tuple(metrics)))

    return register


def _recipe_packages(manager: pluggy.PluginManager, plugin: object) -> list[str]:
    packages: list[str] = []
    for answer in _call(manager, plugin, "sparring_register_recipes"):
        packages += [answer] if isinstance(answer, str) else answer
    for package in packages:
        importlib.import_module(package)  # a name that does not import is this plugin's fault, and is told now
    return packages


def _commands(manager: pluggy.PluginManager, plugin: object) -> list[tuple[str, click.Command]]:
    commands = [command for answer in _call(manager, plugin, "sparring_register_commands") for command in answer]
    for command in commands:
        if not isinstance(getattr(command, "name", None), str):
            raise PluginLoadError(f"{command!r} is no click command with a name")
    return [(command.name, command) for command in commands]


def refuse_command(name: str, first: str, second: str) -> NoReturn:
    """Raise `NameClashError` about a command that two have."""
    raise NameClashError(
        f"two plugins have the command '{name}': '{first}' and '{second}'; rename one, or start with --no-plugin {second}"
    )
