"""Streams of text that may be unable to show a letter, or go away."""

from __future__ import annotations

import contextlib
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, Protocol

from torch_binary_classifier.exceptions import OutputError

__all__ = [
    "COLUMNS",
    "Output",
    "Silence",
    "discard",
    "outlived",
    "show_any_letter",
    "write_paragraph",
]

# Of the smallest terminal that a report is made for.
COLUMNS = 80


class Output(Protocol):
    """Where a report goes."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> object:
        """Bring what was written to its reader."""


class Silence:
    """A report that nobody wants."""

    def write(self, text: str, /) -> None:
        """Write nothing."""

    def flush(self) -> None:
        """Do nothing."""


def show_any_letter(stream: Any) -> None:
    """Let a stream write escapes for the letters that its encoding lacks.

    Parameters
    ----------
    stream : text file
        A stream of the process; one that cannot be reconfigured stays as it is.
    """
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def write_paragraph(
    text: str, stream: Output, *, first: str = "", indent: str = "  "
) -> None:
    """Write a text in lines that no terminal has to break.

    Parameters
    ----------
    text : str
        The text; words that are longer than a line stay whole.
    stream : text file
        Where to write.
    first : str, default=""
        What stands before the text in its first line.
    indent : str, default="  "
        What stands before it in the others.
    """
    filled = textwrap.fill(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    stream.write(f"{filled or first.rstrip()}\n")


def discard(stream: Any) -> None:
    """Let what is still written to the standard output vanish.

    Parameters
    ----------
    stream : text file
        The stream that failed; nothing happens unless it is the standard output,
        which Python flushes once more at its end, and would fail again.
    """
    if stream is sys.stdout:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def outlived(stream: Output) -> Iterator[Output]:
    """Report on work that is done whether or not anyone reads the report to its end.

    Parameters
    ----------
    stream : text file
        Where the report goes.

    Yields
    ------
    Output
        Where to write; after the stream has failed, nothing is written any more.

    Raises
    ------
    OutputError
        At the end of the block, if the stream failed within it.
    """
    report = _Report(stream)
    yield report
    report.flush()
    if report.failure is not None:
        reason = report.failure.strerror or type(report.failure).__name__
        msg = (
            f"the report must be writable to its end, got {reason}. "
            "The work itself is done."
        )
        raise OutputError(msg) from report.failure


class _Report:
    """A stream that remembers its first failure and goes on."""

    def __init__(self, stream: Output) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str, /) -> None:
        """Write text, unless the stream has failed before."""
        if self.failure is None:
            with self._remembered():
                self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream, unless it has failed before."""
        if self.failure is None:
            with self._remembered():
                self._stream.flush()

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        """Keep a failure instead of raising it."""
        try:
            yield
        except OSError as error:
            self.failure = error
            discard(self._stream)
