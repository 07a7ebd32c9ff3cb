"""From a recipe to a `Trainer`: load models, make components, seat policies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

import torch

from sparring.adapters import adapt
from sparring.chat import ChatFormat
from sparring.entry import Entry
from sparring.errors import ModelError
from sparring.examples import transcripts
from sparring.game import Game
from sparring.interfaces import (
    AdvantageEstimator,
    Judge,
    LoadedModel,
    ModelContext,
    Objective,
    RecordBuilder,
    Sampling,
    Transcript,
)
from sparring.learner import Learner, prepare
from sparring.play import Hall, Held
from sparring.recipe import Recipe
from sparring.sections import PlayEntry, PolicySpec
from sparring.trainer import Trainer
from sparring_memory.freed import keep_freed_memory


def set_up_torch(recipe: Recipe) -> torch.device:
    """Threads, determinism and the device, for the whole process."""
    from transformers.utils import logging

    # Its bars for reading and writing a file would tear the live table apart.
    logging.disable_progress_bar()
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    # The same input gives the same bits. On CUDA some kernels have no such form; those only warn.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    wanted = recipe.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError("train.device is 'cuda', but torch sees no CUDA device; use 'auto' or 'cpu'")
    device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    # It would also write NaN into every new tensor before it is used: a tenth of the time of play and update.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cpu":
        keep_freed_memory()
    return device


def assemble(recipe: Recipe) -> Trainer:
    """Everything a run needs, on its device. Raises what loading models raises."""
    from accelerate import Accelerator

    device = set_up_torch(recipe)
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
    entries = _entries(recipe)
    models = load_models(recipe, entries, device)
    generator = recipe.generator.make()
    chats = {name: ChatFormat(loaded.tokenizer) for name, loaded in models.items()}
    most = getattr(generator, "max_length", None) or sys.maxsize
    limits = {name: min(longest(loaded), most) for name, loaded in models.items()}
    hall = Hall(generator, chats, next(iter(models)), recipe.train.judge_seconds, limits)
    asking: dict[int, tuple[object, object]] = {id(e.estimator): (e.estimator, hall.score) for e in entries}
    asking |= {id(judge): (judge, hall.voice) for e in entries for judge in e.judges.values()}
    for part, ask in asking.values():
        if attach := getattr(part, "attach", None):
            attach(ask)
    learners: dict[str, Learner] = {}
    frozen: dict[str, LoadedModel] = {}
    for name, loaded in models.items():
        spec = recipe.policies[name]
        if spec.trainable:
            learners[name] = Learner(name, loaded, spec, recipe.train, recipe.steps_of(name), accelerator)
            if any(entry.objective.needs_reference != "no" for entry in entries):
                learners[name].keep_reference()
        else:
            frozen[name] = loaded
    evaluators = [(due.evaluator.make(), due.every) for due in recipe.evaluate]
    return Trainer(
        recipe,
        entries,
        learners,
        frozen,
        generator,
        hall,
        recipe.opponents.make(),
        recipe.curriculum.make(),
        evaluators,
    )


def longest(loaded: LoadedModel) -> int:
    """How many tokens a model reads. Tokenizers that do not know say something very large."""
    positions = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    return min(int(loaded.tokenizer.model_max_length), positions or sys.maxsize)


def load_models(recipe: Recipe, entries: list[Entry], device: torch.device) -> dict[str, LoadedModel]:
    """The policies' models, checked and on the device."""
    examples = _examples(recipe, entries)
    models: dict[str, LoadedModel] = {}
    bases: list[tuple[PolicySpec, LoadedModel]] = []
    for name, spec in recipe.policies.items():
        loaded = next(
            (base for other, base in bases if spec.adapter and (other.model, other.dtype) == (spec.model, spec.dtype)),
            None,
        )
        if loaded is None:
            loaded = spec.model.make().load(ModelContext(recipe.train.seed, examples))
            loaded.model.float().to(device)
            loaded.model.eval()
            loaded.bf16 = spec.dtype == "bfloat16"
            prepare(loaded)
            if spec.adapter:
                bases.append((spec, loaded))
        models[name] = adapt(loaded, spec.adapter, recipe.train.seed, name) if spec.adapter else loaded
    return models


def _examples(recipe: Recipe, entries: list[Entry]) -> Callable[[int], list[Transcript]]:
    def examples(n: int) -> list[Transcript]:
        made = [entries[number % len(entries)].plan(number, number, {}, (recipe.train.seed,)) for number in range(n)]
        return transcripts(made)[:n]

    return examples


def _entries(recipe: Recipe) -> list[Entry]:
    # An entry that gives no section of its own shares the common component, memory included: its baselines are one set.
    judges: Mapping[str, Judge] = {name: choice.make() for name, choice in recipe.judges.items()}
    estimator: AdvantageEstimator = recipe.advantage.make()
    builder: RecordBuilder = recipe.records.make()
    objective: Objective = recipe.objective.make()
    entries = []
    for number, entry in enumerate(recipe.play):
        game, scheme = entry.game.make() if entry.game else None, entry.scheme.make()
        sampling = entry.sampling or recipe.sampling
        entries.append(
            Entry(
                number=number,
                name=entry.title,
                game=game,
                scheme=scheme,
                roles=_roles(recipe, entry, [(role.name, role.trainable) for role in scheme.roles(game)], game),
                judges={name: choice.make() for name, choice in entry.judges.items()} if entry.judges else judges,
                estimator=entry.advantage.make() if entry.advantage else estimator,
                builder=entry.records.make() if entry.records else builder,
                objective=entry.objective.make() if entry.objective else objective,
                sampling=Sampling(sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens),
                rewards=entry.rewards or recipe.rewards,
                weight=entry.weight,
                group_size=entry.group_size,
            )
        )
    return entries


def _roles(recipe: Recipe, entry: PlayEntry, roles: list[tuple[str, bool]], game: Game | None) -> dict[str, Held]:
    given = entry.roles if entry.roles is not None else recipe.roles
    default = next(iter(recipe.policies))
    held: dict[str, Held] = {}
    for role, trainable in roles:
        holder = given.get(role, default)
        if isinstance(holder, str):
            held[role] = Held(holder, trained=trainable and recipe.policies[holder].trainable)
        else:
            held[role] = Held.by(holder.use, holder.make(), game)
    return held
