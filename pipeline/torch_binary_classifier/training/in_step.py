"""Several trainings side by side, epoch by epoch, and told of after each.

Knows members and solvers' programs; nothing of who watches. A training that nobody
watches has its blocks trained one after the other, to the same bits (`engine.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Protocol

from torch_binary_classifier.interface.fitted import FittedMembers
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.interface.watching import EpochEnd, Watcher
from torch_binary_classifier.training.block import Block
from torch_binary_classifier.training.device import device_named
from torch_binary_classifier.training.engine import blocks_of, on_device
from torch_binary_classifier.training.interruption import Stop, stopped_by_user
from torch_binary_classifier.training.lbfgs import FullBatchRun
from torch_binary_classifier.training.members import Member, MemberResult, Setup
from torch_binary_classifier.training.pausing import PausingCall
from torch_binary_classifier.training.run import Training, print_epoch
from torch_binary_classifier.training.threads import (
    Team,
    bare_kernels,
    one_thread_per_kernel,
)


class Losses:
    """The last losses of each member of a training, and how many epochs it has had."""

    def __init__(self, training: Training) -> None:
        n_members = len(training.members)
        self.is_printed = training.verbose > 1
        self.n_epochs = 0
        self.last = [math.nan] * n_members
        self.held_out: list[float | None] = [None] * n_members

    def add(self, member: int, epoch: int, loss: float, held_out: float | None) -> None:
        """Record a member's epoch, as an ``EpochReport``."""
        self.n_epochs = max(self.n_epochs, epoch)
        self.last[member], self.held_out[member] = loss, held_out
        if self.is_printed:
            print_epoch(member, epoch, loss, held_out)

    @property
    def are_finite(self) -> bool:
        """Whether every member has a loss that is a number."""
        present = [one for one in self.held_out if one is not None]
        return all(map(math.isfinite, [*self.last, *present]))


class Runner(Protocol):
    """The members of a training, epoch by epoch."""

    losses: Losses
    rate: float | None

    @property
    def n_running(self) -> int:
        """How many members are to be trained further."""

    def advance(self, stop: Stop) -> None:
        """Train all members that are not at their end for one epoch."""

    def so_far(self) -> list[MemberResult]:
        """Return copies of what would become of the members now."""

    def close(self) -> None:
        """Let go of threads."""


class StepRunner:
    """Members of a solver that goes step by step, in blocks."""

    def __init__(self, training: Training) -> None:
        self.losses = Losses(training)
        self.rate: float | None = None
        setup = Setup(
            training.architecture,
            training.solver,
            training.batch_size,
            device_named(training.device),
        )
        members = on_device(training.members, setup.device.where)
        self._teams = ExitStack()
        with one_thread_per_kernel() as n_threads, bare_kernels():
            blocks = blocks_of(setup, members, n_threads)
            self._team = self._teams.enter_context(Team(n_threads))
            inner = n_threads if len(blocks) == 1 else 1
            self.blocks = [
                self._block(setup, members, numbers, inner) for numbers in blocks
            ]

    def _block(
        self, setup: Setup, members: list[Member], numbers: list[int], n_threads: int
    ) -> Block:
        """Return a block of some members with a team of its own."""
        team = self._teams.enter_context(Team(n_threads))
        return Block(setup, {number: members[number] for number in numbers}, team)

    @property
    def n_running(self) -> int:
        """How many members are to be trained further."""
        return sum(
            not course.history.stopped
            for block in self.blocks
            for course in block.courses
        )

    def advance(self, stop: Stop) -> None:
        """Train all members that are not at their end for one epoch."""
        running = [block for block in self.blocks if block.courses]
        self.rate = max(rate for block in running for rate in block.rates)
        with one_thread_per_kernel(), bare_kernels():
            self._team.run([partial(self._advance, block, stop) for block in running])

    def _advance(self, block: Block, stop: Stop) -> None:
        """Train one block for one epoch."""
        with bare_kernels():
            block.advance(self.losses.add, stop)

    def so_far(self) -> list[MemberResult]:
        """Return copies of what would become of the members now."""
        found: dict[int, MemberResult] = {}
        with bare_kernels():
            for block in self.blocks:
                found |= block.so_far()
        return [found[number] for number in range(len(found))]

    def close(self) -> None:
        """Let go of threads."""
        self._teams.close()


class FullBatchRunner:
    """Members of a solver whose iterations are SciPy's, each in a paused call."""

    def __init__(self, training: Training) -> None:
        self.losses = Losses(training)
        self.rate: float | None = None
        self._is_to_stop = False
        self.results: dict[int, MemberResult] = {}
        self.calls = [
            PausingCall(partial(self._run, training, number))
            for number in range(len(training.members))
        ]
        self.runs: dict[int, FullBatchRun] = {}

    def _run(self, training: Training, number: int, pause: Callable[[], None]) -> None:
        """Train one member, with a pause after each iteration."""

        def report(iteration: int, loss: float, held_out: float | None) -> None:
            self.losses.add(number, iteration, loss, held_out)
            pause()

        with one_thread_per_kernel(), bare_kernels():
            member = training.members[number]
            run = FullBatchRun(
                training.architecture, member, report, lambda: self._is_to_stop
            )
            self.runs[number] = run
            self.results[number] = run.train()

    @property
    def n_running(self) -> int:
        """How many members are to be trained further."""
        return sum(not call.is_over for call in self.calls)

    def advance(self, stop: Stop) -> None:
        """Train all members that are not at their end for one iteration."""
        self._is_to_stop = stop()
        for call in self.calls:
            if not call.is_over:
                call.resume()

    def so_far(self) -> list[MemberResult]:
        """Return copies of what would become of the members now."""
        with one_thread_per_kernel(), bare_kernels():
            return [
                self.results.get(number) or run.so_far()
                for number, run in sorted(self.runs.items())
            ]

    def close(self) -> None:
        """Let go of threads."""
        for call in self.calls:
            call.close()


