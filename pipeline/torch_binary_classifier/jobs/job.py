"""What is left of a job, part by part, up to its output; knows no columns."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch_binary_classifier.exceptions import GapWarning, OutputError, TableError
from torch_binary_classifier.jobs.commit import Output, check_finished, read_success
from torch_binary_classifier.jobs.engines import Done, Engine
from torch_binary_classifier.jobs.inputs import InputFile
from torch_binary_classifier.jobs.limit import BadRecordLimit
from torch_binary_classifier.jobs.part_scorer import (
    PartScorer,
    PartTask,
    RejectedPart,
)
from torch_binary_classifier.jobs.place import (
    SUCCESS,
    OutputPlace,
    clear_if_empty,
    clear_work,
    locked,
    make_work,
)
from torch_binary_classifier.jobs.plan import differences
from torch_binary_classifier.jobs.record import (
    PartRecord,
    read_json,
    read_record,
    write_json,
)
from torch_binary_classifier.jobs.summary import ScoreSummary, rejected_kinds
from torch_binary_classifier.persistence.replacement import remove_leftovers
from torch_binary_classifier.scoring.counts import ColumnCounts, merged_counts
from torch_binary_classifier.scoring.drift import column_shares, drift_findings
from torch_binary_classifier.scoring.expected import Expected
from torch_binary_classifier.tables.chunk import ROW_COUNT
from torch_binary_classifier.wording import listed

__all__ = ["Job", "Rules"]

Report = Callable[[int, float], None]
ANEW = "Begin anew with restart=True (--restart)."


@dataclass(frozen=True)
class Rules:
    """What ends a job; the output does not depend on it.

    Attributes
    ----------
    limit : BadRecordLimit
        How many records may be rejected.
    fail_on_drift : bool
        Whether rows unlike those of training end the job.
    restart : bool
        Whether what was begun and finished before counts for nothing.
    """

    limit: BadRecordLimit
    fail_on_drift: bool
    restart: bool


@dataclass(frozen=True)
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
    part_bytes : int
        About how much text makes a part.
    """

    place: OutputPlace
    plan: dict[str, Any]
    files: Sequence[InputFile]
    expected: Expected
    scorer: PartScorer
    part_bytes: int

    def run(self, engine: Engine, rules: Rules, report: Report | None) -> ScoreSummary:
        """Do what is left, and bring the output to its place.

        Parameters
        ----------
        engine : Engine
            Who scores the parts.
        rules : Rules
            What ends the job.
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
            If the output cannot be written, or is that of another job.
        """
        with locked(self.place):
            success = self._success_of_before(rules)
            if success is not None:
                return self._finished(success)
            self._begin(rules)
            return self._scored(engine, rules, report)

    def _success_of_before(self, rules: Rules) -> dict[str, Any] | None:
        """Return what is said of an output that is there; refuse another job's."""
        success, begun = read_success(self.place), read_json(self.place.plan)
        if rules.restart:
            _check_replaceable(self.place, success)
        elif success is not None and success["plan"] == self.plan:
            check_finished(self.place, success)
            clear_work(self.place)
            return success
        elif begun is not None:
            self._check_same(begun, f"what {self.place.work} was begun with")
        elif success is not None:
            self._check_same(success["plan"], "what it was written with")
        else:
            _check_absent(self.place)
        return None

    def _begin(self, rules: Rules) -> None:
        """Make room for the work, and write down what it is."""
        if rules.restart:
            clear_work(self.place)
        make_work(self.place)
        for folder in self.place.folders:
            remove_leftovers(folder)
        remove_leftovers(self.place.success.parent, re.escape(self.place.success.name))
        if read_json(self.place.plan) is None:
            write_json(self.place.plan, self.plan, self.place.out)

    def _check_same(self, former: dict[str, Any], words: str) -> None:
        """Refuse to go on with the work of another job."""
        found = differences(former, self.plan)
        if found:
            msg = f"{self.place.out} must be for {words}, got {'; '.join(found)}. "
            raise OutputError(msg + ANEW)

    def _finished(self, success: dict[str, Any]) -> ScoreSummary:
        """Return what was done before, if the input is still the same."""
        known = iter(success["parts"])
        for task, _ in self._tasks():
            part: dict[str, Any] = next(known, {})
            told = (part.get(key) for key in ("source", "first_row", "input_digest"))
            _check_rows(task, *told)
        return ScoreSummary(
            success["rows_in"],
            success["rows_rejected"],
            success["rejected"],
            was_finished=True,
        )

    def _tasks(self) -> Iterator[tuple[PartTask, float]]:
        """Yield the parts in order, and roughly which share of all ends with each."""
        n_bytes = max(1, sum(file.size for file in self.files))
        before = number = 0
        for file in self.files:
            for part in file.table.parts(self.part_bytes):
                fraction = (before + part.read_fraction * file.size) / n_bytes
                yield PartTask(number, file.path, part, file.columns), fraction
                number += 1
            before += file.size

    def _scored(
        self, engine: Engine, rules: Rules, report: Report | None
    ) -> ScoreSummary:
        """See all parts done, and bring the output to its place."""
        try:
            with Output(self.place, self.scorer.schema) as output:
                summary = self._seen_done(engine, rules, output, report)
                output.commit(_success(self.plan, summary))
        except BaseException:
            clear_if_empty(self.place)
            raise
        return summary

    def _seen_done(
        self, engine: Engine, rules: Rules, output: Output, report: Report | None
    ) -> ScoreSummary:
        """See all parts done, and return what they hold."""
        taken = _Taken(self, rules.limit)
        scorer = replace(self.scorer, limit=rules.limit.of_part)
        # The summary tells of gaps, for all rows at once.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GapWarning)
            for one in engine.done(taken.left(self._tasks()), scorer):
                output.add(taken.added(one, report))
        summary = taken.summary()
        if rules.fail_on_drift and summary.drift:
            raise TableError(_drift_message(summary))
        return summary

    @property
    def ignored(self) -> tuple[str, ...]:
        """Return the columns of the input that are neither read nor kept."""
        read = {own for file in self.files for own in file.columns.values()}
        names = dict.fromkeys(name for file in self.files for name in file.table.names)
        return tuple(n for n in names if n not in read and n not in self.scorer.keep)


