"""Where the columns of a table lie, and where a network wants them, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from torch_binary_classifier import wording
from torch_binary_classifier.estimator.input_scale import InputScale, measure
from torch_binary_classifier.estimator.unscaled_columns import (
    LARGEST_MEAN_SIZE,
    LARGEST_SIZE,
    harmful,
)
from torch_binary_classifier.pictures.drawing import axes_for, label_of
from torch_binary_classifier.pictures.steps import before_last

__all__ = ["InputScaleDisplay"]

MOST_COLUMNS = 12
LARGEST_SHOWN = 1e250  # beyond that an axis has no room for its margin
MOST_TICKS_OF_A_SIDE = 2
# So many deviations from 0 count in the order of columns as a size of e.
FAR_OFFSET = 30.0


class InputScaleDisplay:
    """Mean and deviation of the columns, and the limits for a network's input.

    Use `from_data` or `from_estimator` to make one.

    Parameters
    ----------
    scale : InputScale
        What was measured, by ``torch_binary_classifier.estimator.input_scale.measure``.
    feature_names : sequence of str
        The names of the columns.

    Attributes
    ----------
    worst : ndarray of int
        The columns by their distance from unit scale, those that will harm a training
        before all others.
    shown : ndarray of int
        Those in the picture, from top to bottom: the first of ``worst``.
    ax_ : Axes
        The axes, once drawn.
    figure_ : Figure
        Their figure.
    lines_ : dict of str to ErrorbarContainer
        The columns by what is said of them: "fine", "too large" or "too small".

    Notes
    -----
    A dot is a column's mean, a bar reaches one deviation to either side. The axis is
    linear from -1 to 1, where standardised columns lie, and logarithmic beyond. "too
    large" is a root mean square over 100, or over 10 if that of all columns together
    is; "too small" a column whose values vary by less than 0.3, or by less than a
    thirtieth of their distance from 0.

    Examples
    --------
    >>> X = np.column_stack([np.linspace(-1, 1, 20), np.linspace(900, 990, 20)])
    >>> names = ["score", "pressure"]
    >>> display = InputScaleDisplay(scale=measure(X), feature_names=names)
    >>> [names[column] for column in display.worst]
    ['pressure', 'score']
    """

    ax_: Any
    figure_: Any
    lines_: dict[str, Any]

    def __init__(self, *, scale: InputScale, feature_names: Sequence[str]) -> None:
        self.scale = scale
        self.feature_names = list(feature_names)

    @property
    def worst(self) -> NDArray[np.intp]:
        """Return the columns, the furthest from unit scale first."""
        size = np.clip(self.scale.rms, np.finfo(float).tiny, LARGEST_SHOWN)
        offset = np.minimum(self.scale.offset, 1e6) / FAR_OFFSET
        distance = np.abs(np.log(size)) + offset
        return np.lexsort((-distance, ~self.off))

    @property
    def off(self) -> NDArray[np.bool_]:
        """Return which columns make training slow or let it fail."""
        return harmful(self.scale)

    @property
    def large(self) -> NDArray[np.bool_]:
        """Return which of them are too large; the others vary too little."""
        is_large: NDArray[np.bool_] = self.off & (self.scale.rms >= 1)
        return is_large

    @property
    def shown(self) -> NDArray[np.intp]:
        """Return the columns in the picture."""
        return self.worst[:MOST_COLUMNS]

    @classmethod
    def of(cls, estimator: Any, X: Any) -> InputScaleDisplay:
        """Return what `from_estimator` draws, not drawn yet.

        Parameters
        ----------
        estimator : estimator
            As there.
        X : frame, array-like or sparse matrix of shape (n_rows, n_columns)
            As there.

        Returns
        -------
        InputScaleDisplay
            The picture.

        Raises
        ------
        ValueError
            If what comes to the last step is something else than numbers.
        """
        transformers = before_last(estimator)
        names: Any = getattr(X, "columns", None)
        rows = X
        for transformer in transformers:
            rows = transformer.transform(rows)
            names = _names_out(transformer, names)
        if not transformers or names is None or len(names) != rows.shape[1]:
            names = None
        return _measured(cls, rows, names)

    @classmethod
    def from_data(
        cls, X: Any, *, feature_names: Sequence[str] | None = None, ax: Any = None
    ) -> InputScaleDisplay:
        """Draw where the columns of a table lie.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_columns)
            Numbers; nan is a gap.
        feature_names : sequence of str, default=None
            The names of the columns; None for those of a frame, or x0, x1 and so on.
        ax : Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        InputScaleDisplay
            The picture.

        Raises
        ------
        ValueError
            If X holds other things than finite numbers and gaps, or if there are not
            as many names as columns.
        ImportError
            If matplotlib is not installed.
        """
        return _measured(cls, X, feature_names).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, ax: Any = None
    ) -> InputScaleDisplay:
        """Draw where the columns lie that come to the last step of a model.

        Parameters
        ----------
        estimator : estimator
            A fitted pipeline, or a model with one inside. Of a model without steps
            the columns are those of X.
        X : frame, array-like or sparse matrix of shape (n_rows, n_columns)
            Rows as the model takes them.
        ax : Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        InputScaleDisplay
            The picture.

        Raises
        ------
        ValueError
            If what comes to the last step is something else than numbers.
        ImportError
            If matplotlib is not installed.
        """
        return cls.of(estimator, X).plot(ax)

    def plot(self, ax: Any = None) -> InputScaleDisplay:
        """Draw the columns that are furthest from unit scale.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        InputScaleDisplay
            This picture.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_for(ax, "InputScaleDisplay")
        self.figure_ = self.ax_.figure
        self.ax_.set_xscale("symlog", linthresh=1, linscale=0.5)
        self._draw_columns()
        self._draw_limits()
        self.ax_.set_ylim(len(self.shown) - 0.5, -0.5)
        self.ax_.set_yticks(range(len(self.shown)), self._labels())
        self.ax_.tick_params("y", labelsize="small")
        n_shown, n_columns = len(self.shown), len(self.worst)
        part = f"\n(worst {n_shown} of {n_columns:,})" if n_shown < n_columns else ""
        self.ax_.set_xlabel(f"Mean and deviation{part}")
        self._set_ticks()
        self.ax_.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=2,
            frameon=False,
            fontsize="small",
        )
        return self

    def _draw_columns(self) -> None:
        """Draw the mean and the deviation of every column."""
        off, large = self.off[self.shown], self.large[self.shown]
        kinds = {
            "fine": (~off, "C0", "o"),
            "too large": (large, "C3", "s"),
            "too small": (off & ~large, "C1", "D"),
        }
        self.lines_ = {}
        mean, deviation = (
            np.clip(values[self.shown], -LARGEST_SHOWN, LARGEST_SHOWN)
            for values in (self.scale.mean, self.scale.deviation)
        )
        for name, (chosen, color, marker) in kinds.items():
            if chosen.any():
                self.lines_[name] = self.ax_.errorbar(
                    mean[chosen],
                    np.flatnonzero(chosen),
                    xerr=deviation[chosen],
                    fmt=marker,
                    color=color,
                    markersize=5,
                    capsize=3,
                    label=f"{name} ({self._n_of(name):,})",
                )

    def _n_of(self, kind: str) -> int:
        """Return how many columns of the table are of a kind."""
        kinds = {
            "fine": ~self.off,
            "too large": self.large,
            "too small": self.off & ~self.large,
        }
        return int(kinds[kind].sum())

    def _draw_limits(self) -> None:
        """Draw where standardised columns lie, and what is too large."""
        self.ax_.axvspan(-1, 1, color="0.5", alpha=0.2, linewidth=0, label="unit scale")
        limit = self._limit()
        for edge in (-limit, limit):
            self.ax_.axvline(
                edge,
                color="0.5",
                linestyle="--",
                linewidth=1,
                label=f"limit ±{limit:g}" if edge > 0 else None,
            )

    def _limit(self) -> float:
        """Return the root mean square from which on a column is too large."""
        with np.errstate(over="ignore"):
            together = self.scale.rms.mean() > LARGEST_MEAN_SIZE
        return LARGEST_MEAN_SIZE if together else LARGEST_SIZE

    def _labels(self) -> list[str]:
        """Return the names of the columns in the picture."""
        return [label_of(self.feature_names[column]) for column in self.shown]

    def _set_ticks(self) -> None:
        """Set ticks at powers of ten, few enough to be read, the same on both sides."""
        low, high = self.ax_.get_xlim()
        largest = max(-low, high, 10.0)
        step = -(-int(np.log10(largest)) // MOST_TICKS_OF_A_SIDE)
        powers = 10.0 ** np.arange(step, np.log10(largest) + 1, step)
        ticks = np.array([*-powers[::-1], 0.0, *powers])
        self.ax_.set_xticks(ticks[(ticks >= low) & (ticks <= high)])
        self.ax_.minorticks_off()
        self.ax_.set_xlim(low, high)


def _measured(
    cls: type[InputScaleDisplay], X: Any, feature_names: Sequence[str] | None
) -> InputScaleDisplay:
    """Return the picture of a table, or refuse it."""
    numbers = _numbers(X)
    names = _names(X, numbers.shape[1]) if feature_names is None else feature_names
    if len(names) != numbers.shape[1]:
        msg = (
            f"feature_names must be {numbers.shape[1]} names, one per column of X, "
            f"got {len(names)}."
        )
        raise ValueError(msg)
    return cls(scale=measure(numbers), feature_names=names)


def _numbers(X: Any) -> Any:
    """Return a table's numbers as an array or a CSR matrix, or refuse it."""
    try:
        return check_array(
            X, accept_sparse="csr", dtype=np.float64, ensure_all_finite="allow-nan"
        )
    except (TypeError, ValueError) as error:
        msg = (
            "X must be a table of finite numbers and gaps, got "
            f"{wording.one_line(error).rstrip('.')}."
        )
        raise ValueError(msg) from error


def _names(X: Any, n_columns: int) -> list[str]:
    """Return the names of a table's columns, or numbers in their place."""
    given = getattr(X, "column_names", getattr(X, "columns", None))
    if given is None:
        return [f"x{column}" for column in range(n_columns)]
    return [str(name) for name in given]


def _names_out(transformer: Any, names: Any) -> Any:
    """Return the names of a transformer's columns; None where it does not know."""
    try:
        return transformer.get_feature_names_out(names)
    except (AttributeError, ValueError):
        return None
