"""Freed memory stays with the process, so that the next step need not ask the kernel for it page by page."""

import resource
import sys

import pytest
import torch

from sparring.assemble import keep_freed_memory


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_a_tensor_takes_the_memory_that_another_has_left() -> None:
    def pages_asked_for() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(2**24)  # 64 MiB, more than glibc keeps by itself
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    keep_freed_memory()
    found = [pages_asked_for() for _ in range(4)]  # the first ones make the room
    assert found[-1] < 2**24 * 4 / resource.getpagesize() / 10
