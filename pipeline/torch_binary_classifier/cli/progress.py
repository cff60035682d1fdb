"""How far a training is, told on the standard error, and its end when time is over."""

from __future__ import annotations

import contextlib
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from torch_binary_classifier.interface.watching import EpochEnd, OutOfTime, watched_by
from torch_binary_classifier.progress import ProgressLine, duration

__all__ = ["SEARCH_SHARE", "Watch"]

# Of the time limit. A candidate in five folds takes some four times what it takes on
# all rows, so that what a search has measured by then can be trained in the rest.
SEARCH_SHARE = 0.75


class Watch:
    """Who watches a training: shows how far it is, and ends it when time is over.

    Parameters
    ----------
    is_shown : bool
        Whether progress is told.
    time_limit : float or None
        Seconds from now.
    """

    def __init__(self, *, is_shown: bool, time_limit: float | None) -> None:
        self._line = ProgressLine(sys.stderr)
        self._is_shown = is_shown
        self._began = time.monotonic()
        self._fit_began: float | None = None
        self.time_limit = math.inf if time_limit is None else time_limit
        self._n_candidates = self._number = 0

    @contextlib.contextmanager
    def fitting(self) -> Iterator[None]:
        """Watch the fit within a block."""
        self._fit_began = None
        with watched_by(self), self._cleared():
            # Told by who set the limit, and kept in the network's fit_report_.
            warnings.filterwarnings("ignore", "Training was interrupted", UserWarning)
            yield

    def begin(self) -> None:
        """Take note that an epoch begins: before the first, torch was loaded."""
        if self._fit_began is None:
            self._fit_began = time.monotonic()

    def end(self, epoch: EpochEnd) -> bool:
        """Show how far the fit is; never end it as if it had learned enough."""

        def words() -> str:
            seconds = time.monotonic() - (self._fit_began or self._began)
            left = seconds * (epoch.n_epochs / epoch.number - 1)
            return (
                f"epoch {epoch.number} of {epoch.n_epochs}, {epoch.n_running} of "
                f"{epoch.n_members} members, at most {self._left(left)} left"
            )

        self._show(words, epoch.number / epoch.n_epochs)
        return False

    def is_out_of_time(self) -> bool:
        """Return whether a fit is to end as it is."""
        return self._seconds > self.time_limit

    @property
    def has_time_to_search(self) -> bool:
        """Whether the search may go on."""
        return self._seconds <= SEARCH_SHARE * self.time_limit

    @contextlib.contextmanager
    def measuring(self, number: int, n_candidates: int) -> Iterator[None]:
        """Watch how one of some candidates is measured, counted from 1."""
        self._number, self._n_candidates = number, n_candidates
        with self._cleared():
            yield

    @contextlib.contextmanager
    def telling(self, count: Any) -> Iterator[Callable[..., None]]:
        """Show how far a candidate's fits are, and end the search when time is over."""

        def advance(*done: int) -> None:
            if not self.has_time_to_search:
                raise OutOfTime
            count.reach(*done)
            share = (self._number - 1 + count.fraction) / self._n_candidates
            self._show(lambda: self._words(count), share)

        yield advance

    def _words(self, count: Any) -> str:
        """Return how far a search is."""
        words = (
            f"candidate {self._number} of {self._n_candidates}: "
            f"{count.n_fits} fits, epoch {count.epoch}"
        )
        n_done = self._number - 1
        if not n_done:
            return words
        left = self._seconds * (self._n_candidates / n_done - 1)
        return f"{words}, about {self._left(left)} left"

    @property
    def _seconds(self) -> float:
        """Seconds since it began to watch."""
        return time.monotonic() - self._began

    def _left(self, seconds: float) -> str:
        """Return how much time is left, by the limit if that comes first."""
        return duration(max(0.0, min(seconds, self.time_limit - self._seconds)))

    def _show(self, words: Callable[[], str], fraction: float) -> None:
        """Show a line, unless nobody wants it."""
        if self._is_shown:
            self._line.show(words, fraction)

    @contextlib.contextmanager
    def _cleared(self) -> Iterator[None]:
        """Take the line off the terminal at the end of a block, and for a warning."""
        told = warnings.showwarning

        def show(*given: Any, **named: Any) -> None:
            self._line.clear()
            told(*given, **named)

        try:
            with warnings.catch_warnings():
                warnings.showwarning = show
                yield
        finally:
            self._line.clear()
