"""Asking a judge, and checking what it says: a judge may hang, die or answer rubbish, and a run must notice."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from sparring.errors import EpisodeError, JudgeError
from sparring.interfaces import Judge, Verdict


def ask(judge: Judge, items: Sequence[Mapping[str, Any]], seconds: float) -> Sequence[Verdict]:
    """A verdict for each item.

    Raises `EpisodeError` if the judge raises or says what is no verdict, and `JudgeError` if it takes longer than
    ``seconds``: a thread cannot be stopped, so the run has to be.
    """
    name = type(judge).__name__
    said: list[Sequence[Verdict]] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            said.append(judge.judge(items))
        except BaseException as error:  # noqa: BLE001  # a plugin may raise anything; it is raised again below
            raised.append(error)

    thread = threading.Thread(target=work, name=f"judge {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise JudgeError(
            f"judge {name} has not answered {len(items)} items within {seconds:g} s (train.judge_seconds); it hangs, or "
            "needs more time. The last checkpoint is whole; go on from it with --resume"
        )
    if raised:
        if isinstance(raised[0], Exception):
            raise EpisodeError(f"judge {name} failed: {raised[0]!r}") from raised[0]
        raise raised[0]
    verdicts = said[0]
    if not isinstance(verdicts, Sequence) or len(verdicts) != len(items):
        got = f"{len(verdicts)} verdicts" if isinstance(verdicts, Sequence) else repr(type(verdicts).__name__)
        raise EpisodeError(f"judge {name} was asked about {len(items)} items and gave {got}")
    for item, verdict in zip(items, verdicts, strict=True):
        if not isinstance(verdict, Verdict):
            raise EpisodeError(f"judge {name} gave {verdict!r} instead of a Verdict about {_shown(item)}")
        numbers = [*verdict.values, *verdict.detail.values()]
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
            raise EpisodeError(f"judge {name} gave {verdict!r}, not all of it finite, about {_shown(item)}")
    return verdicts


def _shown(item: Mapping[str, Any]) -> str:
    text = repr(dict(item))
    return text if len(text) <= 200 else text[:199] + "…"
