"""One command, its streams and its exit code; knows no arguments and no work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from torch_binary_classifier.cli import (
    PROGRAM,
    convert,
    demo,
    inspect,
    score,
    sign,
    train,
    verify,
)
from torch_binary_classifier.cli.messages import fail, short_warnings
from torch_binary_classifier.cli.signals import Terminated, raised_signals
from torch_binary_classifier.cli.terminal import discard, show_any_letter
from torch_binary_classifier.exceptions import OutputError

__all__ = ["main"]

COMMANDS = {
    "demo": demo,
    "train": train,
    "score": score,
    "inspect": inspect,
    "verify": verify,
    "sign": sign,
    "convert": convert,
}
DONE, UNFIT_INPUT, UNWRITABLE_OUTPUT, INTERRUPTED, SIGNALLED = 0, 3, 4, 130, 128


def main(argv: Sequence[str] | None = None, stream: TextIO | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None for those of the process.
    stream : text file, default=None
        Where results go; None for the standard output.

    Returns
    -------
    int
        0 done, 3 the input is unreadable or unfit, 4 an output could not be
        written, 128 and the number of the signal when stopped by one: 130 by Ctrl-C,
        143 by SIGTERM, 129 by SIGHUP. Unfit arguments end the process with code 2.

    Notes
    -----
    The report is an output too. A reader that leaves before its end, as ``head``
    does, does not stop ``train`` and ``demo``: their files are written, and the code
    is 4.
    """
    arguments = _parser().parse_args(argv)
    stream = sys.stdout if stream is None else stream
    show_any_letter(stream)
    try:
        with raised_signals(), short_warnings():
            arguments.run(arguments, stream)
            stream.flush()
    except ValueError as error:
        return fail(error, UNFIT_INPUT)
    except OutputError as error:
        return fail(error, UNWRITABLE_OUTPUT)
    except OSError as error:
        return _fail_stream(error, stream)
    except KeyboardInterrupt:
        return fail("Interrupted.", INTERRUPTED)
    except Terminated as error:
        return fail(f"Stopped by {error}.", SIGNALLED + error.number)
    return DONE


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Train, save and apply a binary classifier."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.HELP)
        command.add_arguments(added)
        added.set_defaults(run=command.run, refuse=added.error)
    return parser


def _fail_stream(error: OSError, stream: TextIO) -> int:
    """Report that the results cannot be written, and return the exit code."""
    discard(stream)
    if isinstance(error, BrokenPipeError):
        return UNWRITABLE_OUTPUT
    problem = f"the output must be writable, got {error.strerror or error}."
    return fail(problem, UNWRITABLE_OUTPUT)
