"""Where a table's bytes come from: a file, a pipe, standard input; knows no rows.

A stream is opened once, told by its first bytes, and handed on as text in UTF-8.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.tables.csv_format import CsvFormat

__all__ = [
    "STANDARD_INPUT",
    "TextStream",
    "check_kind",
    "shown_path",
    "telling",
]

STANDARD_INPUT = "-"
HEAD_BYTES = 1 << 12
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
PARQUET = b"PAR1"

# What files of other kinds begin with, what they are, and what to do with them.
SIGNATURES = (
    (GZIP, "a gzip file", "Name it .csv.gz if it holds CSV."),
    (b"PK\x03\x04", "a zip file or a workbook", "Unpack it, or save it as CSV."),
    (PARQUET, "a Parquet file", "Name it .parquet."),
    (b"\xd0\xcf\x11\xe0", "an old workbook", "Save it as CSV."),
    (b"ARROW1", "an Arrow file", "Save it as Parquet."),
    (b"BZh", "a bzip2 file", "Unpack it."),
    (b"\xfd7zXZ", "an xz file", "Unpack it."),
    (ZSTD, "a zstd file", "Name it .csv.zst if it holds CSV."),
)
BYTE_ORDER_MARKS = (
    # That of UTF-16 is how that of UTF-32 begins.
    ("utf-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    ("utf-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
)


def shown_path(path: str | Path) -> str:
    """Return how messages name a table.

    Parameters
    ----------
    path : str or path
        The file; ``-`` is standard input.

    Returns
    -------
    str
        The path as the user wrote it, or words.
    """
    return "standard input" if str(path) == STANDARD_INPUT else str(path)


def check_kind(source: str, wanted: str, head: bytes) -> None:
    """Refuse a file that by its first bytes is of a known other kind.

    Parameters
    ----------
    source : str
        The file, as the user named it.
    wanted : str
        What it must be.
    head : bytes
        How the file begins.

    Raises
    ------
    TableError
        If it begins as files of another kind do; the message says what to do.
    """
    for start, kind, next_step in SIGNATURES:
        if head.startswith(start):
            msg = f"{source} must be {wanted}, got {kind}. {next_step}"
            raise TableError(msg)


@contextlib.contextmanager
def telling(source: str) -> Iterator[None]:
    """Translate what the system says while a file is read.

    Parameters
    ----------
    source : str
        The file, as the user named it.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    TableError
        If the block raises an error of the system, of gzip or of zstd.
    """
    try:
        yield
    except FileNotFoundError as error:
        msg = f"{source} must be a file, got no file."
        raise TableError(msg) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        msg = f"{source} must be a whole gzip file, got a damaged or a cut one."
        raise TableError(msg) from error
    except _DamagedError as error:
        msg = f"{source} must be a whole zstd file, got a damaged or a cut one."
        raise TableError(msg) from error
    except OSError as error:
        msg = f"{source} must be a readable table, got {error.strerror or error}."
        raise TableError(msg) from error


class TextStream:
    """The text of a CSV file in UTF-8, to be read once.

    Parameters
    ----------
    path : str or path
        The file, compressed if its name ends in ``.gz`` or ``.zst``; ``-`` is standard
        input.
    csv_format : CsvFormat
        Tells the encoding.

    Attributes
    ----------
    mark_bytes : int
        Length of a byte order mark of UTF-8 before the text; 0 if there is none.

    Raises
    ------
    TableError
        If it is no text of that encoding by its first bytes.
    OSError
        If it cannot be opened.

    Notes
    -----
    With an encoding other than UTF-8, `read` raises UnicodeError where the text
    stops being such; everything before that place has been read then.
    """

    def __init__(self, path: str | Path, csv_format: CsvFormat) -> None:
        self._size: int | None = None
        self._file = self._opened(path)
        try:
            self._bytes = _Peeked(self._file)
            self._text = _text_of(self._bytes, path, csv_format)
            self._is_plain = csv_format.is_utf8 and self._text is self._bytes
            self.mark_bytes = _take_mark(self._text)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_pipe(self) -> bool:
        """Return whether the bytes are gone once they have been read."""
        return self._size is None

    @property
    def is_plain(self) -> bool:
        """Return whether the text stands in the file as `read` returns it."""
        return self._is_plain and not self.is_pipe

    @property
    def read_fraction(self) -> float:
        """Return how much of the file was read, 0 to 1; NaN of a pipe."""
        if self._size is None:
            return float("nan")
        n_read = self._file.tell() - len(self._bytes.head)
        return min(1.0, n_read / max(1, self._size))

    def read(self, size: int) -> bytes:
        """Return some of the next bytes, at the end none.

        Parameters
        ----------
        size : int
            How many bytes of the file to read at most.

        Returns
        -------
        bytes
            Text in UTF-8, without a byte order mark.
        """
        return self._text.read(size)

    def close(self) -> None:
        """Close the file, unless it is standard input."""
        if self._file is not getattr(sys.stdin, "buffer", None):
            self._file.close()

    def _opened(self, path: str | Path) -> BinaryIO:
        """Open the file; its size is known if it is an ordinary one."""
        if str(path) != STANDARD_INPUT:
            if Path(path).is_file():
                self._size = Path(path).stat().st_size
            return Path(path).open("rb")
        if sys.stdin is None:
            msg = f"{shown_path(path)} must be open, got none."
            raise TableError(msg)
        return sys.stdin.buffer


class _Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


class _Peeked:
    """Bytes of which the first few are known before they are read."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self.head = file.read(HEAD_BYTES)

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes."""
        if not self.head:
            return self._file.read(size)
        content, self.head = self.head[:size], self.head[size:]
        return content


class _Packed:
    """Bytes as pyarrow asks for them; whoever opened them closes them."""

    closed = False

    def __init__(self, file: _Readable) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes."""
        return self._file.read(size)

    def close(self) -> None:
        """Do nothing."""


