"""How far a matte is from its reference: SAD, MSE, MAD, Grad, Conn, and dtSSD for video."""

from edgematte.metrics.connectivity import conn
from edgematte.metrics.difference import mad, mse, sad
from edgematte.metrics.gradient import grad
from edgematte.metrics.summary import Scores, scores, unknown_region
from edgematte.metrics.temporal import dtssd, sad_t

__all__ = [
    "Scores",
    "conn",
    "dtssd",
    "grad",
    "mad",
    "mse",
    "sad",
    "sad_t",
    "scores",
    "unknown_region",
]
