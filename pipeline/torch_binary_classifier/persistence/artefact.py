"""Model files: knows joblib, but no estimator of ours."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import joblib

from torch_binary_classifier.exceptions import ArtefactError
from torch_binary_classifier.persistence.replacement import replaced_file
from torch_binary_classifier.wording import one_line

__all__ = ["load", "save"]

# The first bytes of a pickle, and of one that joblib compressed: zlib, gzip, bz2,
# xz, lzma and lz4.
FIRST_BYTES = (
    b"\x80",
    b"\x78",
    b"\x1f\x8b",
    b"BZ",
    b"\xfd7z",
    b"\x5d\x00",
    b"\x04\x22\x4d\x18",
)
# As an AttributeError shows the module that is run, with -m by its full name.
MAIN_MODULE = re.compile(r"module '(?:\S+\.)?__main__'")


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write an estimator as an ordinary joblib file.

    Parameters
    ----------
    estimator : object
        Anything that pickles: a fitted Pipeline, a search, a classifier.
    path : str or path
        The file to write, by custom ``NAME.joblib``. Its folder must exist; a
        file that is already there is replaced at the very end.

    Raises
    ------
    OutputError
        If the file cannot be written. Nothing is left behind then, and a file
        that was already there keeps its content.

    Notes
    -----
    The file is not compressed, so ``joblib.load(path, mmap_mode="r")`` works on it.
    It is written to a temporary file in the same folder, brought to the disk and
    then renamed: a reader sees the former file or the new one, never a mix.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import joblib
    >>> with TemporaryDirectory() as folder:
    ...     save({"threshold": 0.5}, Path(folder) / "model.joblib")
    ...     joblib.load(Path(folder) / "model.joblib")
    {'threshold': 0.5}
    """
    with replaced_file(path) as file:
        joblib.dump(estimator, file)


def load(path: str | os.PathLike[str]) -> Any:
    """Return the estimator of a joblib file.

    Parameters
    ----------
    path : str or path
        A file that `save` or ``joblib.dump`` wrote.

    Returns
    -------
    object
        Whatever the file holds.

    Raises
    ------
    ArtefactError
        If the file is missing, unreadable, cut short or not a joblib file, or if it
        names classes that are not installed or that a script defined.

    Notes
    -----
    Loading a joblib file runs code that the file names: load only files whose
    origin you trust.

    Examples
    --------
    >>> load("absent.joblib")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
        ...
    torch_binary_classifier.exceptions.ArtefactError: absent.joblib must be a model
    file, got no file.
    """
    try:
        return joblib.load(path)
    # A damaged pickle can raise any exception whatever.
    except Exception as error:
        msg = f"{path} must be {_file_fault(error) or _content_fault(path, error)}"
        raise ArtefactError(msg) from error


def _file_fault(error: Exception) -> str | None:
    """Return what a file should be and is not, if it could not be read at all."""
    if isinstance(error, FileNotFoundError):
        return "a model file, got no file."
    if isinstance(error, IsADirectoryError):
        return "a model file, got a folder."
    if isinstance(error, OSError) and error.errno is not None:
        return f"a file that can be read, got {error.strerror}."
    return None


def _content_fault(path: str | os.PathLike[str], error: Exception) -> str:
    """Return what a file's content should be and is not."""
    if MAIN_MODULE.search(str(error)):
        return (
            f"free of what a script or a notebook defines, got {error}. "
            "Move that into a module that can be imported, and save again."
        )
    if isinstance(error, ImportError) or "Can't get attribute" in str(error):
        return (
            f"made of classes that are installed here, got {error}. "
            "Install what the model was trained with."
        )
    first = _first_bytes(path)
    if first == b"":
        return "a whole joblib file, got an empty one."
    if first is not None and not first.startswith(FIRST_BYTES):
        return f"a joblib file, got one of another kind, which begins with {first!r}."
    described = _described(error)
    if isinstance(error, EOFError) or re.search("EOF|truncated|Ran out", str(error)):
        return f"a whole joblib file, got one that is cut short ({described})."
    return (
        f"a whole joblib file, got {described}. It is damaged, or was written by "
        "other versions than those installed here."
    )


def _first_bytes(path: str | os.PathLike[str]) -> bytes | None:
    """Return the beginning of an ordinary file; a pipe gives it only once."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        return file.read(8)


def _described(error: Exception) -> str:
    """Return an exception as a few words on one line."""
    words = one_line(error).rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
