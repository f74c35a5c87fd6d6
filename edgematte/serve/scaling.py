"""How many replicas there are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scaling:
    """How many replicas there are; the names are those of Ray Serve's autoscaling.

    With `min_replicas` equal to `max_replicas` there are always so many. Otherwise one is added
    when more than `target_ongoing_requests` a replica are waiting or worked on for
    `upscale_delay_s`, and removed when fewer are for `downscale_delay_s`.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    target_ongoing_requests: float = 2.0
    upscale_delay_s: float = 5.0
    downscale_delay_s: float = 60.0
