"""Estimating trimaps during an export, for a net that needs them and has no trimap stage."""

from edgematte.arrays import Bytes
from edgematte.host import Host
from edgematte.net import Variant
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import Estimator


def estimator_for(variant: Variant, stage: Host | None) -> Estimator | None:
    """The default bundle, for a net that needs trimaps and has no stage; None for others."""
    return shipped_estimator() if estimates_with_default(variant, stage) else None


def estimates_with_default(variant: Variant, stage: Host | None) -> bool:
    """Whether the default bundle estimates the trimaps when this net is exported."""
    return variant.net.needs_trimap and stage is None


def shipped_estimator() -> Estimator:
    """The embedded default bundle as an estimator."""
    from edgematte.runtime.load import load

    matter = load()

    def estimate(picture: Bytes, clock: Clock) -> Bytes:
        with clock("host.trimap"):
            return matter(picture).trimap

    return estimate
