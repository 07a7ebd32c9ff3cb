"""Bundled task sources."""

from sparring import Register, TaskSource, hookimpl


@hookimpl
def sparring_register_task_sources(register: Register[TaskSource]) -> None:
    from sparring_tasks.arithmetic import Arithmetic, ArithmeticParams
    from sparring_tasks.copy_format import CopyFormat, CopyFormatParams
    from sparring_tasks.guarded_word import GuardedWord, GuardedWordParams
    from sparring_tasks.task_file import TaskFile, TaskFileParams
    from sparring_tasks.typed_seeds import TypedSeeds, TypedSeedsParams

    register("guarded_word", GuardedWord, GuardedWordParams, paper="arXiv:2506.07468")
    register("typed_seeds", TypedSeeds, TypedSeedsParams, paper="arXiv:2506.07468")
    register("arithmetic", Arithmetic, ArithmeticParams)
    register("copy_format", CopyFormat, CopyFormatParams)
    register("task_file", TaskFile, TaskFileParams)
