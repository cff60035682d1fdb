"""What the names of tables end in; knows nothing else."""

from __future__ import annotations

__all__ = ["CSV_SUFFIXES", "OTHER_SUFFIXES", "READ_SUFFIXES", "WRITE_SUFFIXES"]

CSV_SUFFIXES = (".csv", ".csv.gz", ".csv.zst")
READ_SUFFIXES = (*CSV_SUFFIXES, ".parquet", ".pq")
WRITE_SUFFIXES = (".csv", ".parquet", ".pq")
# Endings of tables that are not written, so that they are no names of folders either.
OTHER_SUFFIXES = (
    ".arrow",
    ".avro",
    ".feather",
    ".gz",
    ".json",
    ".jsonl",
    ".orc",
    ".tsv",
    ".txt",
    ".xlsx",
    ".zst",
)
