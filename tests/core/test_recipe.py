from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sparring import Choice, Params
from sparring.contradictions import choices
from sparring.errors import NameClashError, RecipeError
from sparring.recipe import Recipe, RecipeSource, find_recipe, list_recipes, load_recipe, resolved
from sparring.registry import Registry
from sparring.sections import (
    BatchSpec,
    CheckpointSpec,
    EvaluateSpec,
    PlayEntry,
    PolicySpec,
    RewardRule,
    SamplingSpec,
    TrainSpec,
    TranscriptSpec,
)

Load = Callable[..., Recipe]


def lines(load: Load, text: str, **options: object) -> list[str]:
    """What is wrong with a recipe, line by line."""
    with pytest.raises(RecipeError) as caught:
        load(text, **options)
    assert caught.value.exit_status == 2
    return str(caught.value).splitlines()


# ---- sections and defaults -------------------------------------------------------------------------------------------


def test_a_recipe_is_loaded_with_its_defaults(load: Load) -> None:
    recipe = load()
    assert recipe.policies["main"].model.use == "small"
    assert [entry.game.use for entry in recipe.play] == ["cards", "dice"]
    assert [entry.scheme.use for entry in recipe.play] == ["turn_based"] * 2
    assert list(recipe.judges) == ["outcome"]
    assert (recipe.opponents.use, recipe.generator.use, [t.use for t in recipe.trackers]) == (
        "current",
        "transformers",
        ["jsonl"],
    )
    assert recipe.train.learning_rate == 1e-6  # YAML reads 1e-6 as text
    assert recipe.train.betas == (0.9, 0.95)
    assert (recipe.evaluate[0].evaluator.use, recipe.evaluate[0].every) == ("measure", 2)


@pytest.mark.parametrize(
    "section",
    [
        Recipe,
        PolicySpec,
        PlayEntry,
        RewardRule,
        SamplingSpec,
        BatchSpec,
        TrainSpec,
        EvaluateSpec,
        CheckpointSpec,
        TranscriptSpec,
    ],
)
def test_every_field_is_described(section: type[Params]) -> None:
    for name, info in section.model_fields.items():
        assert info.description, name
        assert info.description.endswith("."), name


def test_the_resolved_recipe_is_the_same_recipe(load: Load, toy_recipe: str) -> None:
    text = (
        toy_recipe
        + "roles: {player_1: random}\njudges: {x: {use: weighted_sum, judges: [outcome, {use: outcome, scale: 2}]}}\n"
    )
    recipe = load(text)
    written = resolved(recipe)
    again = load(written)
    assert again == recipe.model_copy(update={"smoke": {}})
    assert resolved(again) == written
    data = yaml.safe_load(written)
    assert data["evaluate"] == [{"use": "measure", "game": {"use": "cards", "rounds": 1, "name": "cards"}, "every": 2}]
    assert data["judges"]["x"]["judges"][1] == {"use": "outcome", "scale": 2.0}
    assert data["roles"] == {"player_1": {"use": "random", "scale": 1.0}}
    assert "smoke" not in data


def test_a_bare_holder_is_a_policy_before_a_player(load: Load, toy_recipe: str) -> None:
    roles = "roles: {player_0: main, player_1: random}\n"
    recipe = load(toy_recipe + roles)
    assert recipe.roles["player_0"] == "main"
    assert isinstance(recipe.roles["player_1"], Choice)
    named = load(toy_recipe.replace("main:", "other: {model: small}\n  random:") + roles.replace("main", "other"))
    assert named.roles == {"player_0": "other", "player_1": "random"}


def test_every_component_has_its_position(load: Load, toy_recipe: str) -> None:
    recipe = load(toy_recipe + "judges: {x: {use: weighted_sum, judges: [outcome]}}\n")
    found = {".".join(map(str, at)): choice.use for at, choice in choices(recipe)}
    assert found["policies.main.model"] == "small"
    assert found["play.1.game"] == "dice"
    assert found["judges.x.judges.0"] == "outcome"
    assert found["evaluate.0"] == "measure"
    assert found["evaluate.0.game"] == "cards"


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_all_problems_are_told_at_once_with_their_lines(load: Load) -> None:
    text = """\
format: 2
policies: {main: {model: smal, lr: 1}}
play:
  - game: {use: cards, ronds: 2}
    wieght: 1
advantage: plain
objective: {use: loss, scale: -1}
train:
  learning_rate: fast
evaluate:
  - {use: measure, gme: cards}
samplin: {}
roles: {player_0: mian}
transcripts: no
"""
    assert lines(load, text) == [
        "toy.yaml:1: format: should be 1 (got 2)",
        "toy.yaml:2: policies.main.model: no model named 'smal'; did you mean 'small'? (available: pretrained, small)",
        "toy.yaml:2: policies.main.lr: unknown key 'lr'",
        "toy.yaml:4: play.0.game.ronds: unknown parameter 'ronds' of game 'cards'; did you mean 'rounds'?",
        "toy.yaml:5: play.0.wieght: unknown key 'wieght'; did you mean 'weight'?",
        "toy.yaml:7: objective.scale: should be greater than 0 (got -1)",
        "toy.yaml:8: train.steps: is required",
        "toy.yaml:9: train.learning_rate: should be a valid number, unable to parse string as a number (got 'fast')",
        "toy.yaml:11: evaluate.0.game: is required",
        "toy.yaml:11: evaluate.0.gme: unknown parameter 'gme' of evaluator 'measure'; did you mean 'game'?",
        "toy.yaml:11: evaluate.0.every: is required",
        "toy.yaml:12: samplin: unknown key 'samplin'; did you mean 'sampling'?",
        "toy.yaml:13: roles.player_0: no policy or player named 'mian'; did you mean 'main'? (available: main, random)",
        "toy.yaml:14: transcripts: should be a mapping, 'key: value' (got False)",
    ]


