"""A training run, from where it is to its end."""

from contextlib import ExitStack
from typing import TypeVar

from torch import nn

from edgematte.training.engine import loop, output
from edgematte.training.engine.run_state import RunState

M = TypeVar("M", bound=nn.Module)


class Run(RunState[M]):
    """A run: where its output holds a run's state, it goes on from there. See :class:`RunState`."""

    def train(self) -> None:
        """Run to the end and save.

        Raises:
            OptionError: another run writes to the output.
        """
        with ExitStack() as holding:
            if self.first:
                with self.writing():
                    holding.enter_context(output.held(self.settings.output))
            loop.train(self)
