"""A recipe: the whole truth of a run, in one YAML file. How one is found and loaded.

Nothing is inherited, merged or interpolated. ``--set key=value`` and the ``smoke`` block put values at dotted keys
before anything is validated, as if they were written there. What is wrong is reported all at once, with file and line.
"""

from __future__ import annotations

import copy
import importlib.resources
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from sparring.contradictions import contradictions
from sparring.errors import NameClashError, Problem, RecipeError
from sparring.interfaces import Curriculum, Generator, OpponentSampler, Tracker
from sparring.params import Choice, Params, component, did_you_mean
from sparring.registry import Registry
from sparring.sections import (
    Advantage,
    BatchSpec,
    Builder,
    CheckpointSpec,
    EvaluateSpec,
    Judges,
    Loss,
    PhaseSpec,
    PlayEntry,
    PolicyName,
    PolicySpec,
    RewardRule,
    Roles,
    SamplingSpec,
    TrainSpec,
    TranscriptSpec,
    as_written,
)
from sparring_yaml import KeyPath, dotted, read_value, read_yaml


class Recipe(Params):
    """A whole recipe. Sections in the order in which a step uses them."""

    format: Literal[1] = Field(description="Version of this format.")
    policies: dict[PolicyName, PolicySpec] = Field(
        min_length=1, description="Weights by name; the first is the default policy."
    )
    roles: Roles = Field(
        default_factory=dict,
        description="Who holds a role: a policy's name or a player. Others are held by the default policy.",
    )
    play: list[PlayEntry] = Field(min_length=1, description="What is played.")
    judges: Judges = Field(
        as_written({"outcome": {"use": "outcome"}}),
        min_length=1,
        description="What makes rewards, by the name that schemes ask for.",
    )
    rewards: RewardRule = Field(default_factory=RewardRule, description="How reward parts become a reward.")
    advantage: Advantage = Field(
        as_written("plain"), description="Rewards to advantages. Preferences and demonstrations need none."
    )
    records: Builder = Field(as_written("policy_gradient"), description="What of the episodes is trained on.")
    objective: Loss = Field(description="Records to loss.")
    schedule: list[PhaseSpec] = Field(
        default_factory=list,
        description="Phases that are gone through in this order, over and over; none: everything in every step.",
    )
    opponents: Annotated[Choice[OpponentSampler], component("opponents")] = Field(
        as_written("current"), description="Which version of a policy sits opposite."
    )
    curriculum: Annotated[Choice[Curriculum], component("curriculum")] = Field(
        as_written("constant"), description="How the shares of the entries of play change; constant: never."
    )
    generator: Annotated[Choice[Generator], component("generator")] = Field(
        as_written("transformers"), description="The engine that samples and scores tokens."
    )
    sampling: SamplingSpec = Field(default_factory=SamplingSpec, description="How turns are sampled.")
    batch: BatchSpec = Field(default_factory=BatchSpec, description="How much is played in a step.")
    train: TrainSpec = Field(description="How weights change.")
    evaluate: list[EvaluateSpec] = Field(default_factory=list, description="What is measured, and when.")
    checkpoint: CheckpointSpec = Field(
        default_factory=CheckpointSpec, description="When checkpoints are written, and which are kept."
    )
    transcripts: TranscriptSpec = Field(
        default_factory=TranscriptSpec, description="Which steps' episodes are written in full."
    )
    trackers: list[Annotated[Choice[Tracker], component("tracker")]] = Field(
        as_written(["jsonl"]), description="Where metrics are written."
    )
    smoke: dict[str, Any] = Field(
        default_factory=dict,
        description="Values by dotted key that --smoke puts into the recipe, for a run of seconds.",
    )

    def phase(self, step: int) -> tuple[PhaseSpec, int]:
        """The phase of a step (from 1), and which of the phase's own steps it is (from 1)."""
        if not self.schedule:
            return PhaseSpec(steps=max(1, self.train.steps)), step
        step = (step - 1) % sum(phase.steps for phase in self.schedule) + 1
        for phase in self.schedule:
            if step <= phase.steps:
                return phase, step
            step -= phase.steps
        raise AssertionError("the phases of a cycle cover it")

    def steps_of(self, policy: str) -> int:
        """How many of the run's steps train a policy."""
        phases = (self.phase(step)[0] for step in range(1, self.train.steps + 1))
        return sum(phase.train is None or policy in phase.train for phase in phases)


