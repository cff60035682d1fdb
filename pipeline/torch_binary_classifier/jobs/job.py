"""What is left of a job, part by part, up to its output; knows no columns."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_binary_classifier.exceptions import OutputError, TableError
from torch_binary_classifier.jobs.commit import check_finished, commit, read_success
from torch_binary_classifier.jobs.engines import Done
from torch_binary_classifier.jobs.inputs import InputFile
from torch_binary_classifier.jobs.limit import BadRecordLimit
from torch_binary_classifier.jobs.part_scorer import (
    PartScorer,
    PartTask,
    RejectedPart,
)
from torch_binary_classifier.jobs.place import SUCCESS, OutputPlace
from torch_binary_classifier.jobs.plan import differences
from torch_binary_classifier.jobs.record import (
    PartRecord,
    read_json,
    read_record,
    write_json,
)
from torch_binary_classifier.jobs.summary import (
    ScoreSummary,
    rejected_kinds,
)
from torch_binary_classifier.persistence.replacement import remove_leftovers
from torch_binary_classifier.scoring.counts import ColumnCounts, merged_counts
from torch_binary_classifier.scoring.drift import column_shares, drift_findings
from torch_binary_classifier.scoring.expected import Expected
from torch_binary_classifier.tables.chunk import ROW_COUNT
from torch_binary_classifier.wording import listed

__all__ = ["Job", "finished", "run"]

Report = Callable[[int, float], None]
ANEW = "Begin anew with restart=True (--restart)."


@dataclass
class Job:
    """All that one call is to do.

    Attributes
    ----------
    place : OutputPlace
        Where the output goes.
    plan : dict
        What the job is, in plain values.
    files : sequence of InputFile
        What is to be scored.
    expected : Expected
        What the model takes.
    scorer : PartScorer
        Scores one part.
    limit : BadRecordLimit
        How many records may be rejected.
    fail_on_drift : bool
        Whether rows unlike those of training end the job.
    part_bytes : int
        About how much text makes a part.
    """

    place: OutputPlace
    plan: dict[str, Any]
    files: Sequence[InputFile]
    expected: Expected
    scorer: PartScorer
    limit: BadRecordLimit
    fail_on_drift: bool
    part_bytes: int
    # Of each part that was read, roughly how much of the input ends with it.
    read_fractions: list[float] = field(default_factory=list)
    n_kept: int = 0

    @property
    def ignored(self) -> tuple[str, ...]:
        """Return the columns of the input that are neither read nor kept."""
        read = {own for file in self.files for own in file.columns.values()}
        names = dict.fromkeys(name for file in self.files for name in file.table.names)
        return tuple(n for n in names if n not in read and n not in self.scorer.keep)

    def is_finished(self, restart: bool) -> bool:
        """Return whether the output is there already; otherwise make room for work.

        Raises
        ------
        OutputError
            If something else is there, or has been begun, and nobody said to restart.
        """
        success, begun = read_success(self.place), read_json(self.place.plan)
        if restart:
            self._check_replaceable(success)
            self.place.clear_work()
        elif success is not None and success["plan"] == self.plan:
            check_finished(self.place, success)
            self.place.clear_work()
            return True
        elif begun is not None:
            self._check_same(begun, f"what {self.place.work} was begun with")
        elif success is not None:
            self._check_same(success["plan"], "what it was written with")
        else:
            self._check_absent()
        self.place.make_work()
        for folder in (self.place.work, self.place.parts, *self.place.bookkeeping):
            remove_leftovers(folder)
        if restart or begun is None:
            write_json(self.place.plan, self.plan, self.place.out)
        return False

    def tasks(self) -> Iterator[PartTask | PartRecord]:
        """Yield the parts in order, what is done already as its record.

        Raises
        ------
        OutputError
            If a part that is done was of other rows.
        """
        n_bytes = max(1, sum(file.size for file in self.files))
        before = number = 0
        for file in self.files:
            for part in file.table.parts(self.part_bytes):
                fraction = (before + part.read_fraction * file.size) / n_bytes
                self.read_fractions.append(fraction)
                task = PartTask(number, file.path, part, file.columns)
                yield self._kept(task) or task
                number += 1
            before += file.size

    def _kept(self, task: PartTask) -> PartRecord | None:
        """Return the record of a part that is done and may stay."""
        record = read_record(self.place.part_record(task.number))
        if record is None:
            return None
        _check_rows(task, record.source, record.first_row, record.input_digest)
        limit = self.limit.of_part
        if limit is not None and record.n_rejected > limit:
            return None
        if not record.is_kept(self.place):
            return None
        self.n_kept += 1
        return record

    def _check_same(self, former: dict[str, Any], words: str) -> None:
        """Refuse to go on with the work of another job."""
        found = differences(former, self.plan)
        if found:
            msg = f"{self.place.out} must be for {words}, got {'; '.join(found)}. "
            raise OutputError(msg + ANEW)

    def _check_absent(self) -> None:
        """Refuse to replace what no job has written."""
        out = self.place.out
        if out.is_dir() and any(out.iterdir()):
            msg = f"{out} must be a new or an empty folder, got one that is neither."
            raise OutputError(msg)
        if out.is_file():
            msg = f"{out} must not be there yet, got a file of another origin. {ANEW}"
            raise OutputError(msg)

    def _check_replaceable(self, success: dict[str, Any] | None) -> None:
        """Refuse to remove a folder with files that no job has written."""
        out = self.place.out
        if self.place.suffix or not out.is_dir():
            return
        ours = {SUCCESS, self.place.rejects.name}
        ours |= {file["name"] for file in (success or {}).get("files", ())}
        others = sorted({path.name for path in out.iterdir()} - ours)
        if others:
            msg = (
                f"{out} must hold nothing but scores to be replaced, got "
                f"{listed(others, n_shown=3)}."
            )
            raise OutputError(msg)


def finished(job: Job) -> ScoreSummary:
    """Return what a job has done before, if its input is still the same.

    Parameters
    ----------
    job : Job
        One of which the output is there.

    Returns
    -------
    ScoreSummary
        The numbers of rows.

    Raises
    ------
    OutputError
        If a file of the input has another content than then.
    """
    success = read_success(job.place) or {}
    parts = iter(success["parts"])
    for task in job.tasks():
        assert isinstance(task, PartTask), "there are no records any more"
        known = next(parts, None)
        if known is None:
            msg = f"{task.source} must be as it was when it was scored, got more rows. "
            raise OutputError(msg + ANEW)
        _check_rows(task, known["source"], known["first_row"], known["input_digest"])
    return ScoreSummary(
        success["rows_in"],
        success["rows_rejected"],
        success["rejected"],
        was_finished=True,
    )


def run(job: Job, done: Iterator[Done], report: Report | None) -> ScoreSummary:
    """See all parts done, and bring the output to its place.

    Parameters
    ----------
    job : Job
        The job.
    done : iterator of PartRecord or RejectedPart
        What becomes of each part, in order.
    report : callable or None
        Told how far it is.

    Returns
    -------
    ScoreSummary
        What was found.

    Raises
    ------
    TableError
        If too many records were rejected, or if drift is to end the job.
    OutputError
        If the output cannot be written.
    """
    taken = _Taken(job)
    try:
        for one in done:
            taken.add(one)
            if report is not None:
                n_done = len(taken.records)
                report(taken.n_rows, job.read_fractions[n_done - 1])
        taken.check_share()
        summary = taken.summary()
        if job.fail_on_drift and summary.drift:
            raise TableError(_drift_message(summary))
    except BaseException:
        with contextlib.suppress(OSError):
            if not any(job.place.part_record(0).parent.iterdir()):
                job.place.clear_work()
        raise
    commit(job.place, _success(job, summary), taken.records, job.scorer.schema)
    return summary


class _Taken:
    """The parts that are done so far, in order."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.records: list[PartRecord] = []
        self.n_rows = 0
        self.n_rejected = 0
        self._counts: dict[str, ColumnCounts] = {}

    def add(self, one: Done) -> None:
        """Take in a part, unless too many records were rejected by now."""
        if isinstance(one, RejectedPart):
            n_bad = self.n_rejected + one.n_rejected
            raise TableError(self._limit_message(n_bad, one.first))
        self.records.append(one)
        self.n_rows += one.n_rows
        self.n_rejected += one.n_rejected
        self._counts = merged_counts([self._counts, one.counts])
        number = self._job.limit.number
        if number is not None and self.n_rejected > number:
            raise TableError(self._limit_message(self.n_rejected, None))

    def check_share(self) -> None:
        """Refuse an input of which too large a share was rejected."""
        if not self._job.limit.allows(self.n_rejected, self.n_rows):
            raise TableError(self._limit_message(self.n_rejected, None))

    def summary(self) -> ScoreSummary:
        """Return what was found."""
        job, n_scored = self._job, self.n_rows - self.n_rejected
        return ScoreSummary(
            self.n_rows,
            self.n_rejected,
            rejected_kinds(self.records),
            job.ignored,
            column_shares(self._counts, job.expected, n_scored),
            tuple(drift_findings(self._counts, job.expected, n_scored)),
            tuple(job.expected.as_file),
            tuple(job.expected.notes),
            job.n_kept,
        )

    def _limit_message(self, n_bad: int, first: dict[str, Any] | None) -> str:
        """Say that too many records are bad, and which is the first of them."""
        for record in self.records:
            if record.n_rejected:
                path = self._job.place.part_rejects(record.number)
                with path.open("rb") as file:
                    first = json.loads(file.readline())
                break
        assert first is not None, "there is a bad record"
        line = "" if first["line"] is None else f", line {first['line']}"
        return (
            f"{first['file']}: {first['message']} in row {first['row']} ({ROW_COUNT})"
            f"{line}. At most {self._job.limit} records may be bad, got {n_bad} or "
            "more. max_bad_records (--max-bad-records) allows some."
        )


def _drift_message(summary: ScoreSummary) -> str:
    """Say that the rows are unlike those of training."""
    first, rest = summary.drift[0], len(summary.drift) - 1
    more = f" {rest} more findings." if rest else ""
    return f"the rows must be like those of training, got {first.message}.{more}"


def _success(job: Job, summary: ScoreSummary) -> dict[str, Any]:
    """Return what is to be said of the output."""
    return {
        "format": job.plan["format"],
        "plan": job.plan,
        "rows_in": summary.n_rows,
        "rows_scored": summary.n_scored,
        "rows_rejected": summary.n_rejected,
        "rejected": summary.rejected,
        "columns": {
            column.name: {"unseen": column.unseen, "missing": column.missing}
            for column in summary.columns
        },
        "drift": [finding.to_dict() for finding in summary.drift],
        "notes": list(summary.notes),
    }


def _check_rows(task: PartTask, source: str, first_row: int, digest: str) -> None:
    """Refuse a part that is not the one that was scored."""
    part = task.part
    if (source, first_row, digest) != (task.source, part.first_row, part.digest):
        msg = (
            f"{task.source} must be as it was when it was scored, got other content "
            f"from row {part.first_row} on. {ANEW}"
        )
        raise OutputError(msg)
