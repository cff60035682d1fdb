"""Tells the user about a training that has not come to a good end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from torch_binary_classifier.estimator.fit_report import Ended, Finding
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown


def warn_of_ending(estimator: Any, ended: Ended, report: Sequence[Finding]) -> None:
    """Warn when a training ended too early."""
    course = ended.course
    if course.interrupted:
        warnings.warn(
            report[0]["message"],
            UserWarning,
            stacklevel=3,
        )
    elif not (ended.is_watched or course.converged):
        _warn_if_still_falling(estimator, course.loss_curve[-1], report)


def warn_if_diverged(ended: Ended, report: Sequence[Finding]) -> None:
    """Warn when a training without any overflow ended far above its beginning."""
    if ended.is_diverged and report:
        course = ended.course
        rate = report[0]["figures"]["learning_rate_init"]
        warnings.warn(
            f"Training ended at a loss of {course.worst_loss:.4g} nats, where the "
            f"class frequencies alone have {course.prior_loss:.4g}. The likely cause "
            f"is learning_rate_init={shown(ended.learning_rate)}: set {shown(rate)}, "
            "or put a StandardScaler in front.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _warn_if_still_falling(
    estimator: Any, loss: float, report: Sequence[Finding]
) -> None:
    """Warn when ``max_iter`` ended a training that still got better."""
    solver = SOLVERS[estimator.solver]
    if solver.learning_rate and estimator.learning_rate == "cosine":
        return
    found = [one["figures"] for one in report if one["what"] == "still_falling"]
    needed = f" That takes about {found[0]['epochs_needed']} epochs." if found else ""
    warnings.warn(
        f"max_iter={estimator.max_iter} was reached before the training loss "
        f"({loss:.4g} now) settled within tol={estimator.tol:g}. "
        f"{solver.remedy}{needed}",
        ConvergenceWarning,
        stacklevel=4,
    )
