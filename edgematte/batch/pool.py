"""What a dispatch asks of the workers it hands tasks to, wherever they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgematte.batch.rows import Row
from edgematte.batch.worker import Task


@dataclass(frozen=True)
class Ready:
    """A worker can be given tasks."""

    worker: int


@dataclass(frozen=True)
class Finished:
    """The oldest tasks that a worker had are done; `stop`: why the batch cannot go on."""

    worker: int
    rows: Sequence[Row]
    stop: str | None = None


@dataclass(frozen=True)
class Died:
    """A worker's process ended, with all tasks that it had; `with_node`: its node ended, too."""

    worker: int
    with_node: bool


Event = Ready | Finished | Died


class Pool(Protocol):
    """Workers that come and go; one that died is replaced when there is room for it."""

    def submit(self, worker: int, tasks: Sequence[Task]) -> None:
        """Give tasks to a ready worker, which does them in the order they were given."""

    def wait(self) -> Sequence[Event]:
        """What happened; waits until something did.

        Raises:
            BatchError: no worker can work.
        """
