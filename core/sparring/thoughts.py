"""Private thoughts: what stands between ``<think>`` and ``</think>`` is for its author alone."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


def split(text: str) -> tuple[str, str]:
    """``(public, private)`` parts of ``text``. An unclosed tag makes the whole rest private.

    A tag that removing thoughts would put together anew, or a stray closing one, is defused, so that public text
    never opens or closes a thought in somebody else's context.
    """
    if OPEN not in text and CLOSE not in text:
        return text, ""
    public: list[str] = []
    private: list[str] = []
    rest = text
    while True:
        before, tag, after = rest.partition(OPEN)
        public.append(before)
        if not tag:
            break
        thought, _, rest = after.partition(CLOSE)
        private.append(thought)
    joined = defuse("".join(public))
    return joined, "\n".join(private)


def defuse(text: str) -> str:
    """``text`` with thought tags made harmless."""
    for tag in (OPEN, CLOSE):
        text = text.replace(tag, tag.replace("<", "‹").replace(">", "›"))
    return text
