"""A whole input scored exactly once: larger than memory, and resumed after a kill."""

from torch_binary_classifier.jobs.score_table import score_table
from torch_binary_classifier.jobs.summary import ScoreSummary

__all__ = ["ScoreSummary", "score_table"]
