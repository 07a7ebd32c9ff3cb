"""Bundled role schemes."""

from sparring import Register, RoleScheme, hookimpl


@hookimpl
def sparring_register_role_schemes(register: Register[RoleScheme]) -> None:
    from sparring_roles.answer_task import AnswerTask, AnswerTaskParams
    from sparring_roles.attacker_defender import AttackerDefender, AttackerDefenderParams
    from sparring_roles.led import Led, LedParams
    from sparring_roles.proposer_solver import ProposerSolver, ProposerSolverParams
    from sparring_roles.staged import Staged, StagedParams
    from sparring_roles.turn_based import TurnBased, TurnBasedParams

    register("attacker_defender", AttackerDefender, AttackerDefenderParams, paper="arXiv:2506.07468")
    register("turn_based", TurnBased, TurnBasedParams, paper="arXiv:2506.24119")
    register("staged", Staged, StagedParams, paper="arXiv:2509.25541")
    register("led", Led, LedParams, paper="arXiv:2505.04317")
    register("proposer_solver", ProposerSolver, ProposerSolverParams, paper="arXiv:2505.03335")
    register("answer_task", AnswerTask, AnswerTaskParams)
