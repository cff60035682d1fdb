"""What a table holds, in plain values, and another table beside it."""

from torch_binary_classifier.schemas.carried import carried_schema, schema_of
from torch_binary_classifier.schemas.checking import check_table
from torch_binary_classifier.schemas.description import ColumnSchema, TableSchema, Times
from torch_binary_classifier.schemas.report import Finding, TableReport
from torch_binary_classifier.schemas.taking import schema

__all__ = [
    "ColumnSchema",
    "Finding",
    "TableReport",
    "TableSchema",
    "Times",
    "carried_schema",
    "check_table",
    "schema",
    "schema_of",
]
