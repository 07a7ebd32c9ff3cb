"""A recipe: the whole truth of a run, in one YAML file. Its sections, and how one is found and loaded.

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
from typing import Annotated, Any, Literal, Protocol, cast, runtime_checkable

import yaml
from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from sparring.errors import NameClashError, Problem, RecipeError, SparringError
from sparring.game import Game
from sparring.interfaces import (
    AdvantageEstimator,
    Evaluator,
    Generator,
    Judge,
    ModelSource,
    Objective,
    OpponentSampler,
    Player,
    RecordBuilder,
    RoleScheme,
    Tracker,
)
from sparring.params import Choice, Params, component, did_you_mean
from sparring.registry import Registry
from sparring.rewards import Combine
from sparring.yaml_source import KeyPath, dotted, read_value, read_yaml

# ---- sections --------------------------------------------------------------------------------------------------------


def _as_written(default: object) -> Any:
    """A default in the words of a recipe; it is validated like one, so its static type is not the field's."""
    return default


def _holder(raw: Any, info: ValidationInfo) -> Any:
    """Who holds a role: a bare name is a policy's if there is one, else a player's."""
    context = info.context or {}
    policies: list[str] = context.get("policies", [])
    if isinstance(raw, str):
        if raw in policies:
            return raw
        registry: Registry | None = context.get("registry")
        if registry is not None and registry.find("player", raw) is None:
            known = [*policies, *registry.names("player")]
            text = f"no policy or player named '{raw}'{did_you_mean(raw, known)} (available: {', '.join(known)})"
            raise PydanticCustomError("component", cast(Any, text))
    choose: Any = component("player").func
    return choose(raw, info)


def _written(holder: object) -> object:
    return holder.flat() if isinstance(holder, Choice) else holder


Model = Annotated[Choice[ModelSource], component("model", unnamed=("pretrained", "path"))]
Judges = dict[str, Annotated[Choice[Judge], component("judge")]]
Advantage = Annotated[Choice[AdvantageEstimator], component("estimator")]
Builder = Annotated[Choice[RecordBuilder], component("builder")]
Loss = Annotated[Choice[Objective], component("objective")]
Roles = dict[str, Annotated[str | Choice[Player], PlainValidator(_holder), PlainSerializer(_written)]]
# A policy's name becomes a folder and a segment of metric names.
PolicyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class AdapterSpec(Params):
    """A LoRA adapter. Policies with adapters and equal models share the model's weights in memory."""

    rank: int = Field(8, ge=1, description="Rank of each added product of matrices.")
    alpha: int | None = Field(None, ge=1, description="The product is scaled by alpha / rank; None: twice the rank.")
    modules: str | list[str] = Field("all-linear", description="Which linear layers: the ends of their names, or all.")


class PolicySpec(Params):
    """Weights that choose actions."""

    model: Model = Field(description="Where the weights come from: a registered model, a folder or a hub name.")
    adapter: AdapterSpec | None = Field(
        None, description="Train a LoRA adapter instead of the weights; checkpoints hold the two added up."
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="Precision of matrix products; the trained weights themselves stay float32."
    )
    trainable: bool = Field(True, description="False: the weights never change.")
    learning_rate: float | None = Field(None, gt=0, description="In place of train.learning_rate; None: that one.")
    reference_refresh: int = Field(
        0,
        ge=0,
        description="Steps between copies of the policy into its reference; 0: it stays what training began from.",
    )


class RewardRule(Params):
    """How a turn's named reward parts become its reward: see `sparring.rewards.combine`."""

    combine: Combine = Field(
        "sum",
        description="sum adds the parts; max takes the largest; gate adds up to the first that is not positive; ladder "
        "takes the first that is not zero.",
    )
    parts: list[str] | None = Field(
        None, min_length=1, description="Which parts count, in this order; None: all of them."
    )

    @model_validator(mode="after")
    def _order_matters(self) -> RewardRule:
        if self.combine in ("gate", "ladder") and self.parts is None:
            raise ValueError(f"'combine: {self.combine}' depends on the order of the parts; list them in 'parts'")
        return self