class Epochs:
    """The epochs of several trainings: one of all is one of each.

    Parameters
    ----------
    trainings : sequence of Training
        At least one.
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = trainings
        self.n_whole = 0  # that all have ended
        self.ended_early = False
        self.n_epochs = max(
            member.hyperparameters.max_iter
            for training in trainings
            for member in training.members
        )
        self.runners: list[Runner] = [
            FullBatchRunner(one) if SOLVERS[one.solver].full_batch else StepRunner(one)
            for one in trainings
        ]

    def __enter__(self) -> Epochs:
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self.runners:
            runner.close()

    @property
    def number(self) -> int:
        """How many epochs have ended."""
        return max(runner.losses.n_epochs for runner in self.runners)

    @property
    def are_running(self) -> bool:
        """Whether a member is to be trained further."""
        return any(runner.n_running for runner in self.runners)

    @property
    def are_known_to_go_on(self) -> bool:
        """Whether there is an epoch more. SciPy does not say before it has one."""
        return any(
            runner.n_running and isinstance(runner, StepRunner)
            for runner in self.runners
        )

    def advance(self, stop: Stop) -> bool:
        """Train for an epoch; return whether one has come to its end."""
        before = self.number
        for runner in self.runners:
            if runner.n_running:
                runner.advance(stop)
        self.n_whole += self.number > before
        return self.number > before

    def are_out_of_time(self, watcher: Watcher) -> bool:
        """Return whether a watcher wants them to end as they are, the first whole."""
        self.ended_early |= self.n_whole > 0 and watcher.is_out_of_time()
        return self.ended_early

    @property
    def are_finite(self) -> bool:
        """Whether every member has losses that are numbers."""
        return all(runner.losses.are_finite for runner in self.runners)

    def end(self, fitted: Callable[[], list[FittedMembers]]) -> EpochEnd:
        """Return what is to be told of the epoch that has ended."""
        losses = [runner.losses for runner in self.runners]
        rates = [one.rate for one in self.runners if one.rate is not None]
        held_out = [
            value for one in losses for value in one.held_out if value is not None
        ]
        return EpochEnd(
            self.number,
            self.n_epochs,
            sum(len(one.last) for one in losses),
            sum(runner.n_running for runner in self.runners),
            fmean([value for one in losses for value in one.last]),
            fmean(held_out) if held_out else None,
            max(rates, default=None),
            fitted,
        )

    def so_far(self) -> list[list[MemberResult]]:
        """Return copies of what would become of the members of each training now."""
        return [runner.so_far() for runner in self.runners]


def train_in_step(
    trainings: Sequence[Training],
    watcher: Watcher,
    fitted: Callable[[list[list[MemberResult]]], list[FittedMembers]],
) -> list[list[MemberResult]]:
    """Train the members of several trainings side by side, and tell of each epoch.

    Parameters
    ----------
    trainings : sequence of Training
        The networks of one fit, kind by kind.
    watcher : Watcher
        Who is told. Its wish to end the training with an epoch counts as the stopping
        rule. That it is out of time counts as an interruption, after the first epoch.
    fitted : callable
        Makes plain numbers of results, for the watcher.

    Returns
    -------
    list of list of MemberResult
        By training, the members in their order.
    """
    with Epochs(trainings) as epochs, stopped_by_user() as user_has_enough:

        def stop() -> bool:
            return user_has_enough() or epochs.are_out_of_time(watcher)

        has_enough = _train(epochs, watcher, stop, lambda: fitted(epochs.so_far()))
        results = epochs.so_far()
        interrupted = user_has_enough() or epochs.ended_early
    everybody = [one for members in results for one in members]
    if interrupted and not all(one.loss_curve for one in everybody):
        raise KeyboardInterrupt  # there is nothing to keep of some members
    return [
        [
            replace(one, interrupted=interrupted, converged=one.converged or has_enough)
            for one in members
        ]
        for members in results
    ]


def _train(
    epochs: Epochs,
    watcher: Watcher,
    stop: Stop,
    fitted: Callable[[], list[FittedMembers]],
) -> bool:
    """Train to the end; return whether the watcher was who wanted it."""
    while epochs.are_running:
        is_begun = epochs.are_known_to_go_on
        if is_begun:
            watcher.begin()
        if not epochs.advance(stop):
            continue  # of no use to anybody: an interrupted epoch, or SciPy's end
        if not epochs.are_finite:
            return False
        if not is_begun:
            watcher.begin()
        if watcher.end(epochs.end(fitted)):
            return True
        if epochs.are_running and stop():
            return False
    return False
