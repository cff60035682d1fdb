"""What is told of a training after each of its epochs; knows numbers only."""

from __future__ import annotations

from collections.abc import Callable
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
