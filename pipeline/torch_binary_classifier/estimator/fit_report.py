"""What is to be said of a training once it has ended: findings, each with a next step.

Knows losses, fitted networks and rows. A finding is a dictionary of plain values:
``what``, a ``message`` for the user, and the ``figures`` that it follows from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.kinds import medians_of, networks
from torch_binary_classifier.inference.hidden_units import unit_ranges
from torch_binary_classifier.interface.fitted import Course
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown

Finding = dict[str, Any]
# What a finding is of a training that was ended from outside.
INTERRUPTED = "interrupted"

# Above this multiple of the prior's loss, and so many nats, a training has diverged.
# Trainings of few epochs end at up to 1.7 times the prior's loss, and the best epoch
# on a small validation set of noise at 1.6 times one of 0.2 nats.
LARGEST_LOSS_RATIO = 2.0
LOSS_SLACK = 0.1
# Within so much of the prior's loss nothing has been learned.
PRIOR_SHARE = 0.01
# A gap of so many nats, and that much of the training loss.
LARGEST_GAP = 0.15
LARGEST_GAP_RATIO = 2.0
DEAD_SHARE = 0.5
# Columns of one-hot categories and standardised numbers are seldom larger.
LARGEST_USUAL_SIZE = 10.0
# Rows whose units are looked at; a unit that is awake for 1 % of rows is seen in 72 %.
SAMPLED_ROWS = 128
FEW_EPOCHS = 5
# So many times the epochs of a curve are foreseen by it.
LONGEST_RUN = 5
USUAL_RATES = {"sgd": 0.01}  # of the solvers; of all others:
USUAL_RATE = 0.001


@dataclass(frozen=True)
class Ended:
    """A training that has ended.

    Parameters
    ----------
    course : Course
    is_watched : bool
        Whether rows were held out.
    learning_rate : float
        The highest of all kinds.
    n_rows : int
        Rows by which the loss was judged: those held out, or those of the training.
    """

    course: Course
    is_watched: bool
    learning_rate: float
    n_rows: int

    @property
    def curve(self) -> list[float]:
        """The losses that were watched, epoch by epoch."""
        course = self.course
        return course.validation_loss_curve if self.is_watched else course.loss_curve

    @property
    def level(self) -> float:
        """The loss that the training has come to, without the penalty."""
        return self.course.best_loss if self.is_watched else self.course.worst_loss

    @property
    def is_far_above(self) -> bool:
        """Whether a member ended far above the loss of the class frequencies."""
        course = self.course
        return course.worst_loss > LARGEST_LOSS_RATIO * course.prior_loss + LOSS_SLACK

    @property
    def is_diverged(self) -> bool:
        """Whether the training itself ended so far above.

        Where the loss of its rows has fallen, those held out are unlike them.
        """
        has_learned = self.course.loss_curve[-1] < self.course.prior_loss
        return self.is_far_above and not (self.is_watched and has_learned)

    @property
    def gain(self) -> float:
        """How far below that of the class frequencies the loss is, in nats per row."""
        return self.course.prior_loss - self.level

    @property
    def is_rising(self) -> bool:
        """Whether its last training losses are far above the lowest."""
        losses = self.course.loss_curve
        last = losses[-min(3, len(losses)) :]
        return min(last) > LARGEST_LOSS_RATIO * min(losses) + LOSS_SLACK


def report_of(estimator: Any, rows: NDArray[Any], ended: Ended) -> list[Finding]:
    """Return what there is to be said of a fitted estimator's training.

    Parameters
    ----------
    estimator : estimator
    rows : ndarray or CSR matrix of shape (n_rows, n_features)
        Those that it was trained on.
    ended : Ended

    Returns
    -------
    list of dict
        Empty where all is well.
    """
    if ended.course.interrupted:
        return [_interrupted(estimator, ended.course)]
    ranges = _ranges(estimator, rows)
    found = [_level(estimator, ended, ranges)]
    if found[0] is None or found[0]["what"] == "plateau":
        found += [_still_falling(estimator, ended), _gap(ended), _dead_units(ranges)]
    return [one for one in found if one is not None]


def report_lines(estimator: Any) -> list[str]:
    """Return the messages of a fitted estimator's report; none where all is well."""
    return [one["message"] for one in getattr(estimator, "fit_report_", [])]


