"""How far a table lies from what its model was trained on; reads and scores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch_binary_classifier.scoring.columns import Scale
from torch_binary_classifier.scoring.counts import ColumnCounts
from torch_binary_classifier.scoring.expected import Expected

__all__ = ["ColumnShares", "DriftFinding", "column_shares", "drift_findings"]

# Fewer numbers than these tell little of a column.
LEAST_NUMBERS = 30
# How many deviations of training a mean must be off, and how many times larger or
# smaller a deviation must be, to be told of: no sample of the same rows is so far off.
MOST_SHIFT = 3.0
MOST_SCALE = 10.0
# Within which a mean is near 0 and a deviation near 1, as a scaler leaves them.
NEAR_MEAN = 0.5
NEAR_DEVIATION = (0.5, 2.0)
# Of numbers that are all the same, roundings leave a deviation of this share at most.
ROUNDING = 1e-12

_IN_TRAINING = {
    True: "in training some were missing",
    False: "in training none was missing",
    None: "the model does not tell how many were missing in training",
}


@dataclass(frozen=True)
class ColumnShares:
    """How much of a scored column the model has never met.

    Attributes
    ----------
    name : str
        The column.
    unseen : float
        Share of cells, 0 to 1, with a category that no encoder knows. Always 0 in a
        column that the model does not encode.
    missing : float
        Share of cells, 0 to 1, that are missing.
    had_gaps : bool or None
        Whether cells were missing in training; None if the model cannot tell, for
        an imputer does not keep how many gaps it saw.

    Examples
    --------
    >>> city = ColumnShares("city", unseen=0.75, missing=0.25, had_gaps=True)
    >>> city.is_lost
    True
    >>> print(city.description)
    column 'city' has no cell that the model knows: 75% hold categories never seen in \
training, 25% are missing (in training some were missing)
    """

    name: str
    unseen: float
    missing: float
    had_gaps: bool | None

    @property
    def is_lost(self) -> bool:
        """Return whether no cell tells the model anything.

        A column of gaps alone is no loss if the model has met gaps in training.
        """
        nothing_known = self.unseen + self.missing == 1
        return nothing_known and (self.unseen > 0 or not self.had_gaps)

    @property
    def is_strange(self) -> bool:
        """Return whether some cells are like none of the training table's."""
        has_new_gaps = self.missing > 0 and self.had_gaps is False
        return self.is_lost or self.unseen > 0 or has_new_gaps

    @property
    def description(self) -> str:
        """Return both shares as a phrase."""
        lost = (
            "no cell that the model knows" if self.is_lost else "cells new to the model"
        )
        return (
            f"column {self.name!r} has {lost}: {100 * self.unseen:.3g}% hold "
            f"categories never seen in training, {100 * self.missing:.3g}% are missing "
            f"({_IN_TRAINING[self.had_gaps]})"
        )