# ---- finding ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecipeSource:
    """A recipe's text. ``where`` names it in messages."""

    name: str
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class RecipeInfo:
    """A registered recipe: ``summary`` is its first comment line."""

    name: str
    summary: str
    package: str


def find_recipe(reference: str, packages: Iterable[str]) -> RecipeSource:
    """The recipe in a file, or a registered one by name (``family/name``). Raises `RecipeError`."""
    path = Path(reference)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return RecipeSource(path.stem, path.read_text(encoding="utf-8"), reference)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise RecipeError([Problem(reference, None, "", f"cannot be read: {reason}")]) from error
    known = _registered(packages)
    if reference not in known:
        names = ", ".join(sorted(known)) or "none"
        text = f"no file and no recipe of this name{did_you_mean(reference, list(known))} (available: {names})"
        raise RecipeError([Problem(reference, None, "", text)])
    package, file = known[reference]
    return RecipeSource(reference, file.read_text(encoding="utf-8"), f"{package}/{reference}.yaml")


def list_recipes(packages: Iterable[str]) -> list[RecipeInfo]:
    """Every registered recipe, by name."""
    known = _registered(packages)
    return [
        RecipeInfo(name, _summary(file.read_text(encoding="utf-8")), package)
        for name, (package, file) in sorted(known.items())
    ]


def _registered(packages: Iterable[str]) -> dict[str, tuple[str, Traversable]]:
    known: dict[str, tuple[str, Traversable]] = {}
    for package in dict.fromkeys(packages):
        for name, file in _yaml_files(importlib.resources.files(package)):
            if name in known:
                raise NameClashError(
                    f"two packages have the recipe '{name}': '{known[name][0]}' and '{package}'; rename one"
                )
            known[name] = package, file
    return known


def _yaml_files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _yaml_files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml"), entry


def _summary(text: str) -> str:
    lines = text.lstrip().splitlines()
    return lines[0].lstrip("# ").rstrip() if lines and lines[0].startswith("#") else ""


# ---- loading ---------------------------------------------------------------------------------------------------------


def load_recipe(source: RecipeSource, registry: Registry, *, sets: Sequence[str] = (), smoke: bool = False) -> Recipe:
    """The validated recipe: first the file, then its smoke block if asked for, then ``sets`` (``"train.steps=3"``).

    Raises `RecipeError` with everything that is wrong; sections that contradict each other are looked for only in a recipe
    whose sections are right.
    """
    draft = _Draft.read(source)
    if smoke:
        draft.apply_smoke()
    for item in sets:
        draft.apply_set(item)
    policies = draft.data.get("policies")
    context = {"registry": registry, "policies": list(policies) if isinstance(policies, dict) else []}
    try:
        recipe = Recipe.model_validate(draft.data, context=context)
    except ValidationError as error:
        draft.problems += [draft.explain(line) for line in error.errors()]
    else:
        draft.problems += [draft.problem(at, text) for at, text in contradictions(recipe)]
    if draft.problems:
        raise RecipeError(sorted(draft.problems, key=lambda p: (p.where != source.where, p.line or 0)))
    return recipe


def resolved(recipe: Recipe) -> str:
    """Every value after defaults, as YAML that loads to an equal recipe (but for the smoke block, which is left out)."""
    data = recipe.model_dump(mode="json", exclude={"smoke"})
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


