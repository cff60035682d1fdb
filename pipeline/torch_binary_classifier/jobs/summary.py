"""What became of a job, as data; knows no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch_binary_classifier.jobs.record import PartRecord
from torch_binary_classifier.scoring.drift import ColumnShares, DriftFinding

__all__ = ["ScoreSummary", "rejected_kinds"]


@dataclass(frozen=True)
class ScoreSummary:
    """What was scored.

    Attributes
    ----------
    n_rows : int
        Rows of the input: each was scored or rejected.
    n_rejected : int
        How many could not be scored.
    rejected : dict of str to int
        How many for which reason, as `BadRow` names them.
    ignored : tuple of str
        Columns of the input that the model does not know or drops.
    columns : tuple of ColumnShares
        Of each column that was read, which share of its cells the model has never
        met, and which is missing. Empty if there are no rows.
    drift : tuple of DriftFinding
        Where the rows are unlike those of training.
    as_file : tuple of str
        Columns that were read as the files say, because the model does not tell what
        they hold.
    notes : tuple of str
        What had to be assumed.
    n_kept_parts : int
        Parts that a former run had done.
    was_finished : bool
        Whether a former run had done all.
    """

    n_rows: int
    n_rejected: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    columns: tuple[ColumnShares, ...] = ()
    drift: tuple[DriftFinding, ...] = ()
    as_file: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    n_kept_parts: int = 0
    was_finished: bool = False

    @property
    def n_scored(self) -> int:
        """Return how many rows were scored."""
        return self.n_rows - self.n_rejected


def rejected_kinds(records: Sequence[PartRecord]) -> dict[str, int]:
    """Return how many records of each kind were rejected in all parts."""
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.kinds)
    return dict(sorted(total.items()))
