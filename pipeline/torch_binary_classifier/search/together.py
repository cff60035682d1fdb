"""Many fits as few tensor programs: groups, twins and shared tables.

Knows trainings and their results; nothing of estimators, threads that wait, or where
the fits come from.
"""

from __future__ import annotations

import copy
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.training.members import EpochReport, Member, MemberResult
from torch_binary_classifier.training.rows import DenseRows, Rows, RowSet, SparseRows
from torch_binary_classifier.training.run import Training, run

# From the losses of one member's epoch to anything; the fit's number comes first.
FitReport = Callable[[int, int, int, float, float | None], None]


class SharedTables:
    """One object for everything of equal content, so that members share gathers.

    Notes
    -----
    Contents are compared by their BLAKE2b digests of 128 bits.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}
        self._lock = threading.Lock()
        self.n_bytes = 0

    def share(self, training: Training) -> None:
        """Replace a training's tables by equal ones known before."""
        seen: dict[int, Any] = {}
        training.members[:] = [
            replace(
                member,
                train=self._shared_rows(member.train, seen),
                validation=None
                if member.validation is None
                else self._shared_rows(member.validation, seen),
            )
            for member in training.members
        ]

    def _shared_rows(self, rows: RowSet, seen: dict[int, Any]) -> RowSet:
        """Return a row set of shared parts."""
        return RowSet(
            self._shared(rows.features, seen),
            self._shared(rows.index, seen),
            self._shared(rows.targets, seen),
            self._shared(rows.weights, seen),
        )

    def _shared(self, part: Rows | Tensor, seen: dict[int, Any]) -> Any:
        """Return the first part that had the same content."""
        if id(part) not in seen:
            arrays = arrays_of(part)
            key = _digest(arrays)
            with self._lock:
                if self._known.setdefault(key, part) is part:
                    self.n_bytes += sum(array.nbytes for array in arrays)
            # The part stays referenced, so that no other can get its id.
            seen[id(part)] = (self._known[key], part)
        return seen[id(part)][0]


def arrays_of(part: Rows | Tensor) -> list[Any]:
    """Return the arrays that a table or tensor consists of."""
    if isinstance(part, SparseRows):
        matrix, scaling = part.matrix, part.standardisation
        given = [matrix.data, matrix.indices, matrix.indptr]
        return given if scaling is None else [*given, scaling.shift, scaling.scale]
    if isinstance(part, DenseRows):
        return [part.values.numpy()]
    assert isinstance(part, Tensor)
    return [part.numpy()]


