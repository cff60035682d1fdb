"""Where a job's files lie, and who may write there; knows no rows and no models.

While a job runs, all that it writes lies in the folder OUT.parts; OUT itself appears
whole, in one rename, at the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch_binary_classifier.exceptions import OutputError
from torch_binary_classifier.persistence.replacement import (
    HAS_LOCKS,
    check_writable,
    sync_folder,
    telling,
)
from torch_binary_classifier.tables.suffixes import OTHER_SUFFIXES, WRITE_SUFFIXES

if HAS_LOCKS:
    import fcntl

__all__ = [
    "SUCCESS",
    "OutputPlace",
    "check_place",
    "clear_if_empty",
    "clear_work",
    "locked",
    "make_work",
]

SUCCESS = "_SUCCESS.json"


@dataclass(frozen=True)
class OutputPlace:
    """Where a job writes.

    Attributes
    ----------
    out : Path
        What the user asked for: a file, or a folder of parts.

    Raises
    ------
    ValueError
        If it ends as tables do that are not written here.
    """

    out: Path

    def __post_init__(self) -> None:
        if self.out.suffix.lower() in OTHER_SUFFIXES:
            msg = (
                f"out must end in {', '.join(WRITE_SUFFIXES)}, or be the name of a "
                f"folder, got {str(self.out)!r}."
            )
            raise ValueError(msg)

    @property
    def suffix(self) -> str:
        """Return the kind of file, or nothing if it is a folder of parts."""
        suffix = self.out.suffix.lower()
        return suffix if suffix in WRITE_SUFFIXES else ""

    @property
    def part_suffix(self) -> str:
        """Return the kind of file of a part."""
        # Parts of one Parquet file are encoded once, when they are put together.
        return {"": ".parquet", ".csv": ".csv"}.get(self.suffix, ".arrow")

    @property
    def work(self) -> Path:
        """Return the folder that holds what is not finished."""
        return self._beside(".parts")

    @property
    def lock(self) -> Path:
        """Return the file that is locked while a run writes."""
        return self._beside(".lock")

    @property
    def plan(self) -> Path:
        """Return the file that says what the unfinished work is."""
        return self.work / "plan.json"

    @property
    def parts(self) -> Path:
        """Return the folder of the parts, which will be OUT if that is a folder."""
        return self.work / "scores"

    @property
    def success(self) -> Path:
        """Return the file that says that the output is whole, and what it is."""
        return self._beside(".success.json") if self.suffix else self.out / SUCCESS

    @property
    def rejects(self) -> Path:
        """Return the file of the rejected records."""
        if self.suffix:
            return self._beside(".rejects.jsonl")
        return self.out / "_rejects.jsonl"

    def part(self, number: int) -> Path:
        """Return the file of a part."""
        return self.parts / f"part-{number:05d}{self.part_suffix}"

    def part_record(self, number: int) -> Path:
        """Return the file that says that a part is done."""
        return self.work / "records" / f"{number:05d}.json"

    def part_rejects(self, number: int) -> Path:
        """Return the file of a part's rejected records."""
        return self.work / "rejects" / f"{number:05d}.jsonl"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders of the unfinished work."""
        records, rejects = self.part_record(0).parent, self.part_rejects(0).parent
        return (self.work, self.parts, records, rejects)

    def _beside(self, ending: str) -> Path:
        """Return a path beside the output."""
        return self.out.with_name(f"{self.out.name}{ending}")


def check_place(place: OutputPlace) -> None:
    """Refuse a place where nothing could be written, before any work is done.

    Parameters
    ----------
    place : OutputPlace
        The place.

    Raises
    ------
    OutputError
        If the folder around it is missing or read-only, or something of another
        kind lies there.
    """
    if place.suffix:
        check_writable(place.out)
        return
    check_writable(place.work.with_name(f"{place.work.name}.tmp"))
    if place.out.exists() and not place.out.is_dir():
        msg = f"{place.out} must be a folder or end in {', '.join(WRITE_SUFFIXES)}, "
        raise OutputError(msg + "got a file.")


def make_work(place: OutputPlace) -> None:
    """Make the folders of the unfinished work."""
    with telling(place.out):
        for folder in place.folders:
            folder.mkdir(exist_ok=True)
        sync_folder(place.out, place.work.parent)


def clear_work(place: OutputPlace) -> None:
    """Remove all that is not finished."""
    with telling(place.out):
        if place.work.exists():
            shutil.rmtree(place.work)


def clear_if_empty(place: OutputPlace) -> None:
    """Remove the unfinished work if no part is done, as well as that can be."""
    with contextlib.suppress(OSError):
        if not any(place.part_record(0).parent.iterdir()):
            shutil.rmtree(place.work)


@contextlib.contextmanager
def locked(place: OutputPlace) -> Iterator[None]:
    """Keep others from writing the same output while the block runs.

    The system takes the lock off when the process ends, however it ends.

    Parameters
    ----------
    place : OutputPlace
        Where the output goes.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    OutputError
        If another process holds it.
    """
    if not HAS_LOCKS:
        yield
        return
    path = place.lock
    with telling(place.out):
        descriptor = _locked_file(path, place.out)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _locked_file(path: Path, out: Path) -> int:
    """Return the descriptor of a locked file that is still at its path."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            msg = f"{out} must be written by one run at a time, got a second one."
            raise OutputError(msg) from error
        except BaseException:
            os.close(descriptor)
            raise
        # The one that held it before may have removed it meanwhile.
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