@dataclass(frozen=True)
class DriftFinding:
    """One way in which scored rows are unlike those of training.

    Attributes
    ----------
    column : str or None
        The column; None for the table as a whole.
    what : str
        "unscaled" or "scaled twice" (the table), "shifted" (the mean), "scale" (the
        deviation), "constant" (one number where there were more) or "lost" (no cell
        that the model knows).
    message : str
        A sentence with figures, without its full stop.
    figures : dict of str to float
        The figures.
    """

    column: str | None
    what: Literal["unscaled", "scaled twice", "shifted", "scale", "constant", "lost"]
    message: str
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON can hold it."""
        return asdict(self)


def column_shares(
    counts: Mapping[str, ColumnCounts], expected: Expected, n_rows: int
) -> tuple[ColumnShares, ...]:
    """Return how much of each column that was read the model has never met.

    Parameters
    ----------
    counts : mapping of str to ColumnCounts
        What the columns of all scored rows hold.
    expected : Expected
        What the model expects.
    n_rows : int
        How many rows were scored.

    Returns
    -------
    tuple of ColumnShares
        One per column that was read; none if no row was scored.
    """
    return tuple(
        ColumnShares(
            column.name,
            counts[column.name].n_unseen / n_rows,
            counts[column.name].n_missing / n_rows,
            column.had_gaps,
        )
        for column in expected.columns.columns
        if n_rows and column.name in counts
    )


def drift_findings(
    counts: Mapping[str, ColumnCounts], expected: Expected, n_rows: int
) -> list[DriftFinding]:
    """Return where scored rows are unlike those of training.

    Parameters
    ----------
    counts : mapping of str to ColumnCounts
        What the columns of all scored rows hold.
    expected : Expected
        What the model expects.
    n_rows : int
        How many rows were scored.

    Returns
    -------
    list of DriftFinding
        What concerns the table first, then in the order of the columns.

    Notes
    -----
    A column of numbers is looked at if at least 30 are there and it is known how they
    were spread in training. It has shifted if its mean is more than 3 deviations of
    training away from that of training; its scale is another if its deviation is more
    than 10 times that of training, or less than a tenth.
    """
    spreads = [
        _Spread(column.name, column.scale, counts[column.name])
        for column in expected.columns.columns
        if column.scale is not None
        and column.scale.deviation > 0
        and column.name in counts
        and counts[column.name].n_present >= LEAST_NUMBERS
    ]
    moved = {spread.name: [*spread.findings()] for spread in spreads}
    lost = {c.name: c for c in column_shares(counts, expected, n_rows) if c.is_lost}
    found = [*_of_table(spreads, moved)]
    for column in expected.columns.columns:
        found += moved.get(column.name, [])
        if column.name in lost:
            found.append(_lost(lost[column.name]))
    return found


@dataclass(frozen=True)
class _Spread:
    """How the numbers of a column are spread, here and in training."""

    name: str
    trained: Scale
    counts: ColumnCounts

    def findings(self) -> Iterator[DriftFinding]:
        """Yield how they differ."""
        here, trained = self.counts, self.trained
        label = f"column {self.name!r}"
        was = f"mean {trained.mean:.4g} and deviation {trained.deviation:.4g}"
        now = f"mean {here.mean:.4g} and deviation {here.deviation:.4g}"
        if abs(here.mean - trained.mean) > MOST_SHIFT * trained.deviation:
            msg = f"{label} has moved: here {now}, in training {was}"
            yield self._finding("shifted", msg)
        if trained.is_narrow:
            return  # How many of the few other rows a table has, is chance.
        if self.is_constant:
            msg = f"{label} is {here.mean:.6g} in every row, in training it had {was}"
            yield self._finding("constant", msg)
        elif self.is_of_another_scale:
            msg = f"{label} is on another scale: here {now}, in training {was}"
            yield self._finding("scale", msg)

    @property
    def is_constant(self) -> bool:
        """Return whether all numbers here are the same."""
        return self.counts.deviation <= ROUNDING * abs(self.counts.mean)

    @property
    def is_of_another_scale(self) -> bool:
        """Return whether the deviation is much larger or smaller."""
        times = self.counts.deviation / self.trained.deviation
        return times > MOST_SCALE or times * MOST_SCALE < 1

    @property
    def was_standard(self) -> bool:
        """Return whether training looks as a scaler leaves it."""
        return _is_standard(self.trained.mean, self.trained.deviation)

    @property
    def is_standard(self) -> bool:
        """Return whether the rows look as a scaler leaves them."""
        return _is_standard(self.counts.mean, self.counts.deviation)

    def _finding(self, what: Any, message: str) -> DriftFinding:
        """Return a finding with the figures."""
        figures = {
            "mean": self.counts.mean,
            "deviation": self.counts.deviation,
            "training_mean": self.trained.mean,
            "training_deviation": self.trained.deviation,
        }
        return DriftFinding(self.name, what, message, figures)


def _is_standard(mean: float, deviation: float) -> bool:
    """Return whether numbers look as a scaler leaves them."""
    low, high = NEAR_DEVIATION
    return abs(mean) < NEAR_MEAN and low < deviation < high


def _of_table(
    spreads: Sequence[_Spread], moved: Mapping[str, Sequence[DriftFinding]]
) -> Iterator[DriftFinding]:
    """Yield that most columns were scaled in training and are not here, or reverse."""
    strange = [s for s in spreads if any(f.what != "constant" for f in moved[s.name])]
    unscaled = [s for s in strange if s.was_standard and not s.is_standard]
    twice = [s for s in strange if s.is_standard and not s.was_standard]
    figures = {"n_columns": float(len(spreads))}
    if 2 * len(unscaled) > len(spreads):
        msg = (
            f"you are scoring unscaled data: {len(unscaled)} of {len(spreads)} columns "
            f"of numbers had mean 0 and deviation 1 in training, here {_told(unscaled)}"
        )
        yield DriftFinding(
            None, "unscaled", msg, {"n_moved": float(len(unscaled)), **figures}
        )
    elif 2 * len(twice) > len(spreads):
        msg = (
            f"you are scoring data that was scaled twice: {len(twice)} of "
            f"{len(spreads)} columns of numbers have mean 0 and deviation 1 here, in "
            f"training {_told(twice)}"
        )
        yield DriftFinding(
            None, "scaled twice", msg, {"n_moved": float(len(twice)), **figures}
        )


def _told(spreads: Sequence[_Spread]) -> str:
    """Return the first column of several with its figures that are not standard."""
    first = spreads[0]
    is_here = first.was_standard
    mean = first.counts.mean if is_here else first.trained.mean
    deviation = first.counts.deviation if is_here else first.trained.deviation
    verb = "has" if is_here else "had"
    return f"{first.name!r} {verb} mean {mean:.4g} and deviation {deviation:.4g}"


def _lost(column: ColumnShares) -> DriftFinding:
    """Return that a column tells the model nothing."""
    figures = {"unseen": column.unseen, "missing": column.missing}
    return DriftFinding(column.name, "lost", column.description, figures)
