"""Full-batch L-BFGS on the engine's loss and gradient.

Knows one member at a time; the search direction and line search are SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from torch_binary_classifier.training.epochs import EpochReader, batch_starts
from torch_binary_classifier.training.evaluation import (
    EVALUATION_ROWS,
    Evaluation,
    Scorer,
)
from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.interruption import Stop, never
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.members import (
    EpochReport,
    Member,
    MemberResult,
    MemberState,
)
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import (
    FixedNormInput,
    InputStatistics,
)
from torch_binary_classifier.training.objective import (
    Penalty,
    member_losses,
    residual_kernels,
)
from torch_binary_classifier.training.pieces import Batch
from torch_binary_classifier.training.threads import bare_kernels, one_thread_per_kernel

CPU = torch.device("cpu")
Array = NDArray[np.float64]


class FullBatch:
    """Loss and gradient of one member over all its rows, a few rows at a time."""

    def __init__(self, architecture: Architecture, member: Member) -> None:
        self.architecture = architecture
        self.member = member
        self.layout = ParameterLayout(architecture, 1)
        self.parameters = self.layout.new_buffer(CPU)
        self.gradients = self.layout.new_buffer(CPU)
        self.total_gradient = self.layout.new_buffer(CPU)
        rows = member.train
        batches = batch_starts(len(rows), EVALUATION_ROWS, 1)
        self.reader = EpochReader([rows], batches, self.parameters)
        self.total_weight = float(rows.weights[rows.index].sum())
        self.statistics = self._statistics()
        mask = self.layout.weight_mask(CPU)
        mask *= member.hyperparameters.alpha / self.total_weight
        self.penalty = Penalty(mask, self.layout.slots)
        self.networks: dict[int, Network] = {}
        self.norms: dict[int, FixedNormInput] = {}

    def _batches(self) -> Iterator[tuple[Batch, Tensor]]:
        """Yield all rows, a batch at a time, with their shares of the whole weight."""
        for piece in self.reader.read([self.member.train.index]):
            start = 0
            for batch in piece.batches:
                stop = start + batch.n_rows
                yield batch, piece.epoch_shares[:, start:stop]
                start = stop

    def _statistics(self) -> InputStatistics:
        """Return mean and variance of the inputs: the batch is all there is."""
        found = InputStatistics.initial(self.architecture, 1, CPU)
        if self.architecture.input_norm is None:
            return found
        found.variance.zero_()
        for batch, shares in self._batches():
            weighed = batch.inputs.units * shares.unsqueeze(-1)
            found.mean += weighed.sum(1, keepdim=True)
        for batch, shares in self._batches():
            squares = (batch.inputs.units - found.mean) ** 2 * shares.unsqueeze(-1)
            found.variance += squares.sum(1, keepdim=True)
        return found

    def _network(self, n_rows: int) -> Network:
        """Return the network for a batch of so many rows."""
        if n_rows not in self.networks:
            self.networks[n_rows] = Network(
                self.layout, self.parameters, self.gradients, n_rows
            )
        return self.networks[n_rows]

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """Return the penalised loss and its gradient at a parameter vector."""
        self.parameters.copy_(torch.from_numpy(vector))
        self.total_gradient.zero_()
        loss = float(self.penalty.values(self.parameters))
        for batch, shares in self._batches():
            inputs = batch.inputs
            n_rows = batch.n_rows
            if self.architecture.input_norm is not None:
                if n_rows not in self.norms:  # once, not at every evaluation
                    self.norms[n_rows] = FixedNormInput(self.statistics, n_rows)
                inputs = self.norms[n_rows].forward(inputs)
            network = self._network(n_rows)
            logits = network.forward(inputs)
            loss += float(member_losses(logits, batch.signs, shares))
            offsets = (batch.signs + 1).mul_(-0.5).mul_(shares)
            run_all(residual_kernels(logits, offsets, shares, network.residuals))
            network.backward()
            self.total_gradient += self.gradients
        self.penalty.gradient_kernel(self.parameters, self.total_gradient)()
        return loss, self.total_gradient.double().numpy().copy()


class Monitor:
    """Losses per iteration and the early stopping of one run."""

    def __init__(
        self,
        problem: FullBatch,
        report: Callable[[int, float, float | None], None],
        stop: Stop,
    ) -> None:
        self.problem = problem
        self.report = report
        self.stop = stop
        self.given = problem.member.hyperparameters
        self.validation = Evaluation.of(
            [problem.member.validation], problem.architecture.dtype, CPU
        )
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.best_vector: Array | None = None
        self.stalled = 0

    def __call__(self, intermediate_result: object) -> None:
        """Record an iteration; end the run when the validation loss has stalled."""
        vector = np.asarray(intermediate_result.x)  # type: ignore[attr-defined]
        loss = float(intermediate_result.fun)  # type: ignore[attr-defined]
        self.losses.append(loss)
        held_out = None if self.validation is None else self._held_out(vector)
        self.report(len(self.losses), loss, held_out)
        if self.stop():
            raise StopIteration
        if self.validation is not None and self.stalled > self.given.n_iter_no_change:
            raise StopIteration

    def _held_out(self, vector: Array) -> float:
        """Return the validation loss and keep the best weights."""
        assert self.validation is not None
        problem = self.problem
        flat = torch.from_numpy(vector.copy()).to(problem.architecture.dtype)
        scorer = Scorer(problem.layout, flat, problem.statistics)
        logits = scorer.logits(self.validation.features)
        loss = float(
            member_losses(logits, self.validation.signs, self.validation.shares)
        )
        best = min(self.validation_losses, default=math.inf)
        self.stalled = self.stalled + 1 if loss > best - self.given.tol else 0
        if loss < best:
            self.best_vector = vector.copy()
        self.validation_losses.append(loss)
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
    with one_thread_per_kernel(), bare_kernels():
        return [
            _fit_one(architecture, member, number, report, stop)
            for number, member in enumerate(members)
        ]


def _fit_one(
    architecture: Architecture,
    member: Member,
    number: int,
    report: EpochReport | None,
    stop: Stop,
) -> MemberResult:
    """Train one member."""
    given = member.hyperparameters
    problem = FullBatch(architecture, member)

    def tell(iteration: int, loss: float, held_out: float | None) -> None:
        if report is not None:
            report(number, iteration, loss, held_out)

    monitor = Monitor(problem, tell, stop)
    start = _start_vector(architecture, member, problem.layout)
    found = minimize(
        problem,
        start.double().numpy(),
        method="L-BFGS-B",
        jac=True,
        callback=monitor,
        options={"maxiter": given.max_iter, "maxfun": given.max_fun, "gtol": given.tol},
    )
    vector = found.x if monitor.best_vector is None else monitor.best_vector
    return _result(problem, monitor, vector, converged=found.status in {0, 99})


def _start_vector(
    architecture: Architecture, member: Member, layout: ParameterLayout
) -> Tensor:
    """Return the parameters a member starts from, (member_size,)."""
    if member.state is not None:
        return layout.member_vector_of(member.state.coefs, member.state.intercepts)
    generator = torch.Generator()
    generator.manual_seed(member.hyperparameters.seed)
    bias = member.hyperparameters.output_bias
    return layout.member_vector_of(*initial_parameters(architecture, generator, bias))


def _result(
    problem: FullBatch, monitor: Monitor, vector: Array, *, converged: bool
) -> MemberResult:
    """Return what became of a member."""
    dtype = problem.architecture.dtype
    coefs, intercepts = problem.layout.unpacked(torch.from_numpy(vector).to(dtype))
    finite = bool(np.isfinite(vector).all()) and all(map(math.isfinite, monitor.losses))
    before = 0 if problem.member.state is None else problem.member.state.n_epochs
    if not monitor.losses:
        monitor.losses.append(problem(vector)[0])
    normed = problem.architecture.input_norm is not None
    state = MemberState(
        coefs,
        intercepts,
        problem.statistics.mean[0, 0] if normed else None,
        problem.statistics.variance[0, 0] if normed else None,
        {},
        0,
        before + len(monitor.losses),
    )
    return MemberResult(
        state,
        monitor.losses,
        monitor.validation_losses,
        converged,
        None if finite else len(monitor.losses),
    )
