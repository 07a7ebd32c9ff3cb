"""Bundled models: one built in place, one from a Python package or the hub, and any folder or hub name."""

from sparring import ModelSource, Register, hookimpl


@hookimpl
def sparring_register_models(register: Register[ModelSource]) -> None:
    from sparring_models import params

    register("tiny", params.make_tiny, params.TinyParams)
    register("smollm2_135m", params.make_smollm2, params.Smollm2Params, paper="arXiv:2502.02737")
    register("pretrained", params.make_pretrained, params.PretrainedParams)
