"""Hiding warnings in several threads: nothing is shown inside, everything afterwards."""

import threading
import warnings

from edgematte.pictures.quiet import quiet


def test_threads_whose_bodies_cross_leave_the_filters_as_they_were() -> None:
    """The first to enter leaves before the second one: each would put back what it found."""
    entered, left = threading.Event(), threading.Event()

    def second() -> None:
        with quiet():
            entered.set()
            left.wait(10)
            warnings.warn("hidden", UserWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        thread = threading.Thread(target=second)
        with quiet():
            warnings.warn("hidden", UserWarning, stacklevel=1)
            thread.start()
            assert entered.wait(10)
        left.set()
        thread.join()
        assert warnings.filters == before and not seen
        warnings.warn("shown", UserWarning, stacklevel=1)
        assert [str(w.message) for w in seen] == ["shown"]
