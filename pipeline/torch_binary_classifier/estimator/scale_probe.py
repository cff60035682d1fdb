"""What a scale costs: short trainings on the columns as they are and standardised.

Knows rows and plans, and gets what trains. Its seeds are its own: the fit draws what it
would draw without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.automatic import Plan, plan_of
from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.input_scale import InputScale
from torch_binary_classifier.interface.problem import Problem, WeightedRows
from torch_binary_classifier.interface.settings import Settings
from torch_binary_classifier.interface.solvers import SOLVERS

# Columns this near to unit scale pass unmeasured. On the tables chosen on, no input was
# harmed by its scale all of whose columns are.
LARGEST_MEAN = 1.0
LARGEST_FACTOR = 5.0

# A table within 0 and 1 most of whose columns span at least that much was brought
# there: mostly it is learned well, if more slowly than short trainings can show.
SMALLEST_SPAN = 0.5

# Chosen with LARGEST_RATIO by benchmarks/input_scale.py: of a rule that is right about
# nearly all inputs the cheapest.
MOST_ROWS = 500
HELD_OUT = 0.4
N_REPEATS = 3
N_PASSES = 5  # in an epoch, at whose end rows held out are scored
MOST_STEPS = 400
LAST_EPOCHS = 0.1
LARGEST_RATIO = 1.2
SMALLEST_LOSS = 0.03  # in nats; what costs less is no harm to tell of

FEWEST_STEPS = 100  # of a fit; shorter ones would be judged before they have begun
FEWEST_OF_A_CLASS = 10
MOST_VALUES = 1 << 22  # of the rows measured, which are dense
# Networks of more weights are measured only where that takes at most such a share of
# the steps that the fit may: of 1,000 columns and 100 units it takes 6 s.
MOST_WEIGHTS = 10_000
LARGEST_SHARE = 0.25

# From a problem to each member's losses on the rows that it holds out.
Probe = Callable[[Problem], Sequence[Sequence[float]]]


@dataclass(frozen=True)
class Measured:
    """Log-losses on rows held out, in nats.

    Parameters
    ----------
    as_given, standardised : float
        Of networks that see the columns as they are, and brought to unit scale.
    """

    as_given: float
    standardised: float

    @property
    def harmed(self) -> bool:
        """Whether the columns as they are do measurably worse."""
        lost = self.as_given > self.standardised + SMALLEST_LOSS
        return lost and self.as_given > LARGEST_RATIO * self.standardised

    @property
    def sentence(self) -> str:
        """What was measured, for the user."""
        given = "did not stay finite"
        if self.as_given < inf:
            given = f"came to a log-loss of {self.as_given:.3g} on rows held out"
        return (
            f"Short trainings on the columns as they are {given}, on standardised ones "
            f"to {self.standardised:.3g}."
        )


def doubtful(scale: InputScale) -> NDArray[np.bool_]:
    """Return which columns are not near unit scale; those of 0 and 1 are.

    None are in a table that as a whole lies between 0 and 1.

    Examples
    --------
    >>> from torch_binary_classifier.estimator.input_scale import measure
    >>> flags = np.array([0.0, 0.0, 0.0, 1.0])
    >>> doubtful(measure(np.c_[flags, 20 * flags, flags - flags.mean()]))
    array([False,  True, False])
    """
    far = np.abs(scale.mean) > LARGEST_MEAN
    wide = scale.deviation > LARGEST_FACTOR
    narrow = scale.deviation < 1 / LARGEST_FACTOR
    found: NDArray[np.bool_] = (far | wide | narrow) & scale.varies & ~of_flags(scale)
    return found & (not _is_within_0_and_1(scale))


def _is_within_0_and_1(scale: InputScale) -> bool:
    """Return whether a table is on the scale of a MinMaxScaler, or of pixels by it."""
    lowest, highest = scale.lowest[scale.varies], scale.highest[scale.varies]
    if not len(lowest) or lowest.min() < 0 or highest.max() > 1:
        return False
    return bool(np.median(highest - lowest) >= SMALLEST_SPAN)


def of_flags(scale: InputScale) -> NDArray[np.bool_]:
    """Return which columns hold 0 and 1 only: no others have such a deviation."""
    within = (scale.lowest >= 0) & (scale.highest <= 1)
    mean = np.where(within, scale.mean, 0.0)
    found: NDArray[np.bool_] = within & np.isclose(
        scale.deviation, np.sqrt(np.maximum(mean * (1 - mean), 0)), rtol=1e-5, atol=0
    )
    return found


def measured_harm(
    estimator: Any,
    rows: WeightedRows,
    scale: InputScale,
    plan: Plan,
    probe: Probe,
    *,
    is_watched: bool,
) -> Measured | None:
    """Return what the scale of some rows costs a network.

    Parameters
    ----------
    estimator : estimator
    rows : WeightedRows
        Those to be trained on.
    scale : InputScale
        Theirs.
    plan : Plan
        Of networks that see the columns as they are.
    probe : callable
        Trains.
    is_watched : bool
        Whether the fit keeps its best weights, by rows held out.

    Returns
    -------
    Measured or None
        None where the rows are too few or too wide, the fit is too short, not one of
        steps or cheaper than to measure, or a value overflows.
    """
    settings = plan.kinds[0].settings
    n_steps = settings.max_iter * -(-len(rows.targets) // settings.batch_size)
    draws = np.random.default_rng(0)
    classes = _some_of_each_class(rows.targets, draws)
    if (
        SOLVERS[settings.solver].full_batch
        or n_steps < FEWEST_STEPS
        or min(map(len, classes)) < FEWEST_OF_A_CLASS
        or sum(map(len, classes)) * len(scale.mean) > MOST_VALUES
        or not _is_cheap(settings, len(scale.mean), n_steps * plan.n_members)
    ):
        return None
    chosen = np.concatenate(classes)
    problem = Problem(
        rows=_both(rows, chosen, scale),
        settings=_short(estimator, rows.targets[chosen], settings, n_steps),
        seeds=2 * list(range(N_REPEATS)),
        splits=_splits(classes, draws),
        watched=None,
        past=None,
        column_names=column_names(estimator),
    )
    level = _best if is_watched else _last
    try:
        curves = probe(problem)
    except ValueError:  # the fit itself will say what is wrong
        return None
    losses = [level(np.array(curve)) for curve in curves]
    return Measured(_mean(losses[:N_REPEATS]), _mean(losses[N_REPEATS:]))


def _is_cheap(settings: Settings, n_features: int, n_steps: int) -> bool:
    """Return whether networks are small, or a fit of so many steps of them long."""
    sizes = (n_features, *settings.hidden_layer_sizes, 1)
    n_weights = sum(size * other for size, other in pairwise(sizes))
    share = 2 * N_REPEATS * MOST_STEPS / n_steps
    return n_weights <= MOST_WEIGHTS or share <= LARGEST_SHARE


Places = NDArray[np.intp]


def _some_of_each_class(
    targets: NDArray[np.float64], draws: np.random.Generator
) -> list[Places]:
    """Return the places of a sample in which classes are as frequent as in all."""
    share = min(1.0, MOST_ROWS / len(targets))
    found = []
    for target in (0.0, 1.0):
        places = np.flatnonzero(targets == target)
        size = round(share * len(places))
        found.append(np.sort(draws.choice(places, size, replace=False)))
    return found


def _splits(
    classes: Sequence[Places], draws: np.random.Generator
) -> list[tuple[Places, Places]]:
    """Return each member's rows in the table of both; twins have the same rows."""
    found = [_split(classes, draws) for _ in range(N_REPEATS)]
    n_rows = sum(map(len, classes))
    return found + [(train + n_rows, held_out + n_rows) for train, held_out in found]


