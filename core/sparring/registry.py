"""What plugins registered: components by kind and name, each with the plugin it came from.

A kind is a row of `KINDS`, with the hook that registers it. Nothing else in the core lists kinds,
and nothing lists components.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from sparring.errors import NameClashError, PluginError
from sparring.metrics import Metric
from sparring.params import Params, did_you_mean

C_contra = TypeVar("C_contra", contravariant=True)
P = TypeVar("P", bound=Params)
Status = Literal["stable", "experimental"]

#: kind (as `sparring list` and error messages say it) -> the hook that registers it
KINDS: dict[str, str] = {
    "game": "sparring_register_games",
    "scheme": "sparring_register_role_schemes",
    "judge": "sparring_register_judges",
    "estimator": "sparring_register_advantage_estimators",
    "builder": "sparring_register_record_builders",
    "objective": "sparring_register_objectives",
    "opponents": "sparring_register_opponent_samplers",
    "player": "sparring_register_players",
    "task": "sparring_register_task_sources",
    "curriculum": "sparring_register_curricula",
    "model": "sparring_register_models",
    "generator": "sparring_register_generators",
    "evaluator": "sparring_register_evaluators",
    "tracker": "sparring_register_trackers",
}


@dataclass(frozen=True, slots=True)
class Component:
    """One registered component."""

    kind: str
    name: str
    factory: Callable[[Any], Any]
    params: type[Params]
    plugin: str
    status: Status = "stable"
    paper: str | None = None
    metrics: tuple[Metric, ...] = ()

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        lines = (self.factory.__doc__ or self.params.__doc__ or "").strip().splitlines()
        return lines[0] if lines else ""


class Register(Protocol[C_contra]):
    """What a ``sparring_register_*`` hook is given. The type checker refuses a factory that does not take ``params``."""

    def __call__(
        self,
        name: str,
        factory: Callable[[P], C_contra],
        params: type[P],
        *,
        status: Status = "stable",
        paper: str | None = None,
        metrics: Sequence[Metric] = (),
    ) -> None: ...


class Registry:
    """Components by kind and name."""

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Component]] = {kind: {} for kind in KINDS}
        #: One line for each plugin that failed to load, told to whoever asks for an unknown name.
        self.broken: list[str] = []

    def add(self, component: Component) -> None:
        """Add a component. Raises `NameClashError` if its kind already has the name."""
        known = self._components[component.kind]
        if component.name in known:
            other = known[component.name].plugin
            raise NameClashError(
                f"two plugins register the {component.kind} '{component.name}': '{other}' and '{component.plugin}'; "
                f"rename one, or start with --no-plugin {component.plugin}"
            )
        if not component.name.replace("_", "a").isalnum():
            raise PluginError(
                f"plugin '{component.plugin}' registers a {component.kind} called {component.name!r}; "
                "names are letters, digits and underscores"
            )
        known[component.name] = component

    def find(self, kind: str, name: str) -> Component | None:
        return self._components[kind].get(name)

    def get(self, kind: str, name: str) -> Component:
        """The component, or `PluginError` with the nearest name."""
        found = self.find(kind, name)
        if found is None:
            raise PluginError(self.unknown(kind, name))
        return found

    def names(self, kind: str) -> list[str]:
        return sorted(self._components[kind])

    def all(self, kind: str | None = None) -> list[Component]:
        kinds = [kind] if kind else list(KINDS)
        return [self._components[k][name] for k in kinds for name in self.names(k)]

    def unknown(self, kind: str, name: str) -> str:
        """What to say when nobody registered ``name``."""
        names = self.names(kind)
        text = f"no {kind} named '{name}'{did_you_mean(name, names)} (available: {', '.join(names) or 'none'})"
        for line in self.broken:
            text += f"\n  {line}; it may define it"
        return text
