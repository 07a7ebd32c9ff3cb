"""Parameters of components, and the choice of one component by name.

A component is a factory and the pydantic model of its parameters. In a recipe it is chosen by a mapping
``{use: name, parameter: value, …}``, or by its bare name if every parameter has a default. `Choice` is
the validated form of that mapping; it can be a field of the recipe or of another component's parameters,
to any depth, and error positions come out whole.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from typing import Self

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

    @model_validator(mode="wrap")
    @classmethod
    def _name_unknown_keys(cls, raw: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Say of an unknown key whose it is and which known one is near; only here are both at hand."""
        try:
            return handler(raw)
        except ValidationError as error:
            lines = error.errors()
            if not any(line["type"] == "extra_forbidden" and len(line["loc"]) == 1 for line in lines):
                raise
            owner = (info.context or {}).get("owner")
            word, of = ("parameter", f" of {owner}") if owner else ("key", "")
            details: list[InitErrorDetails] = []
            for line in lines:
                kind: str | PydanticCustomError = line["type"]
                if kind == "extra_forbidden" and len(line["loc"]) == 1:
                    key = str(line["loc"][0])
                    near = did_you_mean(key, list(cls.model_fields))
                    kind = PydanticCustomError("unknown_key", f"unknown {word} '{key}'{of}{near}")
                elif kind in ("component", "unknown_key"):
                    kind = PydanticCustomError(kind, line["msg"])
                details.append({"type": kind, "loc": line["loc"], "input": line["input"], "ctx": line.get("ctx", {})})
            raise ValidationError.from_exception_data(error.title, details) from None


class Choice(Generic[T]):
    """A component that a recipe names, with its validated parameters."""

    # Neither a pydantic model nor a dataclass: pydantic would validate it again as `Choice[Game]`, and lose its component.

    def __init__(self, use: str, params: Params, component: Component) -> None:
        self.use, self.params, self.component = use, params, component

    def make(self) -> T:
        """Build the component."""
        made: T = self.component.factory(self.params)
        return made

    def flat(self) -> dict[str, Any]:
        """As a recipe says it: ``use`` and every parameter."""
        return {"use": self.use, **self.params.model_dump()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and (self.component, self.params) == (other.component, other.params)

    def __hash__(self) -> int:
        return hash((self.component.kind, self.use))

    def __repr__(self) -> str:
        return f"Choice({self.flat()})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(Choice.flat)
        return core_schema.is_instance_schema(Choice, serialization=dump)


def component(kind: str, *, unnamed: tuple[str, str] | None = None) -> BeforeValidator:
    """Mark a field as the choice of a component of ``kind``: ``Annotated[Choice[Game], component("game")]``.

    ``unnamed=(name, parameter)`` says what a name means that is not a registered name but looks like a path:
    the component ``name`` with that string as its ``parameter`` (a model may be given as a folder or hub name).
    """

    def validate(raw: Any, info: ValidationInfo) -> Any:
        if isinstance(raw, Choice):
            return raw
        if info.context is None:
            raise ValueError("a component can only be chosen with a registry at hand")
        registry: Registry = info.context["registry"]
        if isinstance(raw, str):
            raw = {"use": raw}
        if not isinstance(raw, dict) or not isinstance(raw.get("use"), str):
            raise PydanticCustomError("component", f"needs the name of a {kind}, as '{{use: NAME, …}}' or NAME")
        name = raw["use"]
        if unnamed and registry.find(kind, name) is None and ("/" in name or name.startswith((".", "~"))):
            raw = {unnamed[1]: name, **raw}
            name = unnamed[0]
        found = registry.find(kind, name)
        if found is None:
            raise PydanticCustomError("component", registry.unknown(kind, name))
        given = {key: value for key, value in raw.items() if key != "use"}
        context = {**info.context, "owner": f"{kind} '{name}'"}
        return Choice(name, found.params.model_validate(given, context=context), found)

    return BeforeValidator(validate)


def did_you_mean(word: str, known: list[str]) -> str:
    """``"; did you mean 'x'?"`` if something known is close to ``word``, else an empty string."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
