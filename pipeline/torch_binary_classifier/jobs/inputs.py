"""The files of a job and their columns, held against the model; scores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring.expected import Expected
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.parquet_file import ParquetTable
from torch_binary_classifier.tables.reading import open_table
from torch_binary_classifier.tables.table import Table, check_columns
from torch_binary_classifier.wording import listed

__all__ = ["InputFile", "check_kept", "kept_columns", "kept_types", "opened"]


@dataclass(frozen=True)
class InputFile:
    """A file that is to be scored.

    Attributes
    ----------
    path : str
        The file, as the user named it.
    table : Table
        Its rows.
    columns : mapping of str to str
        The file's name of each column that the model takes.
    size : int
        In bytes; 0 of a pipe.
    """

    path: str
    table: Table
    columns: Mapping[str, str]
    size: int

    def types(self) -> dict[str, Any]:
        """Return the types of the columns that the model takes; None in a CSV file."""
        if not isinstance(self.table, ParquetTable):
            return dict.fromkeys(self.columns)
        return {name: self.table.types[own] for name, own in self.columns.items()}


def opened(
    paths: Sequence[str],
    expected: Expected,
    csv_format: CsvFormat,
    keep: Sequence[str] | Literal["all"],
) -> Iterator[InputFile]:
    """Yield the files of a job, of which only the column names have been read.

    Parameters
    ----------
    paths : sequence of str
        The files.
    expected : Expected
        Which columns the model takes.
    csv_format : CsvFormat
        How CSV files are written.
    keep : sequence of str or "all"
        Columns that are to be in the output as well.

    Yields
    ------
    InputFile
        In the order of the paths.

    Raises
    ------
    TableError
        If a file cannot be read, or lacks a column that the model takes or that is to
        be kept.
    """
    for path in paths:
        table = open_table(
            path, separator=csv_format.separator, encoding=csv_format.encoding
        )
        columns = (
            _by_position(table, expected, keep)
            if expected.is_positional
            else {name: name for name in expected.columns.names}
        )
        wanted = dict.fromkeys([*columns.values(), *kept_columns(table, keep)])
        check_columns(table, list(wanted))
        is_file = Path(path).is_file()
        yield InputFile(
            path, table, columns, Path(path).stat().st_size if is_file else 0
        )


def kept_columns(table: Table, keep: Sequence[str] | Literal["all"]) -> tuple[str, ...]:
    """Return which columns of a table are to be in the output."""
    return table.names if keep == "all" else tuple(keep)


def _by_position(
    table: Table, expected: Expected, keep: Sequence[str] | Literal["all"]
) -> dict[str, str]:
    """Return the columns of a file by their order, without those to keep if need be."""
    names, wanted = list(table.names), expected.columns.names
    if len(names) != len(wanted) and keep != "all":
        names = [name for name in names if name not in keep]
    if len(names) != len(wanted):
        msg = (
            f"{table.source} must have {len(wanted)} columns, as the model was trained "
            f"on so many without names, got {len(names)}. Those of keep (--keep) are "
            "put aside."
        )
        raise TableError(msg)
    return dict(zip(wanted, names, strict=True))


def kept_types(files: Sequence[InputFile], keep: Any) -> dict[str, Any]:
    """Return names and types of the columns to keep.

    Parameters
    ----------
    files : sequence of InputFile
        All files.
    keep : sequence of str or "all"
        Which columns.

    Returns
    -------
    dict of str to pyarrow.DataType
        Text from a CSV file, the type of the file from a Parquet file.

    Raises
    ------
    TableError
        If files do not agree on the columns or their types.
    """
    first = _types(files[0].table, keep)
    for file in files[1:]:
        types = _types(file.table, keep)
        if types != first:
            other = next(
                (n for n in {**first, **types} if first.get(n) != types.get(n)), "order"
            )
            msg = (
                f"{file.path} must have the columns to keep in the types of "
                f"{files[0].path}, got {types.get(other)} for {other!r} instead of "
                f"{first.get(other)}."
            )
            raise TableError(msg)
    return first


def _types(table: Table, keep: Any) -> dict[str, Any]:
    """Return names and types of the columns to keep of one table."""
    return {name: table.types[name] for name in kept_columns(table, keep)}


def check_kept(names: Sequence[str], added: Sequence[str]) -> None:
    """Refuse columns to keep that are named as one that is added, or twice.

    Parameters
    ----------
    names : sequence of str
        The columns to keep.
    added : sequence of str
        The columns that the output has besides.

    Raises
    ------
    ValueError
        If there is such a one.
    """
    wrong = [name for i, name in enumerate(names) if name in {*added, *names[:i]}]
    if wrong:
        msg = (
            f"keep must be columns of other names than the output's own, each once, "
            f"got {listed(wrong)}."
        )
        raise ValueError(msg)
