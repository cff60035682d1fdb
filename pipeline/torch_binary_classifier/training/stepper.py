"""The steps of a block's optimizer, and the losses on the way.

Knows batches and parameters; nothing of epochs, results or when a training ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from torch_binary_classifier.interface.settings import (
    StepHyperparameters,
)
from torch_binary_classifier.training.averaging import WeightAverage
from torch_binary_classifier.training.kernels import Kernel, run_all
from torch_binary_classifier.training.members import Member, Setup
from torch_binary_classifier.training.objective import loss_kernels
from torch_binary_classifier.training.optimizer import Optimizer
from torch_binary_classifier.training.passes import Passes
from torch_binary_classifier.training.penalty import EpochPenalty
from torch_binary_classifier.training.pieces import Batch, Piece
from torch_binary_classifier.training.state import BlockState
from torch_binary_classifier.training.threads import Team
from torch_binary_classifier.training.updates import StepSize

# Moments become denormal slowly: looking at them once in so many steps is enough.
STEPS_BETWEEN_FLUSHES = 64

STEP_NAMES = [field.name for field in fields(StepHyperparameters)]


class Stepper:
    """Moves a block's parameters, batch by batch.

    Parameters
    ----------
    setup : Setup
        What the members have in common.
    state : BlockState
        What is moved.
    members : sequence of Member
        Their rows and hyperparameters.
    team : Team
        Works on the slices of a batch.
    average : WeightAverage or None
        Follows the parameters.
    """

    def __init__(
        self,
        setup: Setup,
        state: BlockState,
        members: Sequence[Member],
        team: Team,
        average: WeightAverage | None = None,
    ) -> None:
        self.hyperparameters = [member.hyperparameters for member in members]
        batches = setup.batches(len(members[0].train))
        rates = [given.dropout for given in self.hyperparameters]
        sizes = {stop - start for start, stop in batches}
        self.passes = Passes(setup, state, rates, sizes, team)
        kind = setup.device.optimizers[setup.solver]
        self.optimizer: Optimizer = kind(
            state.layout, state.parameters, self.passes.gradients
        )
        where = setup.device.where
        penalty = EpochPenalty(state.layout, members, batches, where)
        self.losses = state.parameters.new_zeros(len(members), dtype=torch.float64)
        self._penalty_kernels = penalty.value_kernels(state.parameters, self.losses)
        self._loss_kernels: dict[Piece, list[Kernel]] = {}
        self.average = average
        follow = [average.kernel(state)] if average else []
        kernels = StepKernels(state, self.passes, penalty, self.optimizer, follow)
        self._launch = setup.device.repeated(kernels.run)
        self._rates: list[float] = []
        self._n_flushes = 0

    def go_on(self, n_steps: int, moments: Sequence[Mapping[str, Tensor]]) -> None:
        """Begin after so many steps, with the members' moments by then."""
        self.optimizer.go_on(n_steps, moments)
        self._n_flushes = n_steps // STEPS_BETWEEN_FLUSHES

    def begin_epoch(self, rates: list[float], epochs: Sequence[int]) -> None:
        """Take the members' learning rates, and the epochs that they are in."""
        if rates != self._rates:
            self._rates = rates
            pairs = zip(self.hyperparameters, rates, strict=True)
            self.optimizer.set_step_sizes([_step_size(*pair) for pair in pairs])
        self.passes.reseed([given.seed for given in self.hyperparameters], epochs)
        # The losses begin with the penalty per unit of weight, before the epoch.
        self.losses.zero_()
        run_all(self._penalty_kernels)

    def step(self, batch: Batch) -> None:
        """Take one step on one batch."""
        if self.passes.dropouts:
            self.passes.draw(batch.n_rows)
        self.optimizer.count()
        if self.average is not None:
            self.average.count(self.optimizer.n_steps)
        self._launch(batch)

    def add_losses(self, piece: Piece) -> None:
        """Add every member's loss on a piece, from the logits of its steps."""
        if piece not in self._loss_kernels:
            labels = (piece.signs, piece.epoch_shares)
            self._loss_kernels[piece] = loss_kernels(piece.logits, *labels, self.losses)
        run_all(self._loss_kernels[piece])

    def end_epoch(self) -> list[float]:
        """Return every member's loss in the epoch."""
        losses: list[float] = self.losses.tolist()
        n_flushes = self.optimizer.n_steps // STEPS_BETWEEN_FLUSHES
        if n_flushes > self._n_flushes:
            self._n_flushes = n_flushes
            self.optimizer.flush()
        return losses


class StepKernels:
    """What a step consists of, on static buffers only."""

    def __init__(
        self,
        state: BlockState,
        passes: Passes,
        penalty: EpochPenalty,
        optimizer: Optimizer,
        follow: Sequence[Kernel],
    ) -> None:
        self.state = state
        self.passes = passes
        self.penalty = penalty
        self.optimizer = optimizer
        self.follow = follow
        self._kernels: dict[Batch, list[Kernel]] = {}

    def run(self, batch: Batch) -> None:
        """Run the kernels of a step on a batch."""
        kernels = self._kernels.get(batch)
        if kernels is None:
            kernels = self._kernels[batch] = self._kernels_of(batch)
        run_all(kernels)

    def _kernels_of(self, batch: Batch) -> list[Kernel]:
        """Return the kernels of a step on a batch."""
        penalty = self.penalty.gradient_kernels(
            self.state.parameters, self.passes.gradients, last=batch.last
        )
        passed = self.passes.kernels(batch)
        return [*passed, *penalty, self.optimizer.update, *self.follow]


def _step_size(given: StepHyperparameters, rate: float) -> StepSize:
    """Return what decides a member's update in an epoch."""
    return StepSize(rate, **{name: getattr(given, name) for name in STEP_NAMES})
