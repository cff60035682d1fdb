"""A line that tells how far some work is; knows words and streams, not the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

# A line on a terminal is drawn often; a log gets another one now and then.
TERMINAL_SECONDS, LOG_SECONDS = 0.1, 10.0


class ProgressLine:
    """Words and a bar, drawn anew on a terminal; elsewhere plain lines.

    Parameters
    ----------
    stream : text file
        Where the line goes.

    Notes
    -----
    What takes less than the time between two lines shows none.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._pause = TERMINAL_SECONDS if self._is_terminal else LOG_SECONDS
        self._last = time.monotonic()
        self._drawn: Progress | None = None
        self._lock = threading.Lock()

    def show(self, words: Callable[[], str], fraction: float | None = None) -> None:
        """Show how far the work is, unless the last line is quite new.

        Parameters
        ----------
        words : callable
            Returns the line's text; not called where nothing is shown.
        fraction : float, default=None
            How much of the work is done, from 0 to 1; None where nobody knows.
        """
        with self._lock:  # work may be done in several threads
            now = time.monotonic()
            if now - self._last < self._pause:
                return
            self._last = now
            if self._is_terminal:
                self._draw(words(), fraction)
            else:
                self._stream.write(f"{words()}\n")
                self._stream.flush()

    def clear(self) -> None:
        """Take the line off the terminal, to make room for what comes next."""
        with self._lock:
            if self._drawn is not None:
                self._drawn.stop()
                self._drawn = None

    def _draw(self, words: str, fraction: float | None) -> None:
        """Draw the line in place of the last one."""
        if self._drawn is None:
            self._drawn = _drawing(self._stream)
            self._drawn.add_task("")
        (task,) = self._drawn.task_ids
        total = None if fraction is None else 1.0
        self._drawn.update(
            task, description=words, total=total, completed=fraction or 0.0
        )
        self._drawn.start()  # once
        self._drawn.refresh()


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Parameters
    ----------
    seconds : float
        At least 0.

    Returns
    -------
    str
        Whole seconds, from a minute on with minutes, from an hour on without seconds.

    Examples
    --------
    >>> [duration(seconds) for seconds in (9.4, 65, 7260)]
    ['9 s', '1 min 05 s', '2 h 01 min']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _drawing(stream: TextIO) -> Progress:
    """Return what draws a line on a terminal; other output stays as it is."""
    # Not above: rich takes longer to import than most tables take to score.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    return Progress(
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="crop"),
        ),
        BarColumn(),
        console=Console(file=stream, force_terminal=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