def finding(what: str, message: str, **figures: Any) -> Finding:
    """Return a finding of plain values."""
    return {"what": what, "message": message, "figures": figures}


def _interrupted(estimator: Any, course: Course) -> Finding:
    """Return that somebody ended the training."""
    return finding(
        INTERRUPTED,
        f"Training was interrupted after {course.n_iter} epochs of at most "
        f"{estimator.max_iter}. The weights that it had by then are kept.",
        epochs=course.n_iter,
        max_iter=estimator.max_iter,
    )


def _ranges(estimator: Any, rows: Any) -> list[list[NDArray[Any]]]:
    """Return how far units move over a sample of the rows, by member and layer."""
    n_rows = rows.shape[0]
    places = np.unique(np.linspace(0, n_rows - 1, SAMPLED_ROWS).astype(np.intp))
    sample = rows[places]
    dense = sample if isinstance(sample, np.ndarray) else sample.toarray()
    fill = medians_of(estimator)
    if fill is not None and np.isnan(dense).any():
        seen = _are_encoded(estimator)
        dense = np.where(np.isnan(dense) & ~seen, fill, dense)
    return unit_ranges(dense, networks(estimator))


def _are_encoded(estimator: Any) -> bool:
    """Return whether its networks have bins, which deal with gaps and places."""
    return all(one.encoding is not None for one in networks(estimator))


def _level(
    estimator: Any, ended: Ended, ranges: Sequence[Sequence[NDArray[Any]]]
) -> Finding | None:
    """Return what is wrong with where the loss has come to."""
    course, level = ended.course, ended.level
    figures = {"loss": level, "prior_loss": course.prior_loss}
    if ended.is_diverged or ended.is_rising:
        return _diverging(estimator, ended)
    if max(float(one[-1].max()) for one in ranges) < 1e-4 and course.prior_loss > 0.01:
        return finding(
            "constant",
            "All rows get the same probability. Lower alpha, dropout or "
            "learning_rate_init, or see whether the columns are constant.",
            **figures,
        )
    if level > (1 + 2 * PRIOR_SHARE) * course.prior_loss:
        return finding(
            "worse_than_prior",
            f"The loss, {level:.4g} nats, is above that of the class frequencies "
            f"alone, {course.prior_loss:.4g}. See whether the rows held out are like "
            "those of the training. The columns may also not tell the classes apart; "
            "if they should, lower learning_rate_init or raise max_iter.",
            **figures,
        )
    is_flat = level > (1 - PRIOR_SHARE) * course.prior_loss
    if is_flat and len(course.loss_curve) >= FEW_EPOCHS:
        return finding(
            "plateau",
            f"The loss, {level:.4g} nats, stayed where the class frequencies alone "
            f"are, {course.prior_loss:.4g}. The columns may not tell the classes "
            "apart; if they should, raise learning_rate_init or lower alpha.",
            **figures,
        )
    return None


def _diverging(estimator: Any, ended: Ended) -> Finding:
    """Return that the loss rose, and a learning rate that would work."""
    usual = USUAL_RATES.get(estimator.solver, USUAL_RATE)
    rate = min(usual, ended.learning_rate / 10)
    course = ended.course
    return finding(
        "diverging",
        f"The training loss came to {course.loss_curve[-1]:.4g} nats, where it had "
        f"been {min(course.loss_curve):.4g} and the class frequencies alone have "
        f"{course.prior_loss:.4g}. {_remedy(estimator, ended, rate)}",
        lowest_loss=min(course.loss_curve),
        last_loss=course.loss_curve[-1],
        prior_loss=course.prior_loss,
        learning_rate_init=rate,
    )


def _remedy(estimator: Any, ended: Ended, rate: float) -> str:
    """Return what to do about a loss that rose: about the likelier cause first."""
    large = _largest_column(estimator)
    if large:
        return f"The likely cause is {large}: put a StandardScaler in front."
    if not SOLVERS[estimator.solver].learning_rate:
        return "Raise alpha."
    return (
        f"The likely cause is learning_rate_init={shown(ended.learning_rate)}: set "
        f"{shown(rate)}."
    )


