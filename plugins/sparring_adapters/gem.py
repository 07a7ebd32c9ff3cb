"""Environments of GEM (the package gem-llm), by their id: ``game:GuessTheNumber-v0-easy``, ``rg:leg_counting``.

The player is told the observation and the suffix that goes with it, which in many games is the board. Its whole answer is the
action: GEM itself looks for ``\\boxed{…}`` in it, and pays an answer without one by its own rules.

Nothing is fetched: environments made of a dataset on a model hub are refused, and those made of NLTK's word list are had only
where the list is.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from pydantic import Field, model_validator

from sparring.params import did_you_mean
from sparring_adapters.generators import Generators
from sparring_adapters.reading import one_line
from sparring_adapters.single_seat import SingleSeat, SingleSeatParams


class GemParams(SingleSeatParams):
    id: str = Field(description="GEM's id of the environment, such as 'game:GuessTheNumber-v0-easy'.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="The environment's own parameters, in place of those that go with the id."
    )

    @model_validator(mode="after")
    def _builds(self) -> Self:
        refused = refusal(self)
        if refused:
            raise ValueError(refused)
        return self


class Gem(SingleSeat):
    """An environment of GEM (arXiv:2510.01051) as a one-player game, by its id and parameters."""

    def __init__(self, params: GemParams) -> None:
        from gem.envs.registration import ENV_REGISTRY

        built = build(params)
        # An environment that draws its sizes draws its limit as well: then it is one of its first match, and not of the game.
        own = {**ENV_REGISTRY[params.id].kwargs, **params.parameters}.get(
            "max_turns", getattr(built, "max_turns", None)
        )
        super().__init__(params.id, params, lambda: GemEnvironment(copy.deepcopy(built)), max_turns=own)


class GemEnvironment:
    """One match of an environment of GEM."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def reset(self, seed: int) -> str:
        told: str = _with_suffix(*self.env.reset(seed=seed))
        return told

    def step(self, action: str) -> tuple[str, float, bool, bool, Mapping[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return _with_suffix(observation, info), reward, terminated, truncated, info

    def sample(self) -> str | None:
        try:
            return str(self.env.sample_random_action())
        except NotImplementedError:
            return None

    def close(self) -> None:
        """GEM's environments hold nothing open."""


def build(params: GemParams) -> Any:
    """The environment, which draws as it is built: always the same. It is copied for each match, for some take long to build."""
    with _quiet_logging():
        import gem
    with Generators(0).lent(), _no_downloads():
        return gem.make(params.id, **params.parameters)


def refusal(params: GemParams) -> str:
    """Why the environment cannot be had, in one line; empty if it can."""
    try:
        with _quiet_logging():
            importlib.import_module("gem.envs")  # which registers what there is
            from gem.envs.registration import ENV_REGISTRY
    except ImportError as error:
        return f"environments of GEM need the package gem-llm: `pip install 'sparring[gem]'` ({one_line(error)})"
    spec = ENV_REGISTRY.get(params.id)
    if spec is None:
        return f"GEM has no environment {params.id!r}{did_you_mean(params.id, sorted(ENV_REGISTRY))}"
    dataset = params.parameters.get("dataset_name", spec.kwargs.get("dataset_name"))
    if dataset is not None:
        return f"GEM's {params.id} is made of the dataset {dataset!r}, which it would download from a model hub"
    module, _, name = str(spec.entry_point).partition(":")
    try:
        possible = set(inspect.signature(getattr(importlib.import_module(module), name)).parameters) - {"_", "kwargs"}
        for key in params.parameters:  # GEM itself passes over what an environment does not know
            if key not in possible:
                known = f" (it has {', '.join(sorted(possible)) or 'none'})"
                return f"GEM's {params.id} has no parameter {key!r}{did_you_mean(key, sorted(possible))}{known}"
        build(params).reset(seed=0)
    except LookupError as error:
        if "nltk" not in str(error).lower():
            return f"GEM does not build {params.id} with {params.parameters}: {one_line(error)[:300]}"
        return (
            f"GEM's {params.id} is made of NLTK's list of words, which is not on this machine: "
            "`python -m nltk.downloader words` downloads it"
        )
    except Exception as error:  # noqa: BLE001  # an environment may raise anything
        return f"GEM does not build {params.id} with {params.parameters}: {one_line(error)[:300]}"
    return ""


def _with_suffix(observation: Any, info: Mapping[str, Any]) -> Any:
    suffix = info.get("suffix")
    return f"{observation.rstrip()}\n{suffix}" if suffix and isinstance(observation, str) else observation


@contextmanager
def _quiet_logging() -> Iterator[None]:
    """GEM sets up logging for the whole process as it is imported; that is the run's own affair."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _no_downloads() -> Iterator[None]:
    """Some environments have NLTK look for a newer list of words, over the network, whenever they are built."""
    import nltk

    download = nltk.download
    nltk.download = lambda *_, **__: True
    try:
        yield
    finally:
        nltk.download = download
