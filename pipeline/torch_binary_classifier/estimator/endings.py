"""Tells the user about a training that has not come to a good end."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from torch_binary_classifier.estimator.fit_report import FEW_EPOCHS, Ended, Finding
from torch_binary_classifier.interface.solvers import SOLVERS

# Fewer rows say little of a loss, and so small a difference of their sum is chance:
# that of two models of which one is exp(5) = 150 times as likely. Fewer epochs are a
# trial, unless the stopping rule ended the training.
FEWEST_ROWS = 100
FEWEST_EPOCHS = 20
SURE_NATS = 5.0
SMALLEST_TABLE = 30
MOSTLY_DEAD = 0.75


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


def warn_of_findings(ended: Ended, report: Sequence[Finding]) -> None:
    """Warn of what is surely wrong with a training, in the words of its report."""
    for one in report:
        if IS_CERTAIN.get(one["what"], _never)(ended, one["figures"]):
            warnings.warn(one["message"], ConvergenceWarning, stacklevel=3)


def _never(_ended: Ended, _figures: dict[str, Any]) -> bool:
    """Return that a finding is a note: it may be as the user wants it."""
    return False


def _has_diverged(ended: Ended, _figures: dict[str, Any]) -> bool:
    """Return whether the network itself is far above the class frequencies."""
    return ended.is_diverged


def _is_constant(ended: Ended, _figures: dict[str, Any]) -> bool:
    """Return whether it is a table, and no toy, that is not told apart."""
    return ended.n_rows >= SMALLEST_TABLE


def _is_worse(ended: Ended, _figures: dict[str, Any]) -> bool:
    """Return whether the loss is far above the prior's, or enough rows say it is."""
    is_sure = _has_tried(ended) and -ended.gain * ended.n_rows > SURE_NATS
    return is_sure or ended.is_far_above


def _is_flat(ended: Ended, _figures: dict[str, Any]) -> bool:
    """Return whether no sum over the rows tells the loss from the prior's.

    One per cent of many rows is a lot, where one class is rare for example.
    """
    return _has_tried(ended) and abs(ended.gain) * ended.n_rows < SURE_NATS


def _has_tried(ended: Ended) -> bool:
    """Return whether a training was long enough, on enough rows, to be judged."""
    n_epochs = len(ended.course.loss_curve)
    is_long = n_epochs >= (FEW_EPOCHS if ended.course.converged else FEWEST_EPOCHS)
    return ended.n_rows >= FEWEST_ROWS and is_long


def _is_mostly_dead(_ended: Ended, figures: dict[str, Any]) -> bool:
    """Return whether hardly a unit of a layer is left."""
    return any(share >= MOSTLY_DEAD for share in figures["share_by_layer"])


# By what was found, whether it is to be told as it happens. What is missing is a note.
IS_CERTAIN: dict[str, Callable[[Ended, dict[str, Any]], bool]] = {
    "diverging": _has_diverged,
    "constant": _is_constant,
    "worse_than_prior": _is_worse,
    "plateau": _is_flat,
    "dead_units": _is_mostly_dead,
}


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