class _DamagedError(Exception):
    """Bytes are not as they were packed."""


class _Unzstd:
    """The text of a zstd file."""

    def __init__(self, file: _Readable) -> None:
        # Not above: commands that read no table need not wait for it.
        import pyarrow as pa

        packed = pa.PythonFile(_Packed(file), "r")
        self._file = pa.CompressedInputStream(packed, "zstd")

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes."""
        try:
            return bytes(self._file.read(size))
        except OSError as error:
            # Those of the system have a number.
            if error.errno is None:
                raise _DamagedError from error
            raise


def _unzipped(file: Any) -> _Readable:
    """Return the text of a gzip file."""
    return gzip.GzipFile(fileobj=file, mode="rb")


# What names of packed files end in, what these are and begin with, and what unpacks.
PACKINGS: tuple[tuple[str, str, bytes, Callable[[Any], _Readable]], ...] = (
    (".gz", "gzip", GZIP, _unzipped),
    (".zst", "zstd", ZSTD, _Unzstd),
)


class _Transcoded:
    """Text of some encoding as text in UTF-8."""

    def __init__(self, file: _Readable, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._failure: UnicodeError | None = None

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes; raise UnicodeError after all good ones."""
        while self._failure is None:
            content = self._file.read(size)
            text = self._decoded(content).encode()
            if text or (not content and self._failure is None):
                return text
        raise self._failure

    def _decoded(self, content: bytes) -> str:
        """Return the text of some bytes, up to those that are none."""
        state = self._decoder.getstate()
        try:
            return self._decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            self._failure = error
            # The decoder was keeping the bytes of an unfinished character.
            n_good = max(0, error.start - len(state[0]))
            self._decoder.setstate(state)
            return self._decoder.decode(content[:n_good])


def _text_of(content: _Peeked, path: str | Path, csv_format: CsvFormat) -> _Peeked:
    """Return the text of an open file in UTF-8."""
    source = shown_path(path)
    for suffix, name, start, unpacked in PACKINGS:
        if source.lower().endswith(suffix):
            if not content.head.startswith(start):
                msg = f"{source} must be a {name} file, got other bytes. Name it .csv."
                raise TableError(msg)
            content = _Peeked(unpacked(content))
    check_kind(source, "CSV text", content.head)
    _check_mark(source, csv_format, content.head)
    if not csv_format.is_utf8:
        content = _Peeked(_Transcoded(content, csv_format.encoding))
    return content


def _take_mark(content: _Peeked) -> int:
    """Leave out the byte order mark of UTF-8, and return its length."""
    text = content.head.removeprefix(codecs.BOM_UTF8)
    n_bytes = len(content.head) - len(text)
    content.head = text
    return n_bytes


def _check_mark(source: str, csv_format: CsvFormat, head: bytes) -> None:
    """Refuse text whose byte order mark is that of another encoding."""
    given = codecs.lookup(csv_format.encoding).name
    for encoding, marks in BYTE_ORDER_MARKS:
        if given.startswith(encoding):
            return
        if head.startswith(marks):
            msg = (
                f"{source} must be text in {csv_format.encoding.upper()}, got "
                f"{encoding.upper()}. Read it with encoding='{encoding}' "
                f"(--encoding {encoding})."
            )
            raise TableError(msg)
