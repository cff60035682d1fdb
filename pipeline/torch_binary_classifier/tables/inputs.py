"""The files that a list of files, folders and patterns names; reads none of them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.streams import STANDARD_INPUT
from torch_binary_classifier.tables.suffixes import READ_SUFFIXES

__all__ = ["table_paths"]

# What programs leave beside their tables begins so: markers, checksums, scratch.
HIDDEN = (".", "_")


def table_paths(inputs: Sequence[str | Path]) -> list[str]:
    """Return the files that some inputs name.

    Parameters
    ----------
    inputs : sequence of str or path
        Files, which need not exist; folders, for all tables in them and in the
        folders there, by their suffixes and without what begins with ``.`` or ``_``;
        patterns with ``*``, ``?``, ``[...]``, or ``**`` for any folders; ``-`` for
        standard input.

    Returns
    -------
    list of str
        The files, in the order of the inputs; those of a folder or a pattern are
        sorted.

    Raises
    ------
    TableError
        If an input is a folder without tables or a pattern that fits none, or if a
        file is named twice.

    Examples
    --------
    >>> table_paths(["new.csv", "-"])
    ['new.csv', '-']
    """
    paths = [path for given in inputs for path in _named(str(given))]
    seen: dict[str, str] = {}
    for path in paths:
        place = path if path == STANDARD_INPUT else os.path.realpath(path)
        if place in seen:
            msg = (
                f"inputs must name each file once, got {path!r} "
                f"{_again(seen[place], path)}."
            )
            raise TableError(msg)
        seen[place] = path
    return paths


def _named(given: str) -> list[str]:
    """Return the files that one input names."""
    # The name of a file may look like a pattern.
    if given == STANDARD_INPUT or Path(given).is_file():
        return [given]
    suffixes = ", ".join(READ_SUFFIXES)
    if Path(given).is_dir():
        found = list(_in_folder(Path(given)))
        rule = f"{given} must be a folder with files that end in {suffixes}"
    elif glob.has_magic(given):
        found = list(_fitting(given))
        rule = f"{given} must fit the names of files that end in {suffixes}"
    else:
        return [given]
    if not found:
        msg = f"{rule}, got none."
        raise TableError(msg)
    return found


def _fitting(pattern: str) -> Iterator[str]:
    """Yield the tables that a pattern fits, the hidden ones only if it says so."""
    said = set(Path(pattern).parts)
    for found in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207
        path = Path(found)
        hidden = {part for part in path.parts if part.startswith(HIDDEN)}
        if hidden <= said and path.is_file() and _is_table(path):
            yield found


def _in_folder(folder: Path) -> Iterator[str]:
    """Yield the tables of a folder and of those in it."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(HIDDEN):
            continue
        if path.is_dir():
            yield from _in_folder(path)
        elif path.is_file() and _is_table(path):
            yield str(path)


def _is_table(path: Path) -> bool:
    """Return whether a file's name is one of a table."""
    return path.name.lower().endswith(READ_SUFFIXES)


def _again(before: str, path: str) -> str:
    """Return how a file was named before."""
    return "twice" if before == path else f"and {before!r}, which is the same"
