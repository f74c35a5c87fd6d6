"""Names of the arrays that pictures, trimaps and alphas are, for annotations."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
"""Pictures and trimaps."""

Floats = NDArray[np.float32]
"""Alphas, probabilities and what graphs take and give."""
