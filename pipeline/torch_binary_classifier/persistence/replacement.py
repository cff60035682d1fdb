"""Files that appear whole or not at all; knows nothing of what is in them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from torch_binary_classifier.exceptions import OutputError

try:
    import fcntl
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

__all__ = [
    "check_writable",
    "remove_leftovers",
    "replaced_file",
    "sync_folder",
    "telling",
    "written_file",
]

# Of the 255 bytes that file systems allow, without what a temporary name adds.
MOST_NAME_BYTES = 200


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
    with telling(path):
        if not final.parent.is_dir():
            msg = f"{path} must lie in a folder that exists, got {str(final.parent)!r}."
            raise OutputError(msg)
        mode = _mode_of(final)
        if mode is not None and not stat.S_ISREG(mode):
            msg = f"{path} must be an ordinary file, got a folder or a device."
            raise OutputError(msg)
        if not os.access(final.parent, os.W_OK):
            msg = f"{path} must lie in a folder open for writing, got a read-only one."
            raise OutputError(msg)


@contextlib.contextmanager
def replaced_file(
    path: str | os.PathLike[str], *, n_bytes: int = 0
) -> Iterator[BinaryIO]:
    """Open a temporary file that takes its place at the path when the block ends.

    Parameters
    ----------
    path : str or path
        The file to write. A symbolic link is followed.
    n_bytes : int, default=0
        How many bytes will be written, if that is known.

    Yields
    ------
    binary file
        Where to write the new content.

    Raises
    ------
    OutputError
        If the path is unfit or its disk has no room for as many bytes, or if the
        block or the rename raise an OSError. Or if the file is in place, but its
        folder could not be brought to the disk.

    Notes
    -----
    The temporary file lies in the same folder, because a rename is atomic only
    within one file system, and has the permissions of the file that it replaces. It
    is removed if the block raises anything, an interruption from the keyboard
    included. File and folder are both brought to the disk, so that the new content
    outlives a loss of power.

    What a killed process left for the same path is removed first. A lock on each
    temporary file, which ends with its process, tells the dead from the living.

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
    _check_room(path, final.parent, n_bytes)
    remove_leftovers(final.parent, re.escape(_stem_of(final)))
    with written_file(final, path) as file:
        yield file


@contextlib.contextmanager
def written_file(
    final: Path, named: str | os.PathLike[str] | None = None
) -> Iterator[BinaryIO]:
    """Open a temporary file as `replaced_file` does, in a folder of the caller's own.

    What dead processes left is not looked for, which would take the longer the more
    files there are: `remove_leftovers` does that once.

    Parameters
    ----------
    final : Path
        The file to write, no link.
    named : str or path, default=None
        How messages name it; None for its path.

    Yields
    ------
    binary file
        Where to write the new content.

    Raises
    ------
    OutputError
        As `replaced_file` does.
    """
    path = final if named is None else named
    with telling(path), _temporary_beside(final) as temporary:
        with temporary.open("r+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _copy_mode(final, temporary)  # in case it has changed meanwhile
        temporary.replace(final)
        sync_folder(path, final.parent)


def _check_room(path: str | os.PathLike[str], folder: Path, n_bytes: int) -> None:
    """Refuse a disk that is too full, before anything is written to it."""
    with telling(path):
        n_free = shutil.disk_usage(folder).free
    if n_free < n_bytes:
        msg = (
            f"{path} must lie on a disk with {n_bytes} bytes free, got {n_free}. "
            "A file that is replaced counts until the new one is whole."
        )
        raise OutputError(msg)


@contextlib.contextmanager
def telling(path: str | os.PathLike[str], rule: str = "be writable") -> Iterator[None]:
    """Translate what the system says of a path.

    Parameters
    ----------
    path : str or path
        How the message names it.
    rule : str, default="be writable"
        What it must be.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    OutputError
        If the block raises an OSError.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        msg = f"{path} must {rule}, got {error.strerror or error}."
        raise OutputError(msg) from error


@contextlib.contextmanager
def _temporary_beside(final: Path) -> Iterator[Path]:
    """Make a temporary file, which is locked and has the final permissions."""
    mode = _mode_of(final)
    temporary, descriptor = _new_temporary(final, 0o666 if mode is None else 0o600)
    try:
        _copy_mode(final, temporary)
        yield temporary
    finally:
        # After the rename there is no temporary file left to remove.
        with contextlib.suppress(OSError):
            temporary.unlink()
        os.close(descriptor)


def _new_temporary(final: Path, mode: int) -> tuple[Path, int]:
    """Return a new file of ours and the descriptor that holds its lock."""
    while True:
        name = f".{_stem_of(final)}.{secrets.token_hex(8)}.tmp"
        temporary = final.with_name(name)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        if _lock(descriptor) and os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)  # removed by another process before it was locked
            continue
        return temporary, descriptor


def _stem_of(final: Path) -> str:
    """Return what the names of a file's temporary files share."""
    return os.fsdecode(os.fsencode(final.name)[:MOST_NAME_BYTES])


def remove_leftovers(folder: Path, stem: str = ".*") -> None:
    """Remove the temporary files in a folder whose processes are dead.

    Parameters
    ----------
    folder : Path
        The folder; one that may not be listed is left as it is.
    stem : str, default=".*"
        Regular expression of the names of the files that they were for.
    """
    pattern = re.compile(rf"\.{stem}\.[0-9a-f]{{16}}\.tmp")
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if pattern.fullmatch(path.name):
                _remove_if_dead(path)


def _remove_if_dead(temporary: Path) -> None:
    """Remove a temporary file unless a process holds its lock, or may do so."""
    if not HAS_LOCKS:
        return
    with contextlib.suppress(OSError):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(temporary, flags)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            temporary.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file until its descriptor is closed, where the system can."""
    if not HAS_LOCKS:
        return False
    with contextlib.suppress(OSError):  # where it cannot, no one else can either
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    return False


def _mode_of(path: Path) -> int | None:
    """Return what a path is and its permissions; None if nothing is there."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _copy_mode(final: Path, temporary: Path) -> None:
    """Give the new file the permissions of the one that it replaces."""
    mode = _mode_of(final)
    if mode is not None:
        temporary.chmod(stat.S_IMODE(mode))


def sync_folder(path: str | os.PathLike[str], folder: Path) -> None:
    """Bring the rename of a file itself to the disk, where a folder can be opened.

    Parameters
    ----------
    path : str or path
        How the message names the file.
    folder : Path
        Where it lies.

    Raises
    ------
    OutputError
        If the system fails to.
    """
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except PermissionError:  # open for writing, but not for reading
        return
    except OSError as error:
        if error.errno == errno.EINVAL:  # a file system that knows no such thing
            return
        msg = (
            f"the folder of {path} must be brought to the disk, got {error.strerror}. "
            "The new file is in place, but may be lost with the power."
        )
        raise OutputError(msg) from error
