"""What a caller may ask of a loaded bundle: limits of the work, and how steps are taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgematte.errors import OptionError
from edgematte.manifest import Graph, Host
from edgematte.ranges import check_options
from edgematte.registry import family
from edgematte.runtime.budget import Budget, Limited
from edgematte.runtime.cascade import Cascade
from edgematte.runtime.pipeline import Batched, Pipeline, Resumable


@dataclass(frozen=True)
class Work:
    """Settings of one loaded bundle; None leaves what the bundle says.

    Args:
        max_regions: of nets that refine regions: so many of a picture at the most.
        budget_ms: of the same nets: as many regions as there is time for.
        memory_mb: of nets that see other patches: features kept in memory, 1e6 bytes.
        steps: of nets that work in steps: 1 to 50.
        seed: of their noise, an unsigned 32-bit integer.
        stop_below: ends their steps when alpha changes by less, on average over unknown pixels.
        batch: tiles that one call of a graph of dynamic batch takes.
        keep_known: of nets that have values for known pixels too: True gives those pixels the
            trimap's 0 and 1, False the net's.
    """

    max_regions: int | None = None
    budget_ms: float | None = None
    memory_mb: float | None = None
    steps: int | None = None
    seed: int | None = None
    stop_below: float | None = None
    batch: int = 1
    keep_known: bool | None = None

    def __post_init__(self) -> None:
        """Refuse values outside of their ranges."""
        numbers = {name: value for name, value in vars(self).items() if name != "keep_known"}
        check_options(**numbers)

    def host(self, host: Host, model: str) -> Host:
        """The bundle's host parameters with these settings.

        Raises:
            OptionError: steps for a net that takes none, known pixels of one that has no values
                of its own for them.
        """
        if self.keep_known is not None:
            _check_known(host, model, self.keep_known)
            host = replace(host, keep_known=self.keep_known)
        asked = {"steps": self.steps, "seed": self.seed, "stop_below": self.stop_below}
        given = {name: value for name, value in asked.items() if value is not None}
        if given and host.steps is None:
            raise OptionError(
                f"{' and '.join(given)} have no meaning for {model}, which takes no steps; leave "
                "them out"
            )
        return replace(host, **given)  # type: ignore[arg-type]

    def limit(self, pipeline: Pipeline, model: str, graphs: Sequence[Graph] = ()) -> None:
        """Make a pipeline of these graphs keep to these settings.

        Raises:
            OptionError: limits that this net does not know.
        """
        budget = Budget(self.max_regions, self.budget_ms)
        if budget.limits:
            if not isinstance(pipeline, Limited):
                raise OptionError(
                    f"max_regions and budget_ms have no meaning for {model}, which refines no "
                    "regions; leave them out"
                )
            pipeline.limit(budget)
        if self.memory_mb is not None:
            resumable(pipeline, model, "--memory").limit_memory(self.memory_mb)
        if self.batch != 1:
            self._batch(pipeline, model, graphs)

    def _batch(self, pipeline: Pipeline, model: str, graphs: Sequence[Graph]) -> None:
        inner = pipeline.inner if isinstance(pipeline, Cascade) else pipeline
        if not isinstance(inner, Batched) or not any(g.dynamic_batch for g in graphs):
            raise OptionError(
                f"batch {self.batch}: this bundle of {model} runs one call at a time; export "
                "vitmatte to onnx with --dynamic-batch, or leave batch out"
            )
        inner.take(self.batch)


def _check_known(host: Host, model: str, keep: bool) -> None:
    if not family(model).answers_known:
        raise OptionError(
            f"keep_known has no meaning for {model}, whose known pixels are always the trimap's; "
            "leave it out"
        )
    if not keep and host.steps is not None and host.cut == "tiles":
        raise OptionError(
            "--no-keep-known: this bundle denoises tiles with unknown pixels alone and has no "
            "values for the others; export it with --graphs whole"
        )


def resumable(pipeline: Pipeline, model: str, option: str) -> Resumable:
    """The part of a pipeline that works patch by patch with other patches in sight.

    Raises:
        OptionError: there is none; the message names the option that wants it.
    """
    inner = pipeline.inner if isinstance(pipeline, Cascade) else pipeline
    if isinstance(inner, Batched) and option == "--memory":
        raise OptionError(
            f"--memory has no meaning for {model}, whose memory is that of a tile: export it with "
            "a smaller --tile"
        )
    if not isinstance(inner, Resumable):
        raise OptionError(
            f"{option} has no meaning for {model}, whose patches see no other patches; leave it out"
        )
    return inner
