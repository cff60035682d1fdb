"""Tells the user about a training that has not come to a good end."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from torch_binary_classifier.interface.fitted import FittedMembers
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown

# Above this multiple of the prior's loss, and so many nats, a training has diverged.
# Trainings of few epochs end at up to 1.7 times the prior's loss, and the best epoch
# on a small validation set of noise at 1.6 times one of 0.2 nats.
LARGEST_LOSS_RATIO = 2.0
LOSS_SLACK = 0.1


def warn_of_ending(estimator: Any, fitted: FittedMembers, *, watched: bool) -> None:
    """Warn when a training ended too early."""
    if fitted.interrupted:
        warnings.warn(
            f"Training was interrupted by the user after {fitted.n_iter} epochs. "
            "The weights that it had by then are kept.",
            UserWarning,
            stacklevel=3,
        )
    elif not (watched or fitted.converged):
        _warn_if_still_falling(estimator, fitted)


def warn_if_diverged(estimator: Any, fitted: FittedMembers) -> None:
    """Warn when a training without any overflow ended far above its beginning."""
    if fitted.worst_loss > LARGEST_LOSS_RATIO * fitted.prior_loss + LOSS_SLACK:
        warnings.warn(
            f"Training ended at a loss of {fitted.worst_loss:.4g} nats, where the "
            f"class frequencies alone have {fitted.prior_loss:.4g}. The likely cause "
            f"is learning_rate_init={shown(estimator.learning_rate_init)}: lower it, "
            "or put a StandardScaler in front.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _warn_if_still_falling(estimator: Any, fitted: FittedMembers) -> None:
    """Warn when ``max_iter`` ended a training that still got better."""
    solver = SOLVERS[estimator.solver]
    if solver.learning_rate and estimator.learning_rate == "cosine":
        return
    warnings.warn(
        f"max_iter={estimator.max_iter} was reached before the training loss "
        f"({fitted.loss_curve[-1]:.4g} now) settled within tol={estimator.tol:g}. "
        f"{solver.remedy}",
        ConvergenceWarning,
        stacklevel=4,
    )
