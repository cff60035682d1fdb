"""Tables in, scores out; knows fitted scikit-learn estimators, but none of ours."""

from pipeline.scoring.score import ScoreSummary, score_table
from pipeline.scoring.tables import Chunk, as_frame, open_table, read_table

__all__ = [
    "Chunk",
    "ScoreSummary",
    "as_frame",
    "open_table",
    "read_table",
    "score_table",
]
