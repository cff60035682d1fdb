"""Files scored part by part, as a job does it, for the tests of scoring."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from torch_binary_classifier.scoring import (
    Chunk,
    Expected,
    RowScorer,
    expected_columns,
    merged_counts,
    open_table,
)
from torch_binary_classifier.scoring.drift import column_shares, drift_findings


@dataclass(frozen=True)
class Scored:
    """What became of a file."""

    frame: pd.DataFrame
    bad: list
    columns: tuple
    findings: list
    counts: dict
    expected: Expected


def score_file(model, path, *, schema=None, part_bytes=1 << 20, **options):
    """Score a file part by part."""
    table = open_table(path)
    expected = expected_columns(model, schema).seen_in([table])
    scorer = RowScorer(model, expected, **options)
    scored, bad = [], []
    for part in open_table(path).parts(part_bytes):
        for chunk, unread in part.read(scorer.names(), scorer.types):
            scored.append(scorer.score(chunk))
            bad += [*unread, *scored[-1].bad]
    frame = pd.DataFrame(
        {
            "_row": joined([one.chunk.all_rows for one in scored]),
            "probability": joined([one.probabilities for one in scored]),
            "prediction": joined([one.predictions for one in scored]),
        }
    )
    counts = merged_counts(one.counts for one in scored)
    return Scored(
        frame,
        sorted(bad, key=lambda one: one.row),
        column_shares(counts, expected, len(frame)),
        drift_findings(counts, expected, len(frame)),
        counts,
        expected,
    )


def joined(arrays):
    """Return arrays one after the other."""
    return np.concatenate(arrays) if arrays else np.empty(0)


def chunk_of(table, source="new", first_row=0):
    """Return a table of Arrow as a chunk."""
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    return Chunk(source, first_row, table.num_rows, columns, 1.0)
