"""Bundled advantage estimators."""

from sparring import AdvantageEstimator, Register, hookimpl


@hookimpl
def sparring_register_advantage_estimators(register: Register[AdvantageEstimator]) -> None:
    from sparring_estimators.group_relative import GroupRelative, GroupRelativeParams
    from sparring_estimators.leave_one_out import LeaveOneOut, LeaveOneOutParams
    from sparring_estimators.plain import Plain, PlainParams
    from sparring_estimators.population_entropy import PopulationEntropy, PopulationEntropyParams
    from sparring_estimators.reinforce_pp import (
        ReinforcePP,
        ReinforcePPBaseline,
        ReinforcePPBaselineParams,
        ReinforcePPParams,
    )
    from sparring_estimators.role_conditioned import RoleConditioned, RoleConditionedParams
    from sparring_estimators.stage_switch import StageSwitch, StageSwitchParams
    from sparring_estimators.three_stage import ThreeStage, ThreeStageParams
    from sparring_estimators.turn_level import TurnLevel, TurnLevelParams

    register("role_conditioned", RoleConditioned, RoleConditionedParams, paper="arXiv:2506.24119")
    register("group_relative", GroupRelative, GroupRelativeParams, paper="arXiv:2402.03300")
    register("leave_one_out", LeaveOneOut, LeaveOneOutParams, paper="arXiv:2402.14740")
    register("reinforce_pp", ReinforcePP, ReinforcePPParams, paper="arXiv:2501.03262")
    register("reinforce_pp_baseline", ReinforcePPBaseline, ReinforcePPBaselineParams, paper="arXiv:2501.03262")
    register("turn_level", TurnLevel, TurnLevelParams, paper="arXiv:2510.15414")
    register("stage_switch", StageSwitch, StageSwitchParams, paper="arXiv:2509.25541")
    register("three_stage", ThreeStage, ThreeStageParams)
    register("plain", Plain, PlainParams)
    register("population_entropy", PopulationEntropy, PopulationEntropyParams, paper="arXiv:2112.11701")
