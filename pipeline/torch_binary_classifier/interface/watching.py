"""What is told of a training after each of its epochs; knows numbers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from torch_binary_classifier.interface.fitted import FittedMembers


@dataclass(frozen=True)
class EpochEnd:
    """All members of a fit after an epoch of theirs.

    Parameters
    ----------
    number : int
        Epochs so far, of this fit.
    n_epochs : int
        Epochs at most.
    n_members, n_running : int
        Members of all kinds, and those of them that are not at their end.
    loss, validation_loss : float, and float or None
        Averages over the members; one that has stopped keeps its last.
    learning_rate : float or None
        The highest one of the epoch; None where the solver has none.
    fitted : callable
        Returns copies of what the members of each kind would be if the training had
        ended here. Costs nothing until it is called.
    """

    number: int
    n_epochs: int
    n_members: int
    n_running: int
    loss: float
    validation_loss: float | None
    learning_rate: float | None
    fitted: Callable[[], list[FittedMembers]]


class Watcher(Protocol):
    """Who is told of every epoch, and may end the training."""

    def begin(self) -> None:
        """Take note that an epoch begins."""

    def end(self, epoch: EpochEnd) -> bool:
        """Take note of its end; return whether the training is to end with it."""

    def is_out_of_time(self) -> bool:
        """Return, also within an epoch, whether the training is to end as it is."""


class OutOfTime(BaseException):
    """A search is to end; raised by who is told of its epochs."""


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Have somebody told of the fits within a block, in this thread."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def present_watcher() -> Watcher | None:
    """Return who is to be told of the fits of this thread, beside who asked there."""
    return _watcher.get()
