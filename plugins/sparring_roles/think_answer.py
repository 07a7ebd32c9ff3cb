"""The answer format ``<think>…</think><answer>…</answer>``: what of it others may see, and whether it was kept.

The rule is Self-RedTeam's (`red_team/utils.py` at 0c56e503): each tag exactly once and in order, nothing but space around and
between the two blocks, neither of them empty, nothing cut off. There the opening tag is given; here it is written, so it
is demanded as well. There an answer that breaks the rule is passed on whole, thoughts included; here it never is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparring.thoughts import CLOSE, OPEN

BEGIN, END = "<answer>", "</answer>"
#: What others see of an answer from which none can be taken. It is no refusal and names nothing.
NOTHING = "[nothing]"

_WHOLE = re.compile(rf"\s*{OPEN}(.*?){CLOSE}\s*{BEGIN}(.*?){END}\s*", re.DOTALL)
_BLOCK = re.compile(rf"{BEGIN}(.*?){END}", re.DOTALL)
_TAG = re.compile(r"<([^<>]{0,40})>")


@dataclass(frozen=True, slots=True)
class Said:
    """``message`` is for others: never empty, without thoughts, its tags spelled so that they are none."""

    message: str
    valid: bool


def write(thought: str, answer: str) -> str:
    """An answer in the format."""
    return f"{OPEN}{thought}{CLOSE}{BEGIN}{answer}{END}"


def read(text: str, public: str, cut_off: bool) -> Said:
    """What was said in ``text``; ``public`` is the same without its thoughts, see `sparring.thoughts.split`."""
    whole = _WHOLE.fullmatch(text)
    once = all(text.count(tag) == 1 for tag in (OPEN, CLOSE, BEGIN, END))
    valid = whole is not None and once and all(block.strip() for block in whole.groups()) and not cut_off
    # From the public part alone: an answer inside a thought is a thought.
    blocks = _BLOCK.findall(public)
    message = blocks[0].strip() if len(blocks) == 1 else ""
    return Said(escape(message) or NOTHING, valid)


def escape(text: str) -> str:
    """``text`` with everything that looks like a tag written ‹so›, that no player can play a tag of the format or of a judge."""
    return _TAG.sub(r"‹\1›", text)
