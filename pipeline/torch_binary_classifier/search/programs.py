"""Many fits as few tensor programs: which members run as one, and twins once.

Knows trainings and their results; nothing of estimators, threads that wait, or where
the fits come from.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.training.members import EpochReport, Member, MemberResult
from torch_binary_classifier.training.run import Training, run

# From the losses of one member's epoch to anything; the fit's number comes first.
FitReport = Callable[[int, int, int, float, float | None], None]


@dataclass
class FitOutcome:
    """What became of one fit among others.

    Parameters
    ----------
    results : list of MemberResult
        One for each of the fit's members; empty where it failed.
    error : BaseException or None
        Why it failed.
    seconds : float
        That of its program, divided by the members that it served.
    """

    results: list[MemberResult] = field(default_factory=list)
    error: BaseException | None = None
    seconds: float = 0.0


@dataclass
class Program:
    """Members, of one or many fits, that are trained as one.

    Parameters
    ----------
    training : Training
        What they have in common, and each of the different members once.
    places : list of list of (int, int)
        For every member the (fit, number in that fit) that wait for its result.
    """

    training: Training
    places: list[list[tuple[int, int]]] = field(default_factory=list)

    @property
    def n_served(self) -> int:
        """Members that wait for a result, twins counted."""
        return sum(len(places) for places in self.places)


def train_together(
    trainings: Sequence[Training],
    report: FitReport | None = None,
    end: Callable[[int, int], None] | None = None,
) -> list[FitOutcome]:
    """Train the members of all fits, program by program.

    Parameters
    ----------
    trainings : sequence of Training
        After ``InternedTables.intern``: what is equal is one object.
    report : callable, optional
        Called with (fit, member, epoch, loss, validation loss or None).
    end : callable, optional
        Called with (fit, member) once the member's program has ended.

    Returns
    -------
    list of FitOutcome
        In the order of the fits. Where a program fails as a whole, each of its fits is
        trained alone, so that an error reaches the fit it belongs to.

    Notes
    -----
    Members that are equal in everything, seed and data included, are trained once.
    Those that differ in ``max_iter`` only are one run, to the longest of them.
    """
    programs = plan_programs(trainings)
    outcomes = [
        FitOutcome([None] * len(training.members))  # type: ignore[list-item]
        for training in trainings
    ]
    for program in programs:
        start = time.perf_counter()
        results = _run(program, trainings, report)
        if isinstance(results, Exception):
            _train_apart(program, trainings, outcomes, report)
        else:
            _hand_out(program, results, trainings, outcomes)
        seconds = time.perf_counter() - start
        for places in program.places:
            for fit, place in places:
                outcomes[fit].seconds += seconds / program.n_served
                if end is not None:
                    end(fit, place)
    return outcomes


def plan_programs(trainings: Sequence[Training]) -> list[Program]:
    """Return which members are trained as one, twins put together."""
    programs: dict[tuple[Any, ...], Program] = {}
    known: dict[tuple[Any, ...], dict[tuple[Any, ...], int]] = {}
    for fit, training in enumerate(trainings):
        signature = _signature(training)
        if signature not in programs:
            empty = replace(training, members=[], verbose=0)
            programs[signature] = Program(empty)
            known[signature] = {}
        program, numbers = programs[signature], known[signature]
        size = max(program.training.batch_size, training.batch_size)
        program.training = replace(program.training, batch_size=size)
        for place, member in enumerate(training.members):
            identity = _identity(member, training.solver)
            number = numbers.setdefault(identity, len(program.places))
            members = program.training.members
            if number == len(members):
                members.append(member)
                program.places.append([])
            else:
                members[number] = _longest(members[number], member)
            program.places[number].append((fit, place))
    return list(programs.values())


def _signature(training: Training) -> tuple[Any, ...]:
    """Return what fits must have in common to be trained as one program."""
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
    program: Program, trainings: Sequence[Training], report: FitReport | None
) -> list[MemberResult] | Exception:
    """Return the results of a program's members, or the error that stopped them."""
    try:
        return run(program.training, _program_report(program, trainings, report))
    except Exception as error:
        return error


def _program_report(
    program: Program, trainings: Sequence[Training], report: FitReport | None
) -> EpochReport | None:
    """Return a report by member of a program that tells the fits that wait for it."""
    if report is None:
        return None
    waiting = [
        [(_length(trainings, *fit), *fit) for fit in places]
        for places in program.places
    ]

    def tell(member: int, epoch: int, loss: float, held_out: float | None) -> None:
        for length, fit, place in waiting[member]:
            if epoch <= length:
                report(fit, place, epoch, loss, held_out)

    return tell


def _hand_out(
    program: Program,
    results: Sequence[MemberResult],
    trainings: Sequence[Training],
    outcomes: list[FitOutcome],
) -> None:
    """Give every fit its results; twins get copies, so that none writes to another."""
    for places, result in zip(program.places, results, strict=True):
        for number, (fit, place) in enumerate(places):
            length = _length(trainings, fit, place)
            own = replace(result.earlier.get(length, result), earlier={})
            outcomes[fit].results[place] = own if number == 0 else copy.deepcopy(own)


def _train_apart(
    program: Program,
    trainings: Sequence[Training],
    outcomes: list[FitOutcome],
    report: FitReport | None,
) -> None:
    """Train the fits of a program that failed one by one."""
    for fit in sorted({fit for places in program.places for fit, _ in places}):
        places = [[(fit, number)] for number in range(len(trainings[fit].members))]
        alone = Program(replace(trainings[fit], verbose=0), places)
        results = _run(alone, trainings, report)
        if isinstance(results, Exception):
            outcomes[fit].error = results
        else:
            _hand_out(alone, results, trainings, outcomes)