@dataclass(slots=True)
class _Draft:
    """A recipe's data before it is validated, with the place each value came from."""

    where: str
    data: dict[str, Any]
    places: dict[KeyPath, tuple[str, int | None]]
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, source: RecipeSource) -> _Draft:
        data, lines = read_yaml(source.text, source.where)
        _write_out_defaults(data)
        return cls(source.where, data, {at: (source.where, line) for at, line in lines.items()})

    def apply_smoke(self) -> None:
        block = self.data["smoke"]
        if not block:
            self.problems.append(Problem(self.where, None, "smoke", "this recipe has no smoke block"))
        if isinstance(block, dict):  # if not, validation will say so
            for key, value in block.items():
                self._put(key, value, self.places[("smoke", key)])

    def apply_set(self, item: str) -> None:
        key, equals, text = item.partition("=")
        if not equals or not key:
            self.problems.append(Problem("--set", None, "", f"takes KEY=VALUE, such as train.steps=3; got {item!r}"))
            return
        try:
            self._put(key, read_value(text, key), ("--set", None))
        except RecipeError as error:
            self.problems += error.problems

    def _put(self, key: str, value: Any, place: tuple[str, int | None]) -> None:
        """Replace what is at a dotted key. On the way a bare name is spelled out and a missing section is begun."""
        node: Any = self.data
        at: KeyPath = ()
        *way, last = key.split(".")
        for word in way:
            part = self._part(node, at, word, place)
            if part is None:
                return
            inside = node.get(part) if isinstance(node, dict) else node[part]
            if isinstance(inside, str):
                inside = {"use": inside}
            node[part] = {} if inside is None else inside
            node, at = node[part], (*at, part)
        part = self._part(node, at, last, place)
        if part is None:
            return
        node[part] = copy.deepcopy(value)
        at = (*at, part)
        self.places = {known: there for known, there in self.places.items() if known[: len(at)] != at} | {at: place}

    def _part(self, node: Any, at: KeyPath, word: str, place: tuple[str, int | None]) -> str | int | None:
        """``word`` as a key of ``node``; None, and a problem, if it can be none."""
        if isinstance(node, dict):
            return word
        if isinstance(node, list):
            if word.isdecimal() and int(word) < len(node):
                return int(word)
            text = f"has {len(node)} entries, numbered from 0; there is no '{word}'"
        else:
            text = f"is {node!r}, so there is no '{word}' in it"
        self.problems.append(Problem(*place, dotted(at), text))
        return None

    def problem(self, at: KeyPath, message: str) -> Problem:
        """A problem at the place the value came from; for a section nobody wrote, from which something in it came."""
        inside = [there for known, there in self.places.items() if known[: len(at)] == at]
        above = [self.places[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.places]
        return Problem(*(self.places.get(at) or [*inside, *above][0]), dotted(at), message)

    def explain(self, error: ErrorDetails) -> Problem:
        """pydantic's error in our words, at the key as it was written."""
        return self.problem(self._as_typed(error), _message(error))

    def _as_typed(self, error: ErrorDetails) -> KeyPath:
        """The keys of pydantic's location that are in the data; it adds names of its own to them."""
        node: Any = self.data
        at: KeyPath = ()
        for number, part in enumerate(error["loc"]):
            if part in node if isinstance(node, Mapping) else isinstance(node, list):
                node = node[part]
            elif error["type"] != "missing" or number + 1 < len(error["loc"]):
                continue
            at = (*at, part)
        return at


def _write_out_defaults(data: dict[str, Any]) -> None:
    """Spell out the defaults of component sections, so that ``--set generator.x=1`` finds a component to change."""
    entries = data.get("play")
    sections: list[tuple[Any, type[Params]]] = [(data, Recipe)]
    if isinstance(entries, list):
        sections += [(entry, PlayEntry) for entry in entries]
    for section, model in sections:
        if not isinstance(section, dict):
            continue
        for name, info in model.model_fields.items():
            default = info.get_default(call_default_factory=True, validated_data={})
            if name not in section and isinstance(default, (str, dict, list)):
                section[name] = copy.deepcopy(default)


def _message(error: ErrorDetails) -> str:
    kind, text, given = error["type"], error["msg"], error["input"]
    if kind == "missing":
        return "is required"
    if kind in ("component", "unknown_key"):
        return text
    if kind == "value_error":
        return text.removeprefix("Value error, ")
    shown = repr(given)
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    if kind in ("model_type", "dict_type", "list_type"):
        text = "should be a list" if kind == "list_type" else "should be a mapping, 'key: value'"
    text = f"{text.removeprefix('Input ')} (got {shown})"
    if isinstance(given, bool) and kind == "string_type":
        text += "; YAML reads a bare yes, no, on and off as true or false: put it in quotes"
    return text
