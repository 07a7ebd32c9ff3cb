"""Parameters of components, and the choice of one component by name.

A component is a factory and the pydantic model of its parameters. In a recipe it is chosen by a mapping
``{use: name, parameter: value, …}``, or by its bare name if every parameter has a default. `Choice` is
the validated form of that mapping; it can be a field of the recipe or of another component's parameters,
to any depth, and error positions come out whole.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr, ValidationInfo, model_serializer
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from sparring.registry import Component, Registry

T = TypeVar("T")


class Params(BaseModel):
    """Base of all parameter models: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "use" in cls.model_fields:
            raise TypeError(f"{cls.__name__}: a parameter may not be called 'use'; that key names the component")


class Choice(BaseModel, Generic[T]):
    """A component that a recipe names, with its validated parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use: str
    params: Params
    _component: Component = PrivateAttr()

    def make(self) -> T:
        """Build the component."""
        made: T = self._component.factory(self.params)
        return made

    @property
    def component(self) -> Component:
        return self._component

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"use": self.use, **self.params.model_dump()}


def component(kind: str, *, unnamed: tuple[str, str] | None = None) -> BeforeValidator:
    """Mark a field as the choice of a component of ``kind``: ``Annotated[Choice[Game], component("game")]``.

    ``unnamed=(name, parameter)`` says what a bare string means that is not a registered name but looks like a path:
    the component ``name`` with that string as its ``parameter`` (a model may be given as a folder or hub name).
    """

    def validate(raw: Any, info: ValidationInfo) -> Any:
        if isinstance(raw, Choice):
            return raw
        if info.context is None:
            raise ValueError("a component can only be chosen with a registry at hand")
        registry: Registry = info.context["registry"]
        if isinstance(raw, str):
            if unnamed and raw not in registry.names(kind) and ("/" in raw or raw.startswith((".", "~"))):
                raw = {"use": unnamed[0], unnamed[1]: raw}
            else:
                raw = {"use": raw}
        if not isinstance(raw, dict) or not isinstance(raw.get("use"), str):
            raise PydanticCustomError("component", f"needs the name of a {kind}, as '{{use: NAME, …}}' or NAME")
        name = raw["use"]
        found = registry.find(kind, name)
        if found is None:
            raise PydanticCustomError("component", registry.unknown(kind, name).replace("{", "{{").replace("}", "}}"))
        given = {key: value for key, value in raw.items() if key != "use"}
        choice = Choice.model_construct(use=name, params=found.params.model_validate(given, context=info.context))
        choice._component = found
        return choice

    return BeforeValidator(validate)


def did_you_mean(word: str, known: list[str]) -> str:
    """``"; did you mean 'x'?"`` if something known is close to ``word``, else an empty string."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