class SamplingSpec(Params):
    """How turns are sampled."""

    temperature: float = Field(1.0, ge=0, description="Divides the logits; 0 takes the likeliest token.")
    top_p: float = Field(
        1.0, gt=0, le=1, description="Only the likeliest tokens that together have this probability; 1: all."
    )
    top_k: int = Field(0, ge=0, description="Only this many likeliest tokens; 0: all.")
    max_tokens: int = Field(256, ge=1, description="Tokens after which an answer is cut off.")


class PlayEntry(Params):
    """What is played, by which scheme, and its share of the episodes. Sections given here replace the common ones whole."""

    name: str | None = Field(None, min_length=1, description="What it is called; None: as its game.")
    game: Annotated[Choice[Game], component("game")] | None = Field(
        None, description="The rules. None: the scheme plays no game; then the entry needs a name."
    )
    scheme: Annotated[Choice[RoleScheme], component("scheme")] = Field(
        _as_written("turn_based"), description="Who speaks when, and who is trained."
    )
    weight: float = Field(1.0, gt=0, description="Share of the episodes, relative to the other entries.")
    group_size: int = Field(1, ge=1, description="Episodes from the same start, for estimators that compare them.")
    roles: Roles | None = Field(None, description="In place of the common roles; None: those.")
    judges: Judges | None = Field(None, min_length=1, description="In place of the common judges; None: those.")
    rewards: RewardRule | None = Field(None, description="In place of the common rule; None: that one.")
    advantage: Advantage | None = Field(None, description="In place of the common estimator; None: that one.")
    records: Builder | None = Field(None, description="In place of the common builder; None: that one.")
    objective: Loss | None = Field(None, description="In place of the common objective; None: that one.")
    sampling: SamplingSpec | None = Field(None, description="In place of the common sampling; None: that one.")

    @property
    def title(self) -> str:
        """The entry's name, or its game's."""
        return self.name or (self.game.use if self.game else "")


class PhaseSpec(Params):
    """Some steps in which only some entries are played or only some policies trained."""

    steps: int = Field(ge=1, description="Steps that it lasts.")
    play: list[str] | None = Field(None, min_length=1, description="Entries that are played; None: all.")
    train: list[str] | None = Field(
        None,
        min_length=1,
        description="Policies that are trained, the others stay as they are; None: all trainable ones.",
    )
    refresh_reference: list[str] = Field(
        default_factory=list, description="Policies that are copied into their references when the phase ends."
    )


class BatchSpec(Params):
    """How much is played in a step."""

    size: int = Field(128, ge=1, description="Number of units; the last episodes in flight are kept whole.")
    unit: Literal["turns", "episodes", "groups"] = Field(
        "episodes", description="What size counts: trained turns, episodes, or groups of play.group_size episodes."
    )


