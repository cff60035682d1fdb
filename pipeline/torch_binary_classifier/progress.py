"""A line on the terminal that tells how far a search is.

Knows counts only.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from torch_binary_classifier.training.run import Training

LINE_SECONDS = 0.1  # between two states of the line on the terminal


class Line:
    """A line on the terminal that tells how far the training is.

    Parameters
    ----------
    verbose : int
        0 for none.
    stream : text stream, default=None
        By default standard error. Nothing is shown where it is no terminal.
    """

    def __init__(self, verbose: int, stream: TextIO | None = None) -> None:
        self.verbose = verbose
        self.stream = stream

    @contextmanager
    def shown(self, count: EpochCount | TaskCount) -> Iterator[Callable[..., None]]:
        """Show the line while a count goes up; yield what moves it on."""
        stream = sys.stderr if self.stream is None else self.stream
        if not (self.verbose and stream.isatty()):
            yield lambda *_: None
            return
        last = 0.0

        def advance(*done: int) -> None:
            nonlocal last
            count.reach(*done)
            now = time.monotonic()
            if now - last >= LINE_SECONDS:
                last = now
                stream.write(f"\r{count.describe()}\x1b[K")
                stream.flush()

        try:
            yield advance
        finally:
            stream.write(f"\r{count.describe(finished=True)}\x1b[K\n")
            stream.flush()


class TaskCount:
    """How many tasks other processes have sent back."""

    def __init__(self, n_tasks: int) -> None:
        self.n_tasks = n_tasks
        self.n_done = 0
        self.start = time.monotonic()

    def reach(self, n_done: int) -> None:
        """Record that some tasks are done."""
        self.n_done += n_done

    def describe(self, *, finished: bool = False) -> str:
        """Return the line's text."""
        seconds = time.monotonic() - self.start
        if finished:
            return f"ran {self.n_done} tasks in {seconds:.1f} s"
        left = seconds * (self.n_tasks / max(1, self.n_done) - 1)
        return f"ran {self.n_done} of {self.n_tasks} tasks, about {left:.0f} s left"


class EpochCount:
    """How many members and epochs of a batch are trained."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.wanted = {
            (fit, place): member.hyperparameters.max_iter
            for fit, training in enumerate(trainings)
            for place, member in enumerate(training.members)
        }
        self.reached = dict.fromkeys(self.wanted, 0)
        self.n_epochs = 0
        self.n_trained = 0
        self.start = time.monotonic()
        self._lock = threading.Lock()

    def reach(self, fit: int, place: int, epoch: int) -> None:
        """Record that a member has ended an epoch; several threads may."""
        with self._lock:
            self.n_epochs += epoch - self.reached[fit, place]
            self.reached[fit, place] = epoch
            self.n_trained += epoch == self.wanted[fit, place]

    def describe(self, *, finished: bool = False) -> str:
        """Return the line's text."""
        n_members = len(self.wanted)
        total = sum(self.wanted.values())
        seconds = time.monotonic() - self.start
        if finished:
            return f"trained {n_members} members in {seconds:.1f} s"
        left = seconds * (total / max(1, self.n_epochs) - 1)
        return (
            f"trained {self.n_trained} of {n_members} members, {self.n_epochs:,} of "
            f"{total:,} epochs, at most {left:.0f} s left"
        )
