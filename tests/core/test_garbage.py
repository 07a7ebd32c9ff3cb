"""What collections pass over during a run is theirs again when it has ended, however it ends."""

import gc

import pytest

from sparring_memory.garbage import settled


def test_afterwards_all_is_as_it_was() -> None:
    before = gc.get_threshold()

    def fail() -> None:
        with settled():
            assert gc.get_freeze_count() > 0
            assert gc.get_threshold()[0] > before[0]
            raise RuntimeError("the run failed")

    with pytest.raises(RuntimeError, match="the run failed"):
        fail()
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