class TrainSpec(Params):
    """How weights change."""

    steps: int = Field(ge=0, description="Passes of the loop: play, judge, estimate, update. 0: evaluate only.")
    epochs: int = Field(1, ge=1, description="Times a step's records are used.")
    minibatches: int = Field(1, ge=1, description="Optimizer steps in an epoch, each on its share of the records.")
    learning_rate: float = Field(1e-6, gt=0, description="Of AdamW, at its highest.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="After the warm-up: constant, or down to 0 at the end, in a line or a half cosine."
    )
    warmup_steps: int = Field(0, ge=0, description="Optimizer steps in which the learning rate rises from 0.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.95), description="AdamW's decay of its averages of gradients and of their squares."
    )
    eps: float = Field(1e-8, gt=0, description="AdamW's addition to the denominator.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's, on matrices only.")
    max_grad_norm: float = Field(1.0, gt=0, description="A larger gradient is scaled down to this norm.")
    token_budget: int = Field(
        4096, ge=1, description="Tokens of a micro-batch; changes memory and speed, not the result."
    )
    old_logprobs: Literal["sampler", "learner"] = Field(
        "sampler", description="Whose log-probabilities are the old ones: as sampled, or computed again by the learner."
    )
    seed: int = Field(0, ge=0, description="Of everything random.")
    threads: int | None = Field(None, ge=1, description="CPU threads of torch; None: its own choice.")
    failure_budget: int = Field(10, ge=0, description="Episodes of a run that may fail before it stops.")
    judge_seconds: float = Field(
        600.0, gt=0, description="Time after which a judge that has not answered stops the run."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if there is one.")


class EvaluateSpec(Params):
    """An evaluator and how often it runs. In a recipe one flat mapping: ``{use: nash_conv, …, every: 16}``."""

    evaluator: Annotated[Choice[Evaluator], component("evaluator")] = Field(description="What is measured.")
    every: int = Field(ge=1, description="Steps between evaluations; step 0 and the last are always evaluated.")

    @model_validator(mode="before")
    @classmethod
    def _from_flat(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return {"evaluator": raw}
        rest = {key: value for key, value in raw.items() if key != "every"}
        return {"evaluator": rest, **({"every": raw["every"]} if "every" in raw else {})}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {**self.evaluator.flat(), "every": self.every}


class CheckpointSpec(Params):
    """When checkpoints are written and which are kept."""

    every: int = Field(50, ge=1, description="Steps between checkpoints; step 0 and the last are always saved.")
    keep_last: int = Field(2, ge=1, description="How many of the newest are kept.")
    keep_every: int = Field(0, ge=0, description="Those of steps divisible by this are kept too; 0: none.")
    keep_best: str | None = Field(None, description="A metric; the checkpoint where it was lowest is kept too.")


class TranscriptSpec(Params):
    """Which steps' episodes are written in full."""

    every: int = Field(50, ge=1, description="Steps between those written; the last is always written.")
    keep_last: int = Field(20, ge=1, description="How many of the newest are kept.")


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
        _as_written({"outcome": {"use": "outcome"}}),
        min_length=1,
        description="What makes rewards, by the name that schemes ask for.",
    )
    rewards: RewardRule = Field(default_factory=RewardRule, description="How reward parts become a reward.")
    advantage: Advantage = Field(
        _as_written("plain"), description="Rewards to advantages. Preferences and demonstrations need none."
    )
    records: Builder = Field(_as_written("policy_gradient"), description="What of the episodes is trained on.")
    objective: Loss = Field(description="Records to loss.")
    schedule: list[PhaseSpec] = Field(
        default_factory=list,
        description="Phases that are gone through in this order, over and over; none: everything in every step.",
    )
    opponents: Annotated[Choice[OpponentSampler], component("opponents")] = Field(
        _as_written("current"), description="Which version of a policy sits opposite."
    )
    generator: Annotated[Choice[Generator], component("generator")] = Field(
        _as_written("transformers"), description="The engine that samples and scores tokens."
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
        _as_written(["jsonl"]), description="Where metrics are written."
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
    """The recipe in a file, or a registered one by name (``kuhn_poker/quickstart``). Raises `RecipeError`."""
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
        draft.problems += [draft.problem(at, text) for at, text in recipe_contradictions(recipe)]
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


# ---- contradictions --------------------------------------------------------------------------------------------------


@runtime_checkable
class ChecksRecipe(Protocol):
    """Parameters that know what else in a recipe contradicts them."""

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """(dotted key below the component, or "" for itself; what is wrong) for each."""
        ...


def recipe_contradictions(recipe: Recipe) -> list[tuple[KeyPath, str]]:
    """Where sections of a valid recipe contradict each other, and how. Loads no model."""
    found = [
        *_role_contradictions(recipe), *_entry_contradictions(recipe), *_phase_contradictions(recipe),
        *_setting_contradictions(recipe),
    ]  # fmt: skip
    for at, choice in choices(recipe):
        if isinstance(choice.params, ChecksRecipe):
            for key, text in choice.params.contradictions(recipe):
                found.append(((*at, *(key.split(".") if key else ())), text))
    return found


def choices(value: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Choice[Any]]]:
    """Every component that a recipe names, nested ones too, with its position."""
    if isinstance(value, Choice):
        yield at, value
        value = value.params
    if isinstance(value, BaseModel):
        flat = isinstance(value, EvaluateSpec)  # its evaluator stands in the mapping itself
        for name in type(value).model_fields:
            yield from choices(getattr(value, name), at if flat else (*at, name))
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield from choices(inside, (*at, key))
    elif isinstance(value, (list, tuple)):
        for number, inside in enumerate(value):
            yield from choices(inside, (*at, number))


def _role_contradictions(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    common: list[str] = []
    trained = False
    broken = False
    default = next(iter(recipe.policies))
    for number, entry in enumerate(recipe.play):
        try:
            game = entry.game.make() if entry.game else None
            specs = {role.name: role.trainable for role in entry.scheme.make().roles(game)}
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            broken = True
            told = error if isinstance(error, (SparringError, ValueError)) else repr(error)
            yield ("play", number), f"cannot be set up: {told}"
            continue
        if entry.roles is None:
            common += specs
        else:
            yield from _unknown_roles(entry.roles, list(specs), ("play", number, "roles"))
        given = recipe.roles if entry.roles is None else entry.roles
        for role, trainable in specs.items():
            holder = given.get(role, default)
            trained |= trainable and isinstance(holder, str) and recipe.policies[holder].trainable
    if broken:
        return
    yield from _unknown_roles(recipe.roles, list(dict.fromkeys(common)), ("roles",))
    if recipe.train.steps and not trained:
        yield (
            ("train", "steps"),
            f"there are {recipe.train.steps} steps, but no role that is trained is held by a trainable policy",
        )


def _unknown_roles(given: Mapping[str, object], known: list[str], at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for role in given:
        if role not in known:
            names = ", ".join(known) or "none"
            yield (*at, role), f"no role named '{role}' is played{did_you_mean(role, known)} (there are: {names})"


def _entry_contradictions(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    for number, entry in enumerate(recipe.play):
        if not entry.title:
            yield ("play", number), "needs a game, or a name if its scheme plays none"
        builder, objective = entry.records or recipe.records, entry.objective or recipe.objective
        made, taken = (getattr(choice.params, "record", "policy_gradient") for choice in (builder, objective))
        if made != taken:
            where: KeyPath = ("play", number, "objective") if entry.objective else ("objective",)
            yield where, f"'{objective.use}' takes {taken} records, but '{builder.use}' makes {made} records"


def _phase_contradictions(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    titles = [entry.title for entry in recipe.play]
    trainable = [name for name, policy in recipe.policies.items() if policy.trainable]
    for number, phase in enumerate(recipe.schedule):
        for key, given, known in (
            ("play", phase.play or [], titles),
            ("train", phase.train or [], trainable),
            ("refresh_reference", phase.refresh_reference, trainable),
        ):
            for name in given:
                what = "entry of play" if key == "play" else "trainable policy"
                if name not in known:
                    names = ", ".join(known) or "none"
                    yield (
                        ("schedule", number, key),
                        f"no {what} named '{name}'{did_you_mean(name, known)} (there are: {names})",
                    )
                elif key == "play" and known.count(name) > 1:
                    yield (
                        ("schedule", number, key),
                        f"two entries of play are called '{name}'; give them names of their own",
                    )


def _setting_contradictions(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    """Settings that would do nothing."""
    for name, policy in recipe.policies.items():
        for key in ("learning_rate", "reference_refresh", "adapter"):
            if getattr(policy, key) and not policy.trainable:
                yield ("policies", name, key), f"policy '{name}' is not trainable, so this would do nothing; remove it"
    if recipe.batch.unit == "groups" and all(entry.group_size == 1 for entry in recipe.play):
        yield (
            ("batch", "unit"),
            "'groups' counts groups of play.group_size episodes, which is 1 everywhere; use 'episodes' or larger groups",
        )