def test_a_word_that_yaml_read_as_a_truth_value_is_explained(load: Load, toy_recipe: str) -> None:
    (line,) = lines(load, toy_recipe, sets=["play.0.game.name=no"])
    assert line.startswith(
        "--set: play.0.game.name: should be a valid string (got False); YAML reads a bare yes, no, on"
    )


def test_an_unknown_component_names_broken_plugins(toy_registry: Registry, toy_recipe: str) -> None:
    toy_registry.broken.append("plugin 'chess' could not be loaded: no board")
    with pytest.raises(RecipeError, match="plugin 'chess' could not be loaded: no board; it may define it"):
        load_recipe(RecipeSource("x", toy_recipe.replace("dice", "chess"), "x"), toy_registry)


def test_policy_names_can_be_folders(load: Load, toy_recipe: str) -> None:
    (line,) = lines(load, toy_recipe.replace("main:", "../main:"))
    assert line.startswith("toy.yaml:4: policies.../main: ")


# ---- --set and smoke -------------------------------------------------------------------------------------------------


def test_a_set_value_is_as_if_written_there(load: Load) -> None:
    recipe = load(
        sets=[
            "train.steps=7",
            "play.0.game.rounds=5",
            "play.1.game.scale=3",  # `game: dice` is a bare name
            "generator.scale=2",  # the section is not in the file
            "policies.main.model=./folder",
            "policies.main.model.revision=dev",
            "batch={size: 4, unit: groups}",
            "judges.second=outcome",
            "sampling.max_tokens=16",
        ]
    )
    assert recipe.train.steps == 7
    assert recipe.play[0].game.params.model_dump() == {"rounds": 5, "name": "cards"}
    assert recipe.play[1].game.params.model_dump() == {"scale": 3.0}
    assert recipe.generator.params.model_dump() == {"scale": 2.0}
    assert recipe.policies["main"].model.flat() == {"use": "pretrained", "path": "./folder", "revision": "dev"}
    assert (recipe.batch.size, recipe.batch.unit, recipe.sampling.max_tokens) == (4, "groups", 16)
    assert list(recipe.judges) == ["outcome", "second"]


def test_setting_a_whole_component_forgets_its_parameters(load: Load) -> None:
    assert load(sets=["play.0.game=dice"]).play[0].game.flat() == {"use": "dice", "scale": 1.0}


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("train.stepz=3", "--set: train.stepz: unknown key 'stepz'; did you mean 'steps'?"),
        (
            "train.steps=x",
            "--set: train.steps: should be a valid integer, unable to parse string as an integer (got 'x')",
        ),
        ("play.2.game=cards", "--set: play: has 2 entries, numbered from 0; there is no '2'"),
        ("play.first.game=cards", "--set: play: has 2 entries, numbered from 0; there is no 'first'"),
        ("train.steps.x=1", "--set: train.steps: is 3, so there is no 'x' in it"),
        (
            "judges.outcome.scle=2",
            "--set: judges.outcome.scle: unknown parameter 'scle' of judge 'outcome'; did you mean 'scale'?",
        ),
        (
            "rewards.combine=gate",
            "--set: rewards: 'combine: gate' depends on the order of the parts; list them in 'parts'",
        ),
        ("train.steps", "--set: takes KEY=VALUE, such as train.steps=3; got 'train.steps'"),
        ("play.0.game.use=dice", "toy.yaml:6: play.0.game.rounds: unknown parameter 'rounds' of game 'dice'"),
    ],
)
def test_a_wrong_set_is_told_as_one(item: str, line: str, load: Load, toy_recipe: str) -> None:
    assert lines(load, toy_recipe, sets=[item]) == [line]


def test_later_sets_win(load: Load) -> None:
    assert load(smoke=True, sets=["train.steps=5", "train.steps=6"]).train.steps == 6


def test_smoke_is_applied_only_when_asked_for(load: Load) -> None:
    assert load().train.steps == 3
    smoked = load(smoke=True)
    assert smoked.train.steps == 1
    assert smoked.play[0].game.params.model_dump()["rounds"] == 1


