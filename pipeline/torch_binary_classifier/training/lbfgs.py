"""Full-batch L-BFGS on the engine's loss and gradient.

Knows one member at a time; the search direction and line search are SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.epochs import EpochReader, batch_starts
from torch_binary_classifier.training.evaluation import (
    EVALUATION_ROWS,
    Evaluation,
    Scorer,
)
from torch_binary_classifier.training.interruption import Stop, never
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import (
    EpochReport,
    Member,
    MemberResult,
)
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import FixedNormInput
from torch_binary_classifier.training.objective import member_losses, residual_kernels
from torch_binary_classifier.training.penalty import Penalty
from torch_binary_classifier.training.pieces import Batch
from torch_binary_classifier.training.state import BlockState, starting_state
from torch_binary_classifier.training.stopping import StoppingRule
from torch_binary_classifier.training.threads import bare_kernels, one_thread_per_kernel

Array = NDArray[np.float64]


class FullBatch:
    """Loss and gradient of one member over all its rows, a few rows at a time."""

    def __init__(self, architecture: Architecture, member: Member) -> None:
        self.member = member
        start = starting_state(architecture, member)
        self.state = BlockState.of(architecture, [start], CPU.where)
        self.gradients = torch.zeros_like(self.state.parameters)
        self.total_gradient = torch.zeros_like(self.state.parameters)
        rows = member.train
        batches = batch_starts(len(rows), EVALUATION_ROWS, 1)
        pieces = CPU.pieces(architecture.n_features, batches)
        self.reader = EpochReader([rows], pieces, self.gradients)
        strength = member.hyperparameters.alpha / float(rows.weights[rows.index].sum())
        self.penalty = Penalty(self.state.layout, [strength], CPU.where)
        self.networks: dict[int, Network] = {}
        self.norms: dict[int, FixedNormInput] = {}
        self.normed = architecture.input_norm is not None
        if self.normed:
            self._set_statistics()

    def _batches(self) -> Iterator[tuple[Batch, Tensor]]:
        """Yield all rows, a batch at a time, with their shares of the whole weight."""
        for piece in self.reader.read([self.member.train.index]):
            start = 0
            for batch in piece.batches:
                stop = start + batch.n_rows
                yield batch, piece.epoch_shares[:, start:stop]
                start = stop

    def _set_statistics(self) -> None:
        """Set mean and variance of the inputs: the batch is all there is."""
        mean = self.state.statistics.mean.zero_()
        variance = self.state.statistics.variance.zero_()
        for batch, shares in self._batches():
            weighed = batch.inputs.units * shares.unsqueeze(-1)
            mean += weighed.sum(1, keepdim=True)
        for batch, shares in self._batches():
            squares = (batch.inputs.units - mean) ** 2 * shares.unsqueeze(-1)
            variance += squares.sum(1, keepdim=True)

    def _network(self, n_rows: int) -> Network:
        """Return the network for a batch of so many rows."""
        if n_rows not in self.networks:
            self.networks[n_rows] = Network(
                self.state.layout,
                self.state.parameters,
                self.gradients,
                n_rows,
                product=CPU.product,
            )
            self.norms[n_rows] = FixedNormInput(self.state.statistics, n_rows)
        return self.networks[n_rows]

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """Return the penalised loss and its gradient at a parameter vector."""
        parameters = self.state.parameters
        parameters.copy_(torch.from_numpy(vector))
        self.total_gradient.zero_()
        loss = float(self.penalty.values(parameters))
        for batch, shares in self._batches():
            network, inputs = self._network(batch.n_rows), batch.inputs
            if self.normed:
                inputs = self.norms[batch.n_rows].forward(inputs)
            logits = network.forward(inputs)
            loss += float(member_losses(logits, batch.signs, shares))
            offsets = (batch.signs + 1).mul_(-0.5).mul_(shares)
            run_all(residual_kernels(logits, offsets, shares, network.residuals))
            network.backward()
            self.total_gradient += self.gradients
        self.penalty.gradient_kernel(parameters, self.total_gradient)()
        return loss, self.total_gradient.double().numpy().copy()


class Monitor:
    """Losses per iteration and the early stopping of one run."""

    def __init__(
        self,
        problem: FullBatch,
        report: Callable[[int, float, float | None], None],
        stop: Stop,
    ) -> None:
        self.report = report
        self.stop = stop
        self.state = problem.state.copy()
        self.scorer = Scorer(self.state, CPU.product)
        self.validation = Evaluation.of(
            [problem.member.validation], self.state.parameters
        )
        self.rule = StoppingRule(problem.member.hyperparameters)
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.validation_scores: list[float] = []
        self.vector: Array | None = None
        self.best_vector: Array | None = None

    def __call__(self, intermediate_result: object) -> None:
        """Record an iteration; end the run when the validation loss has stalled."""
        vector = np.asarray(intermediate_result.x)  # type: ignore[attr-defined]
        self.vector = vector
        loss = float(intermediate_result.fun)  # type: ignore[attr-defined]
        self.losses.append(loss)
        held_out = None
        if self.validation is not None:
            held_out = self._held_out(vector, self.validation)
        self.report(len(self.losses), loss, held_out)
        if self.stop() or self.rule.is_met:
            raise StopIteration

    def _held_out(self, vector: Array, validation: Evaluation) -> float:
        """Return the validation loss and keep the best weights."""
        self.state.parameters.copy_(torch.from_numpy(vector))
        (loss,), (score,) = self.scorer.judged(validation)
        self.validation_losses.append(loss)
        self.validation_scores.append(score)
        if self.rule.add(loss):
            self.best_vector = vector.copy()
        return loss


def fit_lbfgs(
    architecture: Architecture,
    members: list[Member],
    report: EpochReport | None = None,
    stop: Stop = never,
) -> list[MemberResult]:
    """Train every member by L-BFGS, one after the other.

    Parameters
    ----------
    architecture : Architecture
        Shared by all members.
    members : list of Member
        ``tol`` is the largest component of the gradient at which to stop,
        ``max_iter`` and ``max_fun`` limit iterations and evaluations.
    report : callable, optional
        Called with (member, iteration, loss, validation loss or None).
    stop : callable, optional
        Asked after each iteration; once it says True, members end as they are.

    Returns
    -------
    list of MemberResult

    References
    ----------
    .. [1] D. Liu, J. Nocedal, "On the limited memory BFGS method", 1989.
    """
    tell = report or (lambda *_: None)
    with one_thread_per_kernel(), bare_kernels():
        return [
            FullBatchRun(architecture, member, partial(tell, number), stop).train()
            for number, member in enumerate(members)
        ]


class FullBatchRun:
    """The run of one member.

    Parameters
    ----------
    architecture : Architecture
    member : Member
    report : callable
        Called with (iteration, loss, validation loss or None).
    stop : callable
        Whether the run is to end as it is.
    """

    def __init__(
        self,
        architecture: Architecture,
        member: Member,
        report: Callable[[int, float, float | None], None],
        stop: Stop,
    ) -> None:
        self.problem = FullBatch(architecture, member)
        self.monitor = Monitor(self.problem, report, stop)

    def train(self) -> MemberResult:
        """Train the member to its end."""
        given, problem = self.problem.member.hyperparameters, self.problem
        found = minimize(
            problem,
            problem.state.parameters.double().numpy(),
            method="L-BFGS-B",
            jac=True,
            callback=self.monitor,
            options={
                "maxiter": given.max_iter,
                "maxfun": given.max_fun,
                "gtol": given.tol,
            },
        )
        return self._result(found.x, converged=found.status in {0, 99})

    def so_far(self) -> MemberResult:
        """Return what would become of the member now."""
        vector = self.monitor.vector
        if vector is None:  # there was no iteration yet
            vector = self.problem.state.parameters.double().numpy().copy()
        return self._result(vector, converged=False)

    def _result(self, vector: Array, *, converged: bool) -> MemberResult:
        """Return what becomes of the member with the last weights, or the best."""
        problem, losses = self.problem, list(self.monitor.losses)
        if self.monitor.best_vector is not None:
            vector = self.monitor.best_vector
        finite = bool(np.isfinite(vector).all()) and all(map(math.isfinite, losses))
        if not losses:
            losses.append(problem(vector)[0])
        before = 0 if problem.member.state is None else problem.member.state.n_epochs
        problem.state.parameters.copy_(torch.from_numpy(vector))
        return MemberResult(
            replace(problem.state.member(0), n_epochs=before + len(losses)),
            losses,
            list(self.monitor.validation_losses),
            converged,
            None if finite else len(losses),
            validation_scores=list(self.monitor.validation_scores),
        )
