"""How far a search is: what is counted, and the line that tells it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch_binary_classifier.progress import ProgressLine
from torch_binary_classifier.training.run import Training


class TaskCount:
    """How many tasks other processes have sent back."""

    def __init__(self, n_tasks: int) -> None:
        self.n_tasks = n_tasks
        self.n_done = 0
        self.start = time.monotonic()

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.n_done / self.n_tasks

    def reach(self, n_done: int) -> None:
        """Record that some tasks are done."""
        self.n_done += n_done

    def describe(self) -> str:
        """Return how far the tasks are."""
        seconds = time.monotonic() - self.start
        left = seconds * (self.n_tasks / max(1, self.n_done) - 1)
        return f"ran {self.n_done} of {self.n_tasks} tasks, about {left:.0f} s left"

    def summarise(self) -> str:
        """Return what was done in the end."""
        return f"ran {self.n_done} tasks in {time.monotonic() - self.start:.1f} s"


class EpochCount:
    """How many of some fits' members and epochs are trained."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.wanted = {
            (fit, place): member.hyperparameters.max_iter
            for fit, training in enumerate(trainings)
            for place, member in enumerate(training.members)
        }
        self.reached = dict.fromkeys(self.wanted, 0)
        self.n_wanted = sum(self.wanted.values())
        self.n_epochs = 0
        self.n_trained = 0
        self.start = time.monotonic()
        self._lock = threading.Lock()

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.n_epochs / self.n_wanted

    def reach(self, fit: int, place: int, epoch: int) -> None:
        """Record that a member has ended an epoch; several threads may."""
        with self._lock:
            self.n_epochs += epoch - self.reached[fit, place]
            self.reached[fit, place] = epoch
            self.n_trained += epoch == self.wanted[fit, place]

    def describe(self) -> str:
        """Return how far the members are."""
        seconds = time.monotonic() - self.start
        left = seconds * (self.n_wanted / max(1, self.n_epochs) - 1)
        return (
            f"trained {self.n_trained} of {len(self.wanted)} members, "
            f"{self.n_epochs:,} of {self.n_wanted:,} epochs, at most {left:.0f} s left"
        )

    def summarise(self) -> str:
        """Return what was done in the end."""
        seconds = time.monotonic() - self.start
        return f"trained {len(self.wanted)} members in {seconds:.1f} s"


@contextmanager
def shown(count: EpochCount | TaskCount, verbose: int) -> Iterator[Callable[..., None]]:
    """Show on a terminal, unless it is to be silent, how far a count is.

    Yields
    ------
    callable
        Moves the count on, with the arguments of its ``reach``.
    """
    stream = sys.stderr
    if not (verbose and stream.isatty()):
        yield lambda *_: None
        return
    line = ProgressLine(stream)

    def advance(*done: int) -> None:
        count.reach(*done)
        line.show(count.describe, count.fraction)

    try:
        yield advance
    finally:
        line.clear()
        stream.write(f"{count.summarise()}\n")
        stream.flush()
