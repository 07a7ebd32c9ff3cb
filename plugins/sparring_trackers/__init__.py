"""Bundled trackers."""

from sparring import Register, Tracker, hookimpl


@hookimpl
def sparring_register_trackers(register: Register[Tracker]) -> None:
    from sparring_trackers.collapse_alarm import CollapseAlarm, CollapseAlarmParams
    from sparring_trackers.jsonl import Jsonl, JsonlParams
    from sparring_trackers.tensorboard import TensorBoard, TensorBoardParams

    register("collapse_alarm", CollapseAlarm, CollapseAlarmParams)
    register("jsonl", Jsonl, JsonlParams)
    register("tensorboard", TensorBoard, TensorBoardParams)
