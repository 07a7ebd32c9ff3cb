"""Where sections of a recipe, each right by itself, contradict each other. No model is loaded to find out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel

from sparring.errors import SparringError
from sparring.params import Choice, did_you_mean
from sparring.play import Held
from sparring.sections import EvaluateSpec
from sparring_yaml import KeyPath

if TYPE_CHECKING:
    from sparring.recipe import Recipe


@runtime_checkable
class ChecksRecipe(Protocol):
    """Parameters that know what else in a recipe contradicts them."""

    def contradictions(self, recipe: Recipe) -> list[tuple[str, str]]:
        """(dotted key below the component, or "" for itself; what is wrong) for each."""
        ...


def contradictions(recipe: Recipe) -> list[tuple[KeyPath, str]]:
    """The key at which each contradiction of a valid recipe stands, and what it is."""
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
            given = recipe.roles if entry.roles is None else entry.roles
            for role in specs:
                if isinstance(choice := given.get(role), Choice):
                    Held.by(choice.use, choice.make(), game)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            broken = True
            told = error if isinstance(error, (SparringError, ValueError)) else repr(error)
            yield ("play", number), f"cannot be set up: {told}"
            continue
        if entry.roles is None:
            common += specs
        else:
            yield from _unknown_roles(entry.roles, list(specs), ("play", number, "roles"))
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
        if policy.reference_rate != 1 and not policy.reference_refresh:
            text = "is how far 'reference_refresh' moves the reference, and that is 0; set it, or remove this"
            yield ("policies", name, "reference_rate"), text
    if recipe.train.staleness and recipe.train.old_logprobs == "learner":
        yield (
            ("train", "old_logprobs"),
            "'learner' would hide from the objective that the weights of an update ago sampled (train.staleness: 1); use 'sampler'",
        )
    if recipe.batch.unit == "groups" and all(entry.group_size == 1 for entry in recipe.play):
        yield (
            ("batch", "unit"),
            "'groups' counts groups of play.group_size episodes, which is 1 everywhere; use 'episodes' or larger groups",
        )
