"""The folder that a command's files go into; knows no table and no model."""

from __future__ import annotations

from pathlib import Path

from pipeline.exceptions import OutputError

__all__ = ["make_folder"]


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} must be a folder, got {error.strerror}."
        raise OutputError(msg) from error
