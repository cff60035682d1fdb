"""What is known of a part that is done, as its file says; scores nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from torch_binary_classifier.jobs.place import OutputPlace
from torch_binary_classifier.persistence.replacement import telling, written_file
from torch_binary_classifier.scoring.counts import ColumnCounts

__all__ = [
    "HashedFile",
    "PartRecord",
    "digest_of",
    "read_json",
    "read_record",
    "write_json",
]

READ_BYTES = 1 << 20


@dataclass(frozen=True)
class PartRecord:
    """A part that is done.

    Attributes
    ----------
    number : int
        Its position among all parts, counted from 0.
    source : str
        The file that it is of, as the user named it.
    first_row : int
        Position in that file of its first row.
    n_rows : int
        How many rows it has.
    n_rejected : int
        How many of them could not be scored.
    input_digest : str
        What changes if the rows change.
    digest : str
        SHA-256 of the part's file.
    rejects_digest : str
        SHA-256 of the file of its rejected records; nothing if there are none.
    n_bytes : int
        Size of the part's file.
    kinds : dict of str to int
        Rejected records of each kind.
    counts : dict of str to ColumnCounts
        What stands in each column.
    """

    number: int
    source: str
    first_row: int
    n_rows: int
    n_rejected: int
    input_digest: str
    digest: str
    rejects_digest: str
    n_bytes: int
    kinds: dict[str, int] = field(default_factory=dict)
    counts: dict[str, ColumnCounts] = field(default_factory=dict)

    @property
    def n_scored(self) -> int:
        """Return how many rows were scored."""
        return self.n_rows - self.n_rejected

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> PartRecord:
        """Return the record that `to_dict` wrote."""
        counts = {
            name: ColumnCounts(**found) for name, found in plain["counts"].items()
        }
        return cls(**plain | {"counts": counts})

    def is_kept(self, place: OutputPlace) -> bool:
        """Return whether the files of the part are as they were written."""
        rejects = place.part_rejects(self.number)
        return digest_of(place.part(self.number)) == self.digest and (
            not self.rejects_digest or digest_of(rejects) == self.rejects_digest
        )


class HashedFile:
    """A file that knows the digest of what was written to it.

    Parameters
    ----------
    file : binary file
        Where the bytes go; it stays open.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.n_bytes = 0
        self.closed = False

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all that was written."""
        return self._hash.hexdigest()

    def write(self, content: Any) -> int:
        """Write some bytes."""
        self._file.write(content)
        self._hash.update(content)
        n_bytes = memoryview(content).nbytes
        self.n_bytes += n_bytes
        return n_bytes

    def tell(self) -> int:
        """Return the position."""
        return self.n_bytes

    def flush(self) -> None:
        """Leave it to the file's owner to flush it, once."""

    def close(self) -> None:
        """Leave it to the file's owner to close it."""
        self.closed = True


def read_record(path: Path) -> PartRecord | None:
    """Return a part's record; None if there is none, or none that is whole."""
    plain = read_json(path)
    with contextlib.suppress(KeyError, TypeError):
        return None if plain is None else PartRecord.from_dict(plain)
    return None


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the plain values of a file; None if there is none, or none that is whole.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict or None
        Its content.
    """
    with (
        telling(path, "be readable"),
        contextlib.suppress(FileNotFoundError, ValueError),
    ):
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else None
    return None


def write_json(path: Path, plain: Any, out: Path) -> None:
    """Write plain values, for an output, to a file that appears whole or not at all."""
    content = json.dumps(plain, indent=1, sort_keys=True, allow_nan=False)
    with written_file(path, out) as file:
        file.write(content.encode() + b"\n")


def digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if there is none."""
    found = hashlib.sha256()
    with telling(path, "be readable"):
        try:
            with path.open("rb") as file:
                while content := file.read(READ_BYTES):
                    found.update(content)
        except FileNotFoundError:
            return None
    return found.hexdigest()
