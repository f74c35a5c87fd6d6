import os
import signal
import time

import pytest

from edgematte.training.engine import stopwatch


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP here")
def test_time_in_which_the_process_is_stopped_is_not_training_time() -> None:
    with stopwatch.running(5.0) as watch:
        time.sleep(0.01)
        before = watch.lap()
        time.sleep(0.3)  # stands for the time in which nothing runs
        os.kill(os.getpid(), signal.SIGCONT)
        time.sleep(0.001)
        after = watch.lap()
    assert 5.01 <= before < 5.2
    assert after - before == pytest.approx(before - 5.0)  # as long as the step before


def test_a_watch_goes_on_from_the_seconds_of_the_run_before() -> None:
    watch = stopwatch.Stopwatch(100.0)
    time.sleep(0.02)
    assert 100.02 <= watch.lap() < 100.5
    assert watch.lap() < 100.5
