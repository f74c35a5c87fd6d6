import math

import numpy as np
import pytest

from edgematte.export.mil.erf import CHUNK, erf


def test_matches_scipy_everywhere() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate(
        [
            np.linspace(-6, 6, 3 * CHUNK + 5),
            np.linspace(-0.02, 0.02, 1001),
            np.logspace(-30, 1, 500),
            np.arange(-256, 257) / 64,
            (np.arange(-256, 256) + 0.5) / 64,
        ]
    ).astype(np.float32)
    got = erf(x)
    exact = special.erf(x.astype(np.float64))
    assert got.dtype == np.float32
    assert np.abs(got - exact).max() < 1e-7
    small = np.abs(x) < 0.1
    np.testing.assert_allclose(got[small], exact[small], rtol=5e-7)


def test_limits_and_shapes() -> None:
    x = np.array([[-np.inf, np.inf, 0.0], [-0.0, 100.0, np.nan]], np.float32)
    got = erf(x)
    np.testing.assert_array_equal(got, [[-1, 1, 0], [0, 1, np.nan]])
    assert math.copysign(1, got[1, 0]) == -1
    assert erf(np.array(0.5, np.float32)).shape == ()
    assert np.abs(got).max(initial=0, where=~np.isnan(got)) <= 1
