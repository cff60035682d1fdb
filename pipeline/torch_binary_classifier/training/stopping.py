"""When a member's training ends; knows losses only."""

from __future__ import annotations

import math

from torch_binary_classifier.interface.settings import (
    Hyperparameters,
    StoppingHyperparameters,
)
from torch_binary_classifier.training.schedule import LearningRate


class StoppingRule:
    """MLPClassifier's rule: the watched loss has stalled for too long.

    That is, for more than ``n_iter_no_change`` epochs it has not fallen by ``tol``.
    """

    def __init__(self, given: StoppingHyperparameters) -> None:
        self.tol = given.tol
        self.n_iter_no_change = given.n_iter_no_change
        self.best = math.inf
        self.n_stalled = 0

    def add(self, loss: float) -> bool:
        """Take an epoch's loss; return whether it is the least so far."""
        self.n_stalled = self.n_stalled + 1 if loss > self.best - self.tol else 0
        improved = loss < self.best
        self.best = min(self.best, loss)
        return improved

    @property
    def is_met(self) -> bool:
        """Whether the training is to end."""
        return self.n_stalled > self.n_iter_no_change

    def restart(self) -> None:
        """Count the epochs without a fall anew."""
        self.n_stalled = 0


class History:
    """One member's losses, its learning rate, and whether it has ended.

    The stopping rule watches the loss on the validation set where there is one, else
    that on the training rows.
    """

    def __init__(self, given: Hyperparameters) -> None:
        self.max_iter = given.max_iter
        self.rule = StoppingRule(given)
        self.rate = LearningRate(
            given.learning_rate_init, given.learning_rate, given.power_t, given.max_iter
        )
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.validation_scores: list[float] = []
        self.converged = False
        self.diverged_epoch: int | None = None

    @property
    def stopped(self) -> bool:
        """Whether the member needs no further epoch."""
        finished = len(self.losses) >= self.max_iter
        return finished or self.converged or self.diverged_epoch is not None

    def add(self, loss: float, validation_loss: float | None) -> bool:
        """Record an epoch; return whether it was the best so far."""
        watched = loss if validation_loss is None else validation_loss
        self.losses.append(loss)
        if validation_loss is not None:
            self.validation_losses.append(validation_loss)
        if not (math.isfinite(loss) and math.isfinite(watched)):
            self.diverged_epoch = len(self.losses)
            return False
        improved = self.rule.add(watched)
        if self.rule.is_met:
            self.rule.restart()
            self.converged = not self.rate.reduce()
        return improved
