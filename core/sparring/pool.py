"""Past versions of policies, kept for as long as an opponent sampler may ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparring.errors import SparringError
from sparring.interfaces import Blender, Generator, LoadedModel
from sparring.play import Held

if TYPE_CHECKING:
    from sparring.learner import Learner


class Pool:
    """Snapshots by policy and version, published to the generator as ``main@40``.

    What a `Blender` makes of one and the present policy is published beside it, as ``main@40*``.
    """

    def __init__(self, generator: Generator, blender: Blender | None = None) -> None:
        self._generator, self._blender = generator, blender
        self._held: dict[str, LoadedModel] = {}
        self._blends: dict[str, LoadedModel] = {}

    def opponent(self, policy: str, version: int) -> Held:
        """What is met when the opponent sampler names a version."""
        held = self.held(policy, version)
        return Held(f"{held.name}*", version) if self._blender else held

    def held(self, policy: str, version: int) -> Held:
        name = f"{policy}@{version}"
        if name not in self._held:
            raise SparringError(
                f"the opponent sampler asks for {name}, which the pool does not keep (kept: {', '.join(self._held) or 'none'})"
            )
        return Held(name, version)

    def keep(self, policy: str, version: int, present: LoadedModel, versions: Sequence[int]) -> None:
        """Keep exactly ``versions`` of a policy; the present one, ``version``, is copied."""
        wanted = {f"{policy}@{version}" for version in versions}
        for name in [n for n in self._held if n.partition("@")[0] == policy and n not in wanted]:
            del self._held[name]
            self._generator.withdraw(name)
            if self._blends.pop(f"{name}*", None):
                self._generator.withdraw(f"{name}*")
        name = f"{policy}@{version}"
        if name in wanted and name not in self._held:
            self._add(name, present, None)
        if self._blender:
            for name in sorted(wanted & self._held.keys()):
                if f"{name}*" not in self._blends:
                    self._blends[f"{name}*"] = self._blender.blend(self._held[name], present)
                self._generator.publish(f"{name}*", self._blends[f"{name}*"])  # the present policy has changed

    def _add(self, name: str, like: LoadedModel, weights: Mapping[str, Any] | None) -> None:
        from sparring.adapters import overwrite, twin

        copied = self._held[name] = twin(like)
        self._blends.pop(f"{name}*", None)  # it was made of another copy
        if weights is not None:
            overwrite(copied, weights)
        self._generator.publish(name, copied)

    def state_dict(self) -> list[str]:
        return list(self._held)

    def tensors(self) -> dict[str, dict[str, Any]]:
        from sparring.adapters import trained_parameters

        return {
            f"pool-{name}": {key: parameter.detach() for key, parameter in trained_parameters(loaded).items()}
            for name, loaded in self._held.items()
        }

    def load(
        self, names: Sequence[str], tensors: Mapping[str, Mapping[str, Any]], learners: Mapping[str, Learner]
    ) -> None:
        for name in names:
            self._add(name, learners[name.partition("@")[0]].loaded, tensors[f"pool-{name}"])
