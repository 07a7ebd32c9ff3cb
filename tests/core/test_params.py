from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from sparring import Choice, Game, Judge, ModelSource, Params, component
from sparring.params import did_you_mean
from sparring.registry import Registry


class Section(Params):
    game: Annotated[Choice[Game], component("game")] = Field(description="A game.")
    judges: dict[str, Annotated[Choice[Judge], component("judge")]] = Field(default_factory=dict, description="Judges.")


class Weights(Params):
    model: Annotated[Choice[ModelSource], component("model", unnamed=("pretrained", "path"))] = Field(
        description="A model."
    )


def errors(model: type[Params], raw: Any, registry: Registry) -> dict[tuple[Any, ...], str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(raw, context={"registry": registry})
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


def test_a_choice_makes_its_component(toy_registry: Registry) -> None:
    section = Section.model_validate({"game": {"use": "cards", "rounds": 3}}, context={"registry": toy_registry})
    assert section.game.use == "cards"
    assert section.game.make().params.rounds == 3  # type: ignore[attr-defined]  # the toy keeps its parameters
    assert section.game.component.plugin == "toys"


def test_a_bare_name_has_every_default(toy_registry: Registry) -> None:
    context = {"registry": toy_registry}
    bare = Section.model_validate({"game": "cards"}, context=context)
    assert bare == Section.model_validate({"game": {"use": "cards", "rounds": 1}}, context=context)
    assert bare.model_dump() == {"game": {"use": "cards", "rounds": 1, "name": "cards"}, "judges": {}}


def test_positions_come_out_whole_at_any_depth(toy_registry: Registry) -> None:
    raw = {
        "game": {"use": "cards", "rounds": 0, "ronds": 1},
        "judges": {"a": {"use": "weighted_sum", "judges": ["outcom", {"use": "outcome", "scle": 2}]}},
    }
    found = errors(Section, raw, toy_registry)
    assert found[("game", "rounds")] == "Input should be greater than or equal to 1"
    assert found[("game", "ronds")] == "unknown parameter 'ronds' of game 'cards'; did you mean 'rounds'?"
    assert found[("judges", "a", "judges", 0)].startswith("no judge named 'outcom'; did you mean 'outcome'?")
    assert (
        found[("judges", "a", "judges", 1, "scle")]
        == "unknown parameter 'scle' of judge 'outcome'; did you mean 'scale'?"
    )
    assert len(found) == 4


def test_an_unknown_key_of_a_section_is_a_key(toy_registry: Registry) -> None:
    assert errors(Section, {"game": "cards", "gmae": 1}, toy_registry) == {
        ("gmae",): "unknown key 'gmae'; did you mean 'game'?"
    }


@pytest.mark.parametrize("raw", [3, None, ["cards"], {"rounds": 1}, {"use": 1}])
def test_what_names_no_component_says_what_would(raw: object, toy_registry: Registry) -> None:
    assert errors(Section, {"game": raw}, toy_registry) == {
        ("game",): "needs the name of a game, as '{use: NAME, …}' or NAME"
    }


def test_a_path_stands_for_the_unnamed_component(toy_registry: Registry) -> None:
    context = {"registry": toy_registry}
    for raw in ("Some/Model", {"use": "Some/Model"}, {"use": "pretrained", "path": "Some/Model"}):
        assert Weights.model_validate({"model": raw}, context=context).model_dump() == {
            "model": {"use": "pretrained", "path": "Some/Model", "revision": "main"}
        }
    assert Weights.model_validate(
        {"model": {"use": "./a", "revision": "b"}}, context=context
    ).model.params.model_dump() == {
        "path": "./a",
        "revision": "b",
    }
    assert errors(Weights, {"model": "smal"}, toy_registry)[("model",)].startswith(
        "no model named 'smal'; did you mean 'small'?"
    )


def test_parameters_are_frozen_and_never_called_use(toy_registry: Registry) -> None:
    section = Section.model_validate({"game": "cards"}, context={"registry": toy_registry})
    with pytest.raises(ValidationError):
        section.game = section.game  # type: ignore[misc]
    with pytest.raises(TypeError, match="may not be called 'use'"):

        class Wrong(Params):
            use: str = ""


def test_numbers_are_finite() -> None:
    class Number(Params):
        value: float = 0.0

    with pytest.raises(ValidationError):
        Number(value=float("nan"))


def test_did_you_mean() -> None:
    assert did_you_mean("kuhn_pokr", ["kuhn_poker", "chess"]) == "; did you mean 'kuhn_poker'?"
    assert did_you_mean("go", ["kuhn_poker"]) == ""
