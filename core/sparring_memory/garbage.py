"""Python's search for cycles, kept away from what will stay anyway."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled() -> Iterator[None]:
    """Within, collections pass over everything that is there already, and are rare. For the length of a run.

    Models and libraries stay for good: looking through them at every collection would cost more than playing does. Nor does looking
    through a step's episodes every few hundred objects find anything: that was 6 % of a step. Afterwards all is as it was, since
    what is frozen when the process ends is never taken apart, and libraries of C++ then report it as leaked.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
