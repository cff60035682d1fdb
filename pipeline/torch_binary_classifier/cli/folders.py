"""The folder that a command's files go into; knows no table and no model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from torch_binary_classifier.exceptions import OutputError

__all__ = ["MODELS", "folder_for_output", "make_folder"]

# Where files go unless the user says otherwise.
MODELS = Path("models")


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there.

    Parameters
    ----------
    folder : path
        The folder; those above it are made too.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} must be a folder, got {error.strerror}."
        raise OutputError(msg) from error


@contextlib.contextmanager
def folder_for_output(folder: Path) -> Iterator[None]:
    """Make a folder for a block's output; take it away again if it stays empty.

    Parameters
    ----------
    folder : path
        The folder. One that was there before stays.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    is_new = not folder.exists()
    make_folder(folder)
    try:
        yield
    finally:
        if is_new:
            # A folder that holds something is not removed.
            with contextlib.suppress(OSError):
                folder.rmdir()
