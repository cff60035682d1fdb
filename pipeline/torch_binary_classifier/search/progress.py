"""How far a search is: what is counted, and the line that tells it."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

from torch_binary_classifier.progress import ProgressLine, duration
from torch_binary_classifier.training.run import Training

WRITING_SECONDS = 0.5  # between two reports of a worker
LOOKING_SECONDS = 0.5  # between two looks at them


@dataclass(frozen=True)
class Reached:
    """How many members and epochs are trained, and how many there are at most."""

    n_trained: int = 0
    n_members: int = 0
    n_epochs: int = 0
    n_wanted: int = 0

    def __add__(self, other: Reached) -> Reached:
        return Reached(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return (
            f"trained {self.n_trained} of {self.n_members} members, "
            f"{self.n_epochs:,} of {self.n_wanted:,} epochs"
        )

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.n_epochs / max(1, self.n_wanted)


class Count(Protocol):
    """What is counted, in a way that can be told."""

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""

    def reach(self, *done: int) -> None:
        """Record that some work is done."""

    def describe(self) -> str:
        """Return how far the work is."""

    def summarise(self) -> str:
        """Return what was done in the end."""


class TaskCount:
    """How many tasks other processes have sent back, and how far the others are.

    Parameters
    ----------
    n_tasks : int
    folder : str
        Where workers on this machine have a file each: see `ShareReport`.
    """

    def __init__(self, n_tasks: int, folder: str) -> None:
        self.n_tasks = n_tasks
        self.folder = Path(folder)
        self.n_done = 0
        self.start = time.monotonic()

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return max(self.n_done / self.n_tasks, self.reached.fraction)

    @property
    def reached(self) -> Reached:
        """What the workers' files say."""
        found = Reached()
        for path in self.folder.iterdir():
            with suppress(OSError, ValueError):  # it is being written
                found += Reached(*json.loads(path.read_text()))
        return found

    def reach(self, *done: int) -> None:
        """Record that some tasks are done."""
        self.n_done += sum(done)

    def describe(self) -> str:
        """Return how far the tasks are."""
        words = [f"ran {self.n_done} of {self.n_tasks} tasks"]
        if self.reached.n_members:
            words.append(str(self.reached))
        fraction = self.fraction
        if fraction:
            left = (time.monotonic() - self.start) * (1 / fraction - 1)
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

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
        self._epochs = dict.fromkeys(self.wanted, 0)
        self._n_wanted = sum(self.wanted.values())
        self._n_epochs = 0
        self._n_trained = 0
        self.epoch = 0  # of the member that is furthest
        self.start = time.monotonic()
        self._lock = threading.Lock()

    @property
    def reached(self) -> Reached:
        """How far the members are."""
        return Reached(
            self._n_trained, len(self.wanted), self._n_epochs, self._n_wanted
        )

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.reached.fraction

    @property
    def n_fits(self) -> int:
        """How many fits the members are of."""
        return len({fit for fit, _ in self.wanted})

    def reach(self, *done: int) -> None:
        """Record (fit, place, epoch): a member has ended an epoch; threads may."""
        fit, place, epoch = done
        with self._lock:
            before = self._epochs[fit, place]
            if epoch == before + 1:  # else it has stopped early, and is done
                self.epoch = max(self.epoch, epoch)
            self._epochs[fit, place] = epoch
            self._n_epochs += epoch - before
            wanted = self.wanted[fit, place]
            self._n_trained += epoch == wanted and before < wanted

    def describe(self) -> str:
        """Return how far the members are."""
        seconds = time.monotonic() - self.start
        left = seconds * (1 / max(1e-9, self.fraction) - 1)
        return f"{self.reached}, at most {duration(left)} left"

    def summarise(self) -> str:
        """Return what was done in the end."""
        seconds = time.monotonic() - self.start
        return f"trained {len(self.wanted)} members in {seconds:.1f} s"


# Tells of a company while a block trains it, which moves the count on.
Telling = Callable[[EpochCount], AbstractContextManager[Callable[..., None]]]


class ShareReport:
    """Tells the process that shares out tasks how far those of one worker are.

    Parameters
    ----------
    folder : str
        Where the file is. Workers on other machines do not find it, and are silent.
    number : int
        Of the share, which no other has.
    """

    def __init__(self, folder: str, number: int) -> None:
        self._path = Path(folder) / str(number)
        self._before = Reached()  # in companies that are done
        self._last = -WRITING_SECONDS

    @contextmanager
    def telling(self, count: EpochCount) -> Iterator[Callable[..., None]]:
        """Write down how far a count is, now and then and in the end."""

        def advance(*done: int) -> None:
            count.reach(*done)
            now = time.monotonic()
            if now - self._last >= WRITING_SECONDS:
                self._last = now
                self._write(count.reached)

        try:
            yield advance
        finally:
            self._before += count.reached
            self._write(Reached())

    def _write(self, reached: Reached) -> None:
        """Write the sum of what is done."""
        with suppress(OSError):
            self._path.write_text(json.dumps(astuple(self._before + reached)))


@contextmanager
def untold(_count: EpochCount) -> Iterator[Callable[..., None]]:
    """Tell nobody of a count, and count nothing."""
    yield lambda *_: None


@contextmanager
def shown(count: Count) -> Iterator[Callable[..., None]]:
    """Tell on the standard error how far a count is.

    Yields
    ------
    callable
        Moves the count on, with the arguments of its ``reach``.
    """
    line = ProgressLine(sys.stderr)
    is_over = threading.Event()

    def advance(*done: int) -> None:
        count.reach(*done)
        line.show(count.describe, count.fraction)

    def look() -> None:
        while not is_over.wait(LOOKING_SECONDS):
            line.show(count.describe, count.fraction)

    # Workers say nothing to this process: they write files.
    looking = threading.Thread(target=look, daemon=True)
    if isinstance(count, TaskCount):
        looking.start()
    try:
        yield advance
    finally:
        is_over.set()
        if looking.ident is not None:
            looking.join()
        line.clear()
        sys.stderr.write(f"{count.summarise()}\n")
        sys.stderr.flush()