def _digest(arrays: Sequence[Any]) -> bytes:
    """Return a digest of the arrays' types, shapes and bytes."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.digest()


@dataclass
class FitOutcome:
    """What became of one fit among others.

    Parameters
    ----------
    results : list of MemberResult
        One for each of the fit's members; empty where it failed.
    error : Exception or None
        Why it failed.
    seconds : float
        Its share of the time: that of its group divided by the members it served.
    """

    results: list[MemberResult] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0


@dataclass
class Group:
    """Members, of one or many fits, that one program can train.

    Parameters
    ----------
    program : Training
        What they share, and each of the different members once.
    places : list of list of (int, int)
        For every member the (fit, number in that fit) that wait for its result.
    """

    program: Training
    places: list[list[tuple[int, int]]] = field(default_factory=list)

    @property
    def n_served(self) -> int:
        """Members that wait for a result, twins counted."""
        return sum(len(places) for places in self.places)


def train_together(
    trainings: Sequence[Training], report: FitReport | None = None
) -> list[FitOutcome]:
    """Train the members of all fits, group by group.

    Parameters
    ----------
    trainings : sequence of Training
        After ``SharedTables.share``: what is equal is one object.
    report : callable, optional
        Called with (fit, member, epoch, loss, validation loss or None).

    Returns
    -------
    list of FitOutcome
        In the order of the fits. Where a group fails as a whole, each of its fits is
        trained alone, so that an error reaches the fit it belongs to.

    Notes
    -----
    Members that are equal in everything, seed and data included, are trained once.
    Those that differ in ``max_iter`` only are one run, to the longest of them.
    """
    groups = group_members(trainings)
    outcomes = [
        FitOutcome([None] * len(training.members))  # type: ignore[list-item]
        for training in trainings
    ]
    for group in groups:
        start = time.perf_counter()
        results = _run(group, trainings, report)
        if isinstance(results, Exception):
            _train_apart(group, trainings, outcomes, report)
        else:
            _hand_out(group, results, trainings, outcomes)
        seconds = time.perf_counter() - start
        for places in group.places:
            for fit, _ in places:
                outcomes[fit].seconds += seconds / group.n_served
    return outcomes


def group_members(trainings: Sequence[Training]) -> list[Group]:
    """Return groups of members that one program can train, twins put together."""
    groups: dict[tuple[Any, ...], Group] = {}
    known: dict[tuple[Any, ...], dict[tuple[Any, ...], int]] = {}
    for fit, training in enumerate(trainings):
        signature = _signature(training)
        if signature not in groups:
            groups[signature] = Group(replace(training, members=[], verbose=False))
            known[signature] = {}
        group, numbers = groups[signature], known[signature]
        size = max(group.program.batch_size, training.batch_size)
        group.program = replace(group.program, batch_size=size)
        for place, member in enumerate(training.members):
            identity = _identity(member, training.solver)
            number = numbers.setdefault(identity, len(group.places))
            members = group.program.members
            if number == len(members):
                members.append(member)
                group.places.append([])
            else:
                members[number] = _longest(members[number], member)
            group.places[number].append((fit, place))
    return list(groups.values())


def _signature(training: Training) -> tuple[Any, ...]:
    """Return what fits must share to be trained by one program."""
    largest = max(len(member.train) for member in training.members)
    # All rows in one batch are all rows, however many the members have.
    size = None if training.batch_size >= largest else training.batch_size
    return (training.architecture, training.solver, size, training.device)


def _identity(member: Member, solver: str) -> tuple[Any, ...]:
    """Return what decides a member's result, or of which run it is a beginning."""
    given = member.hyperparameters
    if given.learning_rate != "cosine" and SOLVERS[solver].stops:
        given = replace(given, max_iter=0)
    parts = [
        id(part)
        for rows in (member.train, member.validation)
        if rows is not None
        for part in (rows.features, rows.index, rows.targets, rows.weights)
    ]
    return (given, id(member.state) if member.state else None, *parts)


def _longest(one: Member, other: Member) -> Member:
    """Return the member to be trained for two that differ at most in ``max_iter``."""
    lengths = {member.hyperparameters.max_iter for member in (one, other)}
    longest = one if one.hyperparameters.max_iter == max(lengths) else other
    return replace(longest, stops=(one.stops | lengths) - {max(lengths)})


def _length(trainings: Sequence[Training], fit: int, place: int) -> int:
    """Return how many epochs a member of a fit is to have at most."""
    return trainings[fit].members[place].hyperparameters.max_iter


def _run(
    group: Group, trainings: Sequence[Training], report: FitReport | None
) -> list[MemberResult] | Exception:
    """Return the results of a group's members, or the error that stopped them."""
    try:
        return run(group.program, _group_report(group, trainings, report))
    except Exception as error:
        return error


def _group_report(
    group: Group, trainings: Sequence[Training], report: FitReport | None
) -> EpochReport | None:
    """Return a report by group member that tells the fits that wait for it."""
    if report is None:
        return None
    waiting = [
        [(_length(trainings, *fit), *fit) for fit in places] for places in group.places
    ]

    def tell(member: int, epoch: int, loss: float, held_out: float | None) -> None:
        for length, fit, place in waiting[member]:
            if epoch <= length:
                report(fit, place, epoch, loss, held_out)

    return tell


def _hand_out(
    group: Group,
    results: Sequence[MemberResult],
    trainings: Sequence[Training],
    outcomes: list[FitOutcome],
) -> None:
    """Give every fit its results; twins get copies, so that none writes to another."""
    for places, result in zip(group.places, results, strict=True):
        for number, (fit, place) in enumerate(places):
            length = _length(trainings, fit, place)
            own = replace(result.earlier.get(length, result), earlier={})
            outcomes[fit].results[place] = own if number == 0 else copy.deepcopy(own)


def _train_apart(
    group: Group,
    trainings: Sequence[Training],
    outcomes: list[FitOutcome],
    report: FitReport | None,
) -> None:
    """Train the fits of a group that failed one by one."""
    for fit in sorted({fit for places in group.places for fit, _ in places}):
        places = [[(fit, number)] for number in range(len(trainings[fit].members))]
        alone = Group(replace(trainings[fit], verbose=False), places)
        results = _run(alone, trainings, report)
        if isinstance(results, Exception):
            outcomes[fit].error = results
        else:
            _hand_out(alone, results, trainings, outcomes)
