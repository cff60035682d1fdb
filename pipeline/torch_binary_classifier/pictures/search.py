"""What a search tried and found, as a picture; knows candidates, but no models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.pictures.candidates import (
    Candidates,
    candidates_of,
    is_number,
)
from torch_binary_classifier.pictures.drawing import axes_for, label_of
from torch_binary_classifier.wording import shown

__all__ = ["SearchDisplay"]

# A table of so many rows and columns can be read in a picture 400 pixels wide.
MOST_LEVELS = 8
MOST_WIDE_CELLS = 4  # beside each other, each with a score of four digits
# Of a parameter's values so many are written beside its axis.
MOST_TICKS = 6
MOST_CHARACTERS = 9
LOG_FROM = 50.0  # largest value over smallest, from which on an axis is logarithmic


class SearchDisplay:
    """The candidates of a search and their scores.

    Two parameters of a grid are drawn as a heat map, others as parallel coordinates: an
    axis for each parameter and one for the score, and a line for each candidate.

    Use `from_search` to make one.

    Parameters
    ----------
    candidates : Candidates
        What was tried.

    Attributes
    ----------
    kind : {"heat map", "parallel coordinates"}
        What the picture is.
    ax_ : Axes
        The axes, once drawn.
    figure_ : Figure
        Their figure.
    lines_ : list of Line2D
        The candidates, the best one last, in parallel coordinates.
    image_ : AxesImage or None
        The heat map.
    text_ : ndarray of Text or None
        The scores in the heat map, row by row.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]})
    >>> search = search.fit([[-1.0], [1.0]] * 5, ["no", "yes"] * 5)
    >>> SearchDisplay(candidates=candidates_of(search)).kind
    'parallel coordinates'
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]
    image_: Any
    text_: Any

    def __init__(self, *, candidates: Candidates) -> None:
        self.candidates = candidates

    @property
    def kind(self) -> str:
        """Return what the picture is."""
        names = list(self.candidates.values)
        n_levels = [len(self.candidates.levels(name)) for name in names]
        is_grid = (
            len(names) == 2
            and max(n_levels) <= MOST_LEVELS
            and np.prod(n_levels) == len(self.candidates.scores)
        )
        return "heat map" if is_grid else "parallel coordinates"

    @classmethod
    def of(cls, search: Any) -> SearchDisplay:
        """Return what `from_search` draws, not drawn yet.

        Parameters
        ----------
        search : estimator
            As there.

        Returns
        -------
        SearchDisplay
            The picture.

        Raises
        ------
        ValueError
            If it is no fitted search, or tried no two values of any parameter.
        """
        return cls(candidates=candidates_of(search))

    @classmethod
    def from_search(cls, search: Any, *, ax: Any = None) -> SearchDisplay:
        """Draw what a search tried and found.

        Parameters
        ----------
        search : estimator
            A fitted search: `GridSearchCV`, `RandomizedSearchCV`, a halving one.
        ax : Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        SearchDisplay
            The picture.

        Raises
        ------
        ValueError
            If it is no fitted search, or tried no two values of any parameter.
        ImportError
            If matplotlib is not installed.
        """
        return cls.of(search).plot(ax)

    def plot(self, ax: Any = None) -> SearchDisplay:
        """Draw the candidates.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        SearchDisplay
            This picture.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_for(ax, "SearchDisplay")
        self.figure_ = self.ax_.figure
        self.lines_, self.image_, self.text_ = [], None, None
        if self.kind == "heat map":
            self._draw_map()
        else:
            self._draw_lines()
        return self

    def _draw_map(self) -> None:
        """Draw the scores of a grid of two parameters."""
        found = self.candidates
        across, down = found.values
        columns, rows = found.levels(across), found.levels(down)
        grid = np.full((len(rows), len(columns)), np.nan)
        places = (_places(found, down), _places(found, across))
        grid[places] = found.scores
        shades = "Blues_r" if found.is_loss else "Blues"
        self.image_ = self.ax_.imshow(grid, cmap=shades, aspect="auto")
        for names, axis in ((columns, self.ax_.xaxis), (rows, self.ax_.yaxis)):
            labels = [label_of(_written(value), MOST_CHARACTERS) for value in names]
            axis.set_ticks(range(len(names)), labels)
        self.ax_.set(xlabel=_short(across), ylabel=_short(down))
        self.ax_.set_title(self._title(), fontsize="medium")
        self._write_scores(grid, (places[0][found.best], places[1][found.best]))

    def _write_scores(self, grid: NDArray[np.float64], best: tuple[int, int]) -> None:
        """Write each score into its cell, the best one in bold."""
        self.text_ = np.empty(grid.shape, dtype=object)
        n_digits = 4 if grid.shape[1] <= MOST_WIDE_CELLS else 3
        for place, score in np.ndenumerate(grid):
            red, green, blue, _ = self.image_.cmap(self.image_.norm(score))
            is_dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            self.text_[place] = self.ax_.text(
                place[1],
                place[0],
                "failed" if np.isnan(score) else f"{score:.{n_digits}f}",
                ha="center",
                va="center",
                fontsize="small" if grid.shape[1] <= MOST_WIDE_CELLS else "x-small",
                weight="bold" if place == best else "normal",
                color="white" if is_dark and not np.isnan(score) else "0.05",
            )

    def _draw_lines(self) -> None:
        """Draw one line for each candidate, the better the stronger, the best last."""
        found = self.candidates
        heights = [*(self._heights(name) for name in found.values), self._scores()]
        order = [
            row for row in np.argsort(heights[-1]) if not np.isnan(heights[-1][row])
        ]
        lines = np.array(heights)
        for rank, row in enumerate(order):
            is_best = row == order[-1]
            strength = 0.1 + 0.6 * (rank / len(order)) ** 2
            self.lines_ += self.ax_.plot(
                lines[:, row],
                color="C1" if is_best else "C0",
                alpha=1.0 if is_best else strength,
                linewidth=2.5 if is_best else 1.0,
                marker="o" if is_best else None,
            )
        for place in range(len(heights)):
            self.ax_.axvline(place, color="0.5", linewidth=1, zorder=1)
        self._label_axes(heights)

    def _heights(self, name: str) -> NDArray[np.float64]:
        """Return where the candidates cross the axis of a parameter, 0 to 1."""
        levels = self.candidates.levels(name)
        if not all(map(is_number, levels)):
            return _places(self.candidates, name) / (len(levels) - 1.0)
        values: Any = np.array(self.candidates.values[name], dtype=float)
        if values.min() > 0 and values.max() / values.min() >= LOG_FROM:
            values = np.log(values)
        return np.asarray((values - values.min()) / np.ptp(values))

    def _scores(self) -> NDArray[np.float64]:
        """Return where the candidates cross the axis of the score: the best at 1."""
        scores = self.candidates.scores * (-1 if self.candidates.is_loss else 1)
        span = np.nanmax(scores) - np.nanmin(scores)
        return (scores - np.nanmin(scores)) / span if span > 0 else scores * 0 + 1

    def _label_axes(self, heights: list[NDArray[np.float64]]) -> None:
        """Write values beside the axes, and the names of the parameters below."""
        found = self.candidates
        given = [*found.values.values(), found.scores.tolist()]
        for place, (values, where) in enumerate(zip(given, heights, strict=True)):
            written = "{:.4f}".format if values is given[-1] else _written
            for height, value in _ticks(where, values):
                self.ax_.annotate(
                    label_of(written(value), MOST_CHARACTERS),
                    (place, height),
                    xytext=(5, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize="x-small",
                    bbox=self._backing(),
                    zorder=5,
                )
        names = [*map(_short, found.values), label_of(found.score_name, 14)]
        self.ax_.set_xticks(range(len(names)), names, rotation=30, ha="right")
        self.ax_.set_yticks([])
        self.ax_.set_xlim(-0.1, len(names) - 0.45)
        self.ax_.set_title(self._title(), fontsize="medium")
        for side in ("left", "right", "top", "bottom"):
            self.ax_.spines[side].set_visible(False)

    def _backing(self) -> dict[str, Any]:
        """Return a patch of the background, on which a value can be read."""
        return {
            "boxstyle": "square,pad=0.1",
            "facecolor": self.ax_.get_facecolor(),
            "edgecolor": "none",
            "alpha": 0.75,
        }

    def _title(self) -> str:
        """Return what the scores are."""
        found = self.candidates
        best = found.scores[found.best]
        way = "lowest" if found.is_loss else "highest"
        name = label_of(found.score_name)
        return f"{way} {name} of {len(found.scores)}: {best:.4f}"


def _places(candidates: Candidates, name: str) -> NDArray[np.intp]:
    """Return the place of each candidate's value among those of its parameter."""
    levels = [shown(level) for level in candidates.levels(name)]
    return np.array([levels.index(shown(one)) for one in candidates.values[name]])


def _ticks(heights: NDArray[np.float64], values: list[Any]) -> list[tuple[float, Any]]:
    """Return heights and values to write there, far enough from each other."""
    known = {
        height: value
        for height, value in zip(heights.tolist(), values, strict=True)
        if not np.isnan(height)
    }
    places = sorted(known)
    chosen = places[:1]
    for place in places[1:-1]:
        if min(place - chosen[-1], places[-1] - place) >= 1 / MOST_TICKS:
            chosen.append(place)
    return [(place, known[place]) for place in dict.fromkeys([*chosen, *places[-1:]])]


def _written(value: Any) -> str:
    """Return a value of a parameter, short."""
    if is_number(value):
        return f"{value:.2g}"
    return value if isinstance(value, str) else shown(value)


def _short(name: str) -> str:
    """Return a parameter's name without those of the steps it is in."""
    return label_of(name.rpartition("__")[2], 20)
