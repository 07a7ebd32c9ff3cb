"""Bundled judges."""

from sparring import Judge, Register, hookimpl


@hookimpl
def sparring_register_judges(register: Register[Judge]) -> None:
    from sparring_judges.outcome import OutcomeJudge, OutcomeParams

    register("outcome", OutcomeJudge, OutcomeParams, paper="arXiv:2506.24119")
