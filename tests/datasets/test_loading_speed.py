"""Clips that a core loads in a second."""

import time

import pytest

from mmhvt.datasets.loading_speed import clips_per_second


class Slow:
    """Takes a tenth of a second of CPU time for two samples."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> list:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        time.sleep(0.05)  # does not count
        return [index, index]


def test_each_sample_of_a_list_counts() -> None:
    assert clips_per_second(Slow(), items=2) == pytest.approx(20, rel=0.2)
