import time

import pytest

from edgematte.runtime.host.clock import Clock


def test_seconds_of_a_stage_add_up() -> None:
    clock = Clock()
    for _ in range(3):
        with clock("host.crop"):
            time.sleep(0.01)
    with clock("graph.refine"):
        pass
    assert list(clock.seconds) == ["host.crop", "graph.refine"]
    assert clock.seconds["host.crop"] >= 0.03 > clock.seconds["graph.refine"]


def test_a_stage_that_fails_is_timed_too() -> None:
    clock = Clock()
    with pytest.raises(RuntimeError), clock("graph.refine"):
        raise RuntimeError
    assert "graph.refine" in clock.seconds
