"""Freed memory stays with the process, so that the next step need not ask the kernel for it page by page."""

import subprocess
import sys

import pytest

# In a process of its own: where an allocation has once failed, as other tests see to it, glibc leaves its main arena for
# another, whose blocks are mapped one by one whatever it is told.
PROGRAM = """
import resource, torch
import sparring.assemble  # as a run does; what libraries leave on the heap decides where it grows
from sparring_memory.freed import keep_freed_memory

def pages_asked_for():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB, more than glibc keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
found = [pages_asked_for() for _ in range(4)]  # the first ones make the room
print(found[-1] / (2**24 * 4 / resource.getpagesize()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_a_tensor_takes_the_memory_that_another_has_left() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 0.1
