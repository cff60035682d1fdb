"""Files that appear whole or not at all; knows joblib, but no estimator of ours."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import joblib

from pipeline.exceptions import ArtefactError, OutputError

__all__ = ["check_writable", "load", "replaced_file", "save"]


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
        If the file is missing, cut short, not a joblib file, or names classes that
        are not installed.

    Notes
    -----
    Loading a joblib file runs code that the file names: load only files whose
    origin you trust.

    Examples
    --------
    >>> load("absent.joblib")
    Traceback (most recent call last):
        ...
    pipeline.exceptions.ArtefactError: absent.joblib must be a model file, got no file.
    """
    try:
        return joblib.load(path)
    except FileNotFoundError as error:
        msg = f"{path} must be a model file, got no file."
        raise ArtefactError(msg) from error
    except ImportError as error:
        msg = (
            f"{path} must hold classes that are installed here, got {error}. "
            "Install what the model was trained with."
        )
        raise ArtefactError(msg) from error
    # A damaged pickle can raise any exception whatever.
    except Exception as error:
        msg = f"{path} must be a whole joblib file, got {_described(error)}."
        raise ArtefactError(msg) from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse a path at which no file could be written, before any work is done.

    Parameters
    ----------
    path : str or path
        The file that is to be written later.

    Raises
    ------
    OutputError
        If the folder is missing or read-only, or if something other than an
        ordinary file lies at the path.
    """
    final = Path(os.path.realpath(path))
    if not final.parent.is_dir():
        msg = f"{path} must lie in a folder that exists, got {str(final.parent)!r}."
        raise OutputError(msg)
    if final.exists() and not final.is_file():
        msg = f"{path} must be an ordinary file, got a folder or a device."
        raise OutputError(msg)
    if not os.access(final.parent, os.W_OK):
        msg = f"{path} must lie in a folder open for writing, got a read-only one."
        raise OutputError(msg)


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that takes its place at the path when the block ends.

    Parameters
    ----------
    path : str or path
        The file to write. A symbolic link is followed.

    Yields
    ------
    binary file
        Where to write the new content.

    Raises
    ------
    OutputError
        If the path is unfit, or if the block or the rename raise an OSError.

    Notes
    -----
    The temporary file lies in the same folder, because a rename is atomic only
    within one file system. It is removed if the block raises anything, an
    interruption from the keyboard included. File and folder are both brought to
    the disk, so that the new content outlives a loss of power.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "numbers.csv"
    ...     with replaced_file(path) as file:
    ...         _ = file.write(b"1,2,3")
    ...         path.exists()
    ...     path.read_bytes()
    False
    b'1,2,3'
    """
    check_writable(path)
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _copy_mode(final, temporary)
        temporary.replace(final)
        _sync_folder(final.parent)
    except OutputError:
        raise
    except OSError as error:
        msg = f"{path} must be writable, got {error.strerror or error}."
        raise OutputError(msg) from error
    finally:
        # After the rename there is no temporary file left to remove.
        with contextlib.suppress(OSError):
            temporary.unlink()


def _copy_mode(final: Path, temporary: Path) -> None:
    """Give the new file the permissions of the one that it replaces."""
    if final.exists():
        temporary.chmod(stat.S_IMODE(final.stat().st_mode))


def _sync_folder(folder: Path) -> None:
    """Bring the rename itself to the disk, where a folder can be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _described(error: Exception) -> str:
    """Return an exception as a few words on one line."""
    words = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
