"""The words that stand for a missing cell; knows nothing else."""

from __future__ import annotations

__all__ = ["MISSING_WORDS"]

# What spreadsheets, R, SQL and pandas write for "no value", in lower case.
MISSING_WORDS = (
    "",
    "#n/a",
    "<na>",
    "n/a",
    "na",
    "nan",
    "-nan",
    "none",
    "null",
)