def _largest_column(estimator: Any) -> str:
    """Return the largest column, in words, if it is far from unit scale."""
    scale = estimator.input_scale_
    place = 0.0 if _are_encoded(estimator) else scale["mean"]
    sizes = np.hypot(place, scale["deviation"])
    largest = int(np.argmax(sizes))
    if estimator.input_norm is not None or sizes[largest] <= LARGEST_USUAL_SIZE:
        return ""
    name = column_names(estimator)[largest]
    return f"the scale of {name}, whose root mean square is {sizes[largest]:.3g}"


def _still_falling(estimator: Any, ended: Ended) -> Finding | None:
    """Return how many epochs it would take, where ``max_iter`` came too early."""
    n_epochs, course = estimator.max_iter, ended.course
    needed = epochs_needed(ended.curve, estimator.tol)
    scheduled = estimator.learning_rate == "cosine"
    is_scheduled = scheduled and SOLVERS[estimator.solver].learning_rate
    if course.converged or course.n_iter < n_epochs or is_scheduled or needed is None:
        return None
    words = "more than" if needed == LONGEST_RUN * len(ended.curve) else "about"
    return finding(
        "still_falling",
        f"The loss was still falling when max_iter={n_epochs} ended the training. It "
        f"would settle after {words} {needed} epochs: set max_iter={needed}.",
        max_iter=n_epochs,
        epochs_needed=needed,
        last_loss=ended.curve[-1],
    )


def epochs_needed(curve: Sequence[float], tol: float) -> int | None:
    r"""Return after how many epochs a falling curve would settle; None if it has.

    The fall per epoch is taken for a power of the epoch, from the last two quarters
    of the curve: tails of losses are seldom steeper. It has settled where that is
    below ``tol``. LONGEST_RUN times as many epochs at most.

    Examples
    --------
    >>> curve = [1 / epoch for epoch in range(1, 41)]
    >>> epochs_needed(curve, 1e-4)
    98
    >>> epochs_needed([0.3] * 8, 1e-4) is None
    True
    """
    n_epochs = len(curve)
    quarter = max(1, n_epochs // 4)
    if n_epochs < 3:
        return 2 * n_epochs if n_epochs and curve[-1] < curve[0] - tol else None
    before = curve[-1 - 2 * quarter] - curve[-1 - quarter]
    fall = curve[-1 - quarter] - curve[-1]
    if fall <= tol * quarter:
        return None
    if fall >= before:  # not slowing down
        return LONGEST_RUN * n_epochs
    place = n_epochs - quarter / 2  # of the last fall; a quarter ago that before
    power = math.log(before / fall) / math.log(place / (place - quarter))
    growth = math.log(fall / quarter / max(tol, 1e-6)) / power
    if growth > math.log(LONGEST_RUN * n_epochs / place):
        return LONGEST_RUN * n_epochs
    return max(n_epochs + 1, math.ceil(place * math.exp(growth)))


def _gap(ended: Ended) -> Finding | None:
    """Return that the rows held out have a far higher loss than the others."""
    held_out = ended.course.validation_loss_curve
    if not held_out:
        return None
    best = int(np.argmin(held_out))
    loss = ended.course.loss_curve[min(best, len(ended.course.loss_curve) - 1)]
    gap = held_out[best] - loss
    if gap < LARGEST_GAP or held_out[best] < LARGEST_GAP_RATIO * loss:
        return None
    return finding(
        "gap",
        f"The rows held out have a loss of {held_out[best]:.4g} nats, where those of "
        f"the training have {loss:.4g}. Raise alpha or dropout, take fewer units, or "
        "get more rows.",
        loss=loss,
        validation_loss=held_out[best],
    )


def _dead_units(ranges: Sequence[Sequence[NDArray[Any]]]) -> Finding | None:
    """Return the share of each hidden layer's units that no row moves."""
    shares = [[float((one < 1e-6).mean()) for one in own[:-1]] for own in ranges]
    worst = max(shares, key=lambda own: max(own, default=0.0))
    if max(worst, default=0.0) < DEAD_SHARE:
        return None
    told = ", ".join(f"{share:.0%}" for share in worst)
    return finding(
        "dead_units",
        f"No row moves {told} of the units of the hidden layers. Lower "
        "learning_rate_init, or set activation='silu'.",
        share_by_layer=worst,
    )
