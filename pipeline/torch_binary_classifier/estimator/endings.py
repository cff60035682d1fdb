"""Tells the user about a training that has not come to a good end."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from torch_binary_classifier.interface.fitted import Course
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown

# Above this multiple of the prior's loss, and so many nats, a training has diverged.
# Trainings of few epochs end at up to 1.7 times the prior's loss, and the best epoch
# on a small validation set of noise at 1.6 times one of 0.2 nats.
LARGEST_LOSS_RATIO = 2.0
LOSS_SLACK = 0.1


def warn_of_ending(estimator: Any, course: Course, *, watched: bool) -> None:
    """Warn when a training ended too early."""
    if course.interrupted:
        warnings.warn(
            f"Training was interrupted by the user after {course.n_iter} epochs. "
            "The weights that it had by then are kept.",
            UserWarning,
            stacklevel=3,
        )
    elif not (watched or course.converged):
        _warn_if_still_falling(estimator, course)


def warn_if_diverged(course: Course, learning_rate: float) -> None:
    """Warn when a training without any overflow ended far above its beginning."""
    if course.worst_loss > LARGEST_LOSS_RATIO * course.prior_loss + LOSS_SLACK:
        warnings.warn(
            f"Training ended at a loss of {course.worst_loss:.4g} nats, where the "
            f"class frequencies alone have {course.prior_loss:.4g}. The likely cause "
            f"is learning_rate_init={shown(learning_rate)}: lower it, "
            "or put a StandardScaler in front.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _warn_if_still_falling(estimator: Any, course: Course) -> None:
    """Warn when ``max_iter`` ended a training that still got better."""
    solver = SOLVERS[estimator.solver]
    if solver.learning_rate and estimator.learning_rate == "cosine":
        return
    warnings.warn(
        f"max_iter={estimator.max_iter} was reached before the training loss "
        f"({course.loss_curve[-1]:.4g} now) settled within tol={estimator.tol:g}. "
        f"{solver.remedy}",
        ConvergenceWarning,
        stacklevel=4,
    )