def _split(
    classes: Sequence[Places], draws: np.random.Generator
) -> tuple[Places, Places]:
    """Return which rows of a sample are trained on, some times over, or held out.

    The sample has one class after the other.
    """
    train, held_out, start = [], [], 0
    for places in classes:
        order = start + draws.permutation(len(places))
        size = round(HELD_OUT * len(places))
        held_out.append(order[:size])
        train.append(np.tile(order[size:], N_PASSES))
        start += len(places)
    return np.concatenate(train), np.concatenate(held_out)


def _both(rows: WeightedRows, chosen: Places, scale: InputScale) -> WeightedRows:
    """Return some rows as they are, without gaps, and below them standardised."""
    features: Any = rows.features[chosen]
    dense = features.toarray() if hasattr(features, "toarray") else features
    given = np.asarray(dense, dtype=np.float64)
    given = np.where(np.isnan(given), scale.mean, given)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = given - scale.mean
        standard = centred / np.where(scale.deviation > 0, scale.deviation, 1.0)
    standard = np.where(of_flags(scale), given, standard)
    twice = (np.tile(one[chosen], 2) for one in (rows.targets, rows.weights))
    return WeightedRows(np.vstack([given, standard]), *twice)


def _short(
    estimator: Any, targets: NDArray[np.float64], settings: Settings, n_steps: int
) -> Settings:
    """Return the settings of a fit of few rows, as many steps long if not too many."""
    few = plan_of(estimator, targets, max_iter=1, watched=True).kinds[0].settings
    n_rows = N_PASSES * round((1 - HELD_OUT) * len(targets))
    n_batches = -(-n_rows // few.batch_size)
    return replace(
        few,
        max_iter=max(1, min(n_steps, MOST_STEPS) // n_batches),
        n_iter_no_change=inf,
        dtype=settings.dtype,
        device="cpu",
        verbose=0,
    )


def _best(curve: NDArray[np.float64]) -> float:
    """Return the loss of the weights that early stopping would keep."""
    return float(curve.min())


def _last(curve: NDArray[np.float64]) -> float:
    """Return the loss in the end; the last epochs are averaged, as they are noisy."""
    return float(curve[-max(1, round(LAST_EPOCHS * len(curve))) :].mean())


def _mean(losses: Sequence[float]) -> float:
    """Return a mean, infinite where a training diverged."""
    found = float(np.mean(losses))
    return found if np.isfinite(found) else inf
