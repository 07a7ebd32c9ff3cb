"""Having the C library keep what is freed."""

from __future__ import annotations

import ctypes
import sys


def keep_freed_memory() -> None:
    """Have glibc keep what is freed for the next tensor; with another C library nothing is done.

    By itself it gives large blocks back to the kernel and takes them again page by page, for every activation and gradient
    of every step. That was up to a third of the time of an update. The process stays as large as it has once been.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(-4, 0)  # M_MMAP_MAX: no block is mapped by itself
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: nothing is given back
