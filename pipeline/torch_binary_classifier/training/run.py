"""The members of one fit and the program that trains them, now or with others.

Knows members and solvers; nothing of arrays, labels or estimators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.training.engine import fit_many
from torch_binary_classifier.training.interruption import Stop, never, stopped_by_user
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.lbfgs import fit_lbfgs
from torch_binary_classifier.training.members import EpochReport, Member, MemberResult

# The programs of the solvers that take all rows at once; one serves all others.
FULL_BATCH = {"lbfgs": fit_lbfgs}


@dataclass(frozen=True)
class Training:
    """The networks of one fit, ready to be trained, and the program that does it.

    Parameters
    ----------
    architecture : Architecture
        Shared by all members.
    solver : str
        A key of ``SOLVERS``.
    members : list of Member
    batch_size : int
        Rows per step and member.
    device : str
        A torch device.
    verbose : int
        From 2 on, the losses of every epoch are printed.
    """

    architecture: Architecture
    solver: str
    members: list[Member]
    batch_size: int
    device: str
    verbose: int


def train_alone(training: Training) -> list[MemberResult]:
    """Train now, to the end or until the user has had enough."""
    with stopped_by_user() as stop:
        results = run(training, stop=stop)
        if not stop():
            return results
    if not all(one.loss_curve for one in results):
        raise KeyboardInterrupt  # there is nothing to keep of some members
    return [replace(one, interrupted=True) for one in results]


def run(
    training: Training, report: EpochReport | None = None, stop: Stop = never
) -> list[MemberResult]:
    """Train members by their solver's program, now and in this thread.

    Parameters
    ----------
    training : Training
        What to train.
    report : callable, optional
        Called with (member, epoch, loss, validation loss or None); the losses are
        printed where the training asks for it and no other report is given.
    stop : callable, optional
        Asked now and then whether the training is to end as it is.

    Returns
    -------
    list of MemberResult
        In the order of the members.
    """
    if report is None and training.verbose > 1:
        report = print_epoch
    if SOLVERS[training.solver].full_batch:
        fit = FULL_BATCH[training.solver]
        return fit(training.architecture, training.members, report, stop)
    return fit_many(
        training.architecture,
        training.solver,
        training.members,
        batch_size=training.batch_size,
        device=training.device,
        report=report,
        stop=stop,
    )


def print_epoch(member: int, epoch: int, loss: float, held_out: float | None) -> None:
    """Print a member's losses in one epoch."""
    tail = "" if held_out is None else f", validation loss = {held_out:.8f}"
    print(f"Member {member}, iteration {epoch}, loss = {loss:.8f}{tail}")  # noqa: T201
