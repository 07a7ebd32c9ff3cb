"""Bundled generators."""

from sparring import Generator, Register, hookimpl


@hookimpl
def sparring_register_generators(register: Register[Generator]) -> None:
    from sparring_generators.params import TransformersParams, make_transformers

    register("transformers", make_transformers, TransformersParams)