@dataclass
class _Taken:
    """The parts that are done so far, in order."""

    job: Job
    limit: BadRecordLimit
    records: list[PartRecord] = field(default_factory=list)
    n_rows: int = 0
    n_rejected: int = 0
    n_kept: int = 0
    counts: dict[str, ColumnCounts] = field(default_factory=dict)
    fractions: list[float] = field(default_factory=list)

    def left(
        self, tasks: Iterable[tuple[PartTask, float]]
    ) -> Iterator[PartTask | PartRecord]:
        """Yield the parts in order, what is done already as its record."""
        for task, fraction in tasks:
            self.fractions.append(fraction)
            record = self._kept(task)
            self.n_kept += record is not None
            yield record or task

    def _kept(self, task: PartTask) -> PartRecord | None:
        """Return the record of a part that is done and may stay."""
        place, limit = self.job.place, self.limit.of_part
        record = read_record(place.part_record(task.number))
        if record is None or (limit is not None and record.n_rejected > limit):
            return None
        _check_rows(task, record.source, record.first_row, record.input_digest)
        return record if record.is_kept(place) else None

    def added(self, one: Done, report: Report | None) -> PartRecord:
        """Take in a part, unless too many records were rejected by now."""
        if isinstance(one, RejectedPart):
            n_bad = self.n_rejected + one.n_rejected
            raise TableError(self._limit_message(n_bad, one.first))
        self.records.append(one)
        self.n_rows += one.n_rows
        self.n_rejected += one.n_rejected
        self.counts = merged_counts([self.counts, one.counts])
        if self.limit.number is not None:
            self._check_limit()
        if report is not None:
            report(self.n_rows, self.fractions[len(self.records) - 1])
        return one

    def summary(self) -> ScoreSummary:
        """Return what was found, unless too large a share was rejected."""
        self._check_limit()
        job, n_scored = self.job, self.n_rows - self.n_rejected
        return ScoreSummary(
            self.n_rows,
            self.n_rejected,
            rejected_kinds(self.records),
            job.ignored,
            column_shares(self.counts, job.expected, n_scored),
            tuple(drift_findings(self.counts, job.expected, n_scored)),
            tuple(job.expected.as_file),
            tuple(job.expected.notes),
            self.n_kept,
        )

    def _check_limit(self) -> None:
        """Refuse an input of which too much was rejected."""
        if not self.limit.allows(self.n_rejected, self.n_rows):
            raise TableError(self._limit_message(self.n_rejected, None))

    def _limit_message(self, n_bad: int, first: dict[str, Any] | None) -> str:
        """Say that too many records are bad, and which is the first of them."""
        for record in self.records:
            if record.n_rejected:
                path = self.job.place.part_rejects(record.number)
                with path.open("rb") as file:
                    first = json.loads(file.readline())
                break
        assert first is not None, "there is a bad record"
        line = "" if first["line"] is None else f", line {first['line']}"
        return (
            f"{first['file']}: {first['message']} in row {first['row']} ({ROW_COUNT})"
            f"{line}. At most {self.limit} records may be bad, got {n_bad} or more. "
            "max_bad_records (--max-bad-records) allows some."
        )


def _check_absent(place: OutputPlace) -> None:
    """Refuse to replace what no job has written."""
    out = place.out
    if out.is_dir() and any(out.iterdir()):
        msg = f"{out} must be a new or an empty folder, got one that is neither."
        raise OutputError(msg)
    if out.is_file():
        msg = f"{out} must not be there yet, got a file of another origin. {ANEW}"
        raise OutputError(msg)


def _check_replaceable(place: OutputPlace, success: dict[str, Any] | None) -> None:
    """Refuse to remove a folder with files that no job has written."""
    if place.suffix or not place.out.is_dir():
        return
    ours = {SUCCESS, place.rejects.name}
    ours |= {file["name"] for file in (success or {}).get("files", ())}
    others = sorted({path.name for path in place.out.iterdir()} - ours)
    if others:
        msg = (
            f"{place.out} must hold nothing but scores to be replaced, got "
            f"{listed(others, n_shown=3)}."
        )
        raise OutputError(msg)


def _check_rows(task: PartTask, source: Any, first_row: Any, digest: Any) -> None:
    """Refuse a part that is not the one that was scored."""
    part = task.part
    if (source, first_row, digest) != (task.source, part.first_row, part.digest):
        msg = (
            f"{task.source} must be as it was when it was scored, got other content "
            f"from row {part.first_row} on. {ANEW}"
        )
        raise OutputError(msg)


def _drift_message(summary: ScoreSummary) -> str:
    """Say that the rows are unlike those of training."""
    first, rest = summary.drift[0], len(summary.drift) - 1
    more = f" There are {rest} more findings." if rest else ""
    return f"the rows must be like those of training, got {first.message}.{more}"


def _success(plan: dict[str, Any], summary: ScoreSummary) -> dict[str, Any]:
    """Return what is to be said of the output."""
    return {
        "format": plan["format"],
        "plan": plan,
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
