"""Bundled generators."""

from sparring import Generator, Register, hookimpl


@hookimpl
def sparring_register_generators(register: Register[Generator]) -> None:
    from sparring_generators.params import TransformersParams, VllmParams, make_transformers, make_vllm

    register("transformers", make_transformers, TransformersParams)
    register("vllm", make_vllm, VllmParams)
