"""The replicas on Ray Serve: started, asked, counted, and stopped."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.api import RunTarget
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import LoggingConfig

from edgematte import ray_address
from edgematte.errors import ServerError
from edgematte.runtime.engines.workers import usable_cores
from edgematte.serve.jobs import Answer, Job, Refusal
from edgematte.serve.limits import Limits
from edgematte.serve.replica import Loading, Offer, Replica
from edgematte.serve.scaling import Scaling

log = logging.getLogger(__name__)

APPLICATION, DEPLOYMENT = "edgematte", "Replica"
ATTEMPTS = 3
"""How many replicas a job is given to, one after the other, when they die. A picture that ends the
process that decodes it ends so many at most."""
STARTS = 2  # tries of a replica that cannot be made
LOOK_S = 1.0  # how often the state of the replicas is asked for
ONGOING = 2  # jobs at a replica without batches: one worked on, one there already
STORE_BYTES = (100_000_000, 2_000_000_000)  # least and most of a local cluster's shared memory


class Fleet:
    """The replicas, as the front asks them."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.on_repeat: Callable[[], None] = lambda: None
        """Is called when a job is given to another replica."""

    async def matte(self, job: Job) -> Answer | Refusal:
        """The answer to a job; if its replica dies, another one's."""
        for _ in range(ATTEMPTS):
            response = self._handle.matte.remote(job)
            try:
                answer: Answer | Refusal = await response
                return answer
            except asyncio.CancelledError:
                response.cancel()
                raise
            except RayTaskError as error:
                log.error("a replica failed", exc_info=error)
                return Refusal(500, "the server failed on this picture; its log says why")
            except RayError as error:
                log.warning("a replica died (%s): its job is given to another", _line(error))
                self.on_repeat()
        return Refusal(
            500,
            f"{ATTEMPTS} processes that worked on this picture ended, one after the other: it may "
            "be one that its decoder does not survive",
        )


@contextmanager
def fleet(
    offers: Mapping[str, Offer],
    loading: Loading,
    scaling: Scaling,
    limits: Limits,
    *,
    address: str | None = None,
    start_s: float = 600.0,
) -> Iterator[Fleet]:
    """Replicas that are loaded and proven, for as long as the context lasts.

    Args:
        offers: the bundles, by name.
        loading: how they are loaded.
        scaling: how many replicas.
        limits: of the server, from which the size of a local cluster's shared memory follows.
        address: of a Ray cluster; None: a new one on this machine.
        start_s: how long the first replicas may take.

    Raises:
        ServerError: the cluster cannot be reached, or a replica could not be started; the message
            says why.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # what matters is said here
    _connect(address, loading, scaling, limits)
    try:
        options: dict[str, Any] = {
            "max_ongoing_requests": max(ONGOING, 2 * (loading.batch or 1)),
            "ray_actor_options": {"num_cpus": loading.threads or 1},
            "graceful_shutdown_timeout_s": limits.answer_s,
            "health_check_period_s": 2.0,
            "max_constructor_retry_count": STARTS,
        }
        if scaling.max_replicas > scaling.min_replicas:
            options["autoscaling_config"] = AutoscalingConfig(
                min_replicas=scaling.min_replicas,
                max_replicas=scaling.max_replicas,
                initial_replicas=max(1, scaling.min_replicas),
                target_ongoing_requests=scaling.target_ongoing_requests,
                upscale_delay_s=scaling.upscale_delay_s,
                downscale_delay_s=scaling.downscale_delay_s,
                metrics_interval_s=min(10.0, scaling.upscale_delay_s / 2),
                look_back_period_s=min(30.0, scaling.upscale_delay_s),
            )
        else:
            options["num_replicas"] = scaling.min_replicas
        deployment = serve.deployment(Replica, name=DEPLOYMENT).options(**options)
        quiet = LoggingConfig(log_level="WARNING", enable_access_log=False)
        serve.start(proxy_location="Disabled", logging_config=quiet)
        bound = deployment.bind(dict(offers), loading)
        target = RunTarget(bound, APPLICATION, route_prefix=None, logging_config=quiet)
        (handle,) = serve.run_many([target], wait_for_applications_running=False)
        _wait(start_s)
        yield Fleet(handle)
    finally:
        if address is not None:  # a cluster stays, and may serve others' applications, too
            serve.delete(APPLICATION)
        ray.shutdown()


def running() -> int:
    """How many replicas run now; 0 while there is no cluster."""
    if not ray.is_initialized():  # asking would start one
        return 0
    try:
        deployments = serve.status().applications[APPLICATION].deployments
        return int(deployments[DEPLOYMENT].replica_states.get("RUNNING", 0))
    except (KeyError, RayError, RuntimeError):
        return 0


def _connect(address: str | None, loading: Loading, scaling: Scaling, limits: Limits) -> None:
    if address is not None:
        ray_address.reach(address, ServerError)
    shared: dict[str, Any] = {"logging_level": "WARNING", "log_to_driver": False}
    try:
        if address is not None:
            ray.init(address=address, namespace=APPLICATION, **shared)
            return
        needed = (loading.threads or 1) * scaling.max_replicas
        least, most = STORE_BYTES
        ray.init(
            address="local",
            num_cpus=max(usable_cores(), needed),
            include_dashboard=False,
            object_store_memory=min(max(least, 2 * limits.held_bytes), most),
            namespace=APPLICATION,
            _node_ip_address="127.0.0.1",
            **shared,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        what = f"the Ray cluster {address} cannot be reached"
        if address is None:
            what = "no Ray cluster could be started on this machine"
        raise ServerError(f"{what} ({_line(error)})") from None


def _wait(start_s: float) -> None:
    """Wait until the first replicas run; say why if they do not."""
    latest = time.monotonic() + start_s
    while time.monotonic() < latest:
        state = serve.status().applications[APPLICATION]
        if state.status == "RUNNING":
            return
        if state.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise ServerError(f"the replicas could not be started: {_why(state)}")
        time.sleep(0.2)
    raise ServerError(
        f"the replicas were not ready within {start_s:g} s: does the cluster have a free core for "
        "each thread of each?"
    )


def _why(state: Any) -> str:
    """The last sentence of what a replica's constructor raised."""
    messages = [d.message for d in state.deployments.values() if d.message] or [state.message]
    lines = [line.strip() for line in messages[0].splitlines() if line.strip()]
    said = [line for line in lines if "edgematte.errors." in line]
    found = said[-1].partition(": ")[2] if said else (lines[-1] if lines else "no reason was told")
    return found


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason")
