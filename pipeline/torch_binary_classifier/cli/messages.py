"""Messages to the person at the terminal, one line each; knows no command."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator

from torch_binary_classifier.cli import PROGRAM
from torch_binary_classifier.wording import one_line, plain

__all__ = ["Warnings", "fail", "short_warnings", "warn"]


@contextlib.contextmanager
def short_warnings() -> Iterator[None]:
    """Show the warnings of a block as one line each, without a place in the code."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        warn(message)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def warn(message: object) -> None:
    """Report what does not keep the command from its work.

    Parameters
    ----------
    message : object
        The message, of any number of lines.
    """
    sys.stderr.write(f"{PROGRAM}: warning: {plain(one_line(message))}\n")


class Warnings:
    """A report of problems alone, told where nobody wants the rest."""

    def write(self, text: str, /) -> None:
        """Warn of a problem."""
        warn(text)

    def flush(self) -> None:
        """Do nothing: the standard error is not buffered."""


def fail(problem: object, code: int) -> int:
    """Report what ends the command.

    Parameters
    ----------
    problem : object
        The message, of any number of lines.
    code : int
        The exit code.

    Returns
    -------
    int
        The exit code.
    """
    with contextlib.suppress(OSError):  # of a terminal that has gone
        sys.stderr.write(f"{PROGRAM}: error: {plain(one_line(problem))}\n")
    return code