def test_a_wrong_smoke_value_points_to_its_own_line(load: Load, toy_recipe: str) -> None:
    text = toy_recipe.replace("smoke: {train.steps: 1, ", "smoke:\n  {train.steps: 1,\n  train.epochs: 0, ")
    assert lines(load, text, smoke=True) == ["toy.yaml:14: train.epochs: should be greater than or equal to 1 (got 0)"]
    (line,) = lines(load, toy_recipe[: toy_recipe.index("smoke")], smoke=True)
    assert line == "toy.yaml: smoke: this recipe has no smoke block"
    (line,) = lines(load, toy_recipe[: toy_recipe.index("smoke")] + "smoke: [1]\n", smoke=True)
    assert line.startswith("toy.yaml:12: smoke: should be a mapping")


# ---- contradictions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        (
            ["roles.playr_0=random"],
            "--set: roles.playr_0: no role named 'playr_0' is played; did you mean 'player_0'? (there are: player_0, player_1)",
        ),
        (
            ["play.0.roles={judge: main}"],
            "--set: play.0.roles.judge: no role named 'judge' is played (there are: player_0, player_1)",
        ),
        (
            ["policies.main.trainable=false"],
            "toy.yaml:10: train.steps: there are 3 steps, but no role that is trained is held by a trainable policy",
        ),
        (
            ["roles={player_0: random, player_1: random}"],
            "toy.yaml:10: train.steps: there are 3 steps, but no role that is trained is held by a trainable policy",
        ),
        (
            ["batch.unit=groups", "play.0.group_size=1"],
            "--set: batch.unit: 'groups' counts groups of play.group_size episodes, which is 1 everywhere; use 'episodes' or larger groups",
        ),
        (
            ["policies.old={model: small, trainable: false, learning_rate: 1}"],
            "--set: policies.old.learning_rate: policy 'old' is not trainable, so this would do nothing; remove it",
        ),
        (
            ["policies.main.reference_rate=0.1"],
            "--set: policies.main.reference_rate: is how far 'reference_refresh' moves the reference, and that is 0; set it, or remove this",
        ),
        (
            ["advantage=grouped"],
            "--set: advantage.baseline: needs groups, but play.group_size of dice is 1",
        ),
    ],
)
def test_sections_that_contradict_each_other_are_refused(
    sets: list[str], line: str, load: Load, toy_recipe: str
) -> None:
    assert lines(load, toy_recipe, sets=sets) == [line]


def test_without_steps_nothing_has_to_be_trained(load: Load) -> None:
    assert load(sets=["policies.main.trainable=false", "train.steps=0"]).train.steps == 0


def test_a_game_that_cannot_be_made_is_told(load: Load, toy_recipe: str, toy_registry: Registry) -> None:
    def refuse(params: Params) -> None:
        raise ValueError("no cards left")

    cards = toy_registry.get("game", "cards")
    object.__setattr__(cards, "factory", refuse)
    assert lines(load, toy_recipe) == ["toy.yaml:6: play.0: cannot be set up: no cards left"]


# ---- finding ---------------------------------------------------------------------------------------------------------


@pytest.fixture(name="package")
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_recipe: str) -> str:
    for name in ("toy_recipes_one", "toy_recipes_two"):
        (tmp_path / name / "toys").mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "toy_recipes_one" / "toys" / "quick.yaml").write_text(toy_recipe)
    (tmp_path / "toy_recipes_one" / "toys" / "slow.yaml").write_text("format: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "toy_recipes_one"


def test_a_recipe_is_found_by_name_or_path(package: str, tmp_path: Path, toy_recipe: str) -> None:
    assert find_recipe("toys/quick", [package]) == RecipeSource(
        "toys/quick", toy_recipe, "toy_recipes_one/toys/quick.yaml"
    )
    path = str(tmp_path / "toy_recipes_one" / "toys" / "quick.yaml")
    assert find_recipe(path, []) == RecipeSource("quick", toy_recipe, path)


def test_recipes_are_listed_with_their_first_comment_line(package: str) -> None:
    assert [(info.name, info.summary) for info in list_recipes([package])] == [
        ("toys/quick", "A toy recipe."),
        ("toys/slow", ""),
    ]


def test_an_unknown_recipe_names_those_there_are(package: str) -> None:
    with pytest.raises(
        RecipeError,
        match=r"toys/quik: no file and no recipe of this name; did you mean 'toys/quick'\? \(available: toys/quick, toys/slow\)",
    ):
        find_recipe("toys/quik", [package])
    with pytest.raises(RecipeError, match=r"gone\.yaml: cannot be read: No such file"):
        find_recipe("gone.yaml", [package])


def test_two_recipes_of_one_name_stop_the_program(package: str, tmp_path: Path) -> None:
    (tmp_path / "toy_recipes_two" / "toys" / "quick.yaml").write_text("format: 1\n")
    with pytest.raises(NameClashError, match="'toys/quick': 'toy_recipes_one' and 'toy_recipes_two'"):
        list_recipes([package, "toy_recipes_two"])
