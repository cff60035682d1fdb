"""Fits that are trained together, and what is told of it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_binary_classifier.interface.watching import OutOfTime
from torch_binary_classifier.search.programs import (
    FitOutcome,
    FitReport,
    train_together,
)
from torch_binary_classifier.search.progress import EpochCount, Telling
from torch_binary_classifier.search.tasks import Abandoned, Task
from torch_binary_classifier.training.run import Training, print_epoch


@dataclass(eq=False)
class WaitingFit:
    """A fit that has come to its training."""

    task: Task
    training: Training
    outcome: FitOutcome | None = None


class Company:
    """Fits that are trained together, by the thread of the first.

    Parameters
    ----------
    fits : sequence of WaitingFit
        At least one.
    """

    def __init__(self, fits: Sequence[WaitingFit]) -> None:
        self.fits = fits
        self.has_begun = False

    @property
    def leader(self) -> Task:
        """The task whose thread is to train all."""
        return self.fits[0].task

    @property
    def is_wanted(self) -> bool:
        """Whether a task still waits for a result."""
        return any(not fit.task.is_abandoned for fit in self.fits)

    def claim(self, task: Task) -> bool:
        """Return whether a task is to train the company; it is told so once."""
        claimed = task is self.leader and not self.has_begun
        self.has_begun |= claimed
        return claimed

    def train(self, telling: Telling) -> list[FitOutcome]:
        """Train all fits now and in this thread, unless nobody waits for them."""
        trainings = [fit.training for fit in self.fits]
        count = EpochCount(trainings)
        try:
            with telling(count) as advance:
                return train_together(
                    trainings,
                    self._report(advance),
                    lambda *fit: advance(*fit, count.wanted[fit]),
                )
        except Abandoned:
            return [FitOutcome() for _ in self.fits]
        except (Exception, OutOfTime) as error:
            return [FitOutcome(error=error) for _ in self.fits]

    def _report(self, advance: Callable[[int, int, int], None]) -> FitReport:
        """Return what is told of every epoch; it stops a training that is useless."""

        def report(
            fit: int, place: int, epoch: int, loss: float, held_out: float | None
        ) -> None:
            if not self.is_wanted:
                raise Abandoned
            advance(fit, place, epoch)
            if _is_told(self.fits[fit].training, place, epoch):
                print_epoch(place, epoch, loss, held_out)

        return report


def _is_told(training: Training, place: int, epoch: int) -> bool:
    """Return whether an epoch's losses are to be printed: of each tenth, or of all."""
    n_epochs = training.members[place].hyperparameters.max_iter
    is_tenth = epoch * 10 // n_epochs > (epoch - 1) * 10 // n_epochs
    return training.verbose > 1 or (training.verbose == 1 and is_tenth)
