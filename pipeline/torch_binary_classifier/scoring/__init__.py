"""Tables in, scores out; knows fitted scikit-learn estimators, but none of ours."""

from torch_binary_classifier.scoring.batch_scorer import BatchScorer, scorer
from torch_binary_classifier.scoring.columns import InputColumn, InputColumns
from torch_binary_classifier.scoring.counts import ColumnCounts, merged_counts
from torch_binary_classifier.scoring.drift import ColumnShares
from torch_binary_classifier.scoring.expected import Expected, expected_columns
from torch_binary_classifier.scoring.following import input_columns
from torch_binary_classifier.scoring.row_scorer import RowScorer, ScoredRows
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.frame import as_frame
from torch_binary_classifier.tables.reading import open_table, read_table

__all__ = [
    "BatchScorer",
    "Chunk",
    "ColumnCounts",
    "ColumnShares",
    "Expected",
    "InputColumn",
    "InputColumns",
    "RowScorer",
    "ScoredRows",
    "as_frame",
    "expected_columns",
    "input_columns",
    "merged_counts",
    "open_table",
    "read_table",
    "scorer",
]
