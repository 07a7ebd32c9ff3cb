"""Bundled role schemes."""

from sparring import Register, RoleScheme, hookimpl


@hookimpl
def sparring_register_role_schemes(register: Register[RoleScheme]) -> None:
    from sparring_roles.turn_based import TurnBased, TurnBasedParams

    register("turn_based", TurnBased, TurnBasedParams, paper="arXiv:2506.24119")
