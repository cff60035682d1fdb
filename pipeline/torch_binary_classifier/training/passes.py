"""Passes over batches, slice by slice, that fill the members' gradients.

Knows networks and batches; nothing of what is done with the gradients.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import torch

from torch_binary_classifier.training.dropout import DropoutRandomness
from torch_binary_classifier.training.kernels import Kernel, run_all
from torch_binary_classifier.training.members import Setup
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import BatchNormInput
from torch_binary_classifier.training.objective import residual_kernels
from torch_binary_classifier.training.pieces import Batch
from torch_binary_classifier.training.seeding import DROPOUT, stream_seed
from torch_binary_classifier.training.state import BlockState
from torch_binary_classifier.training.threads import Team


class Passes:
    """The networks for the slices of each size of batch, on the same parameters.

    Parameters
    ----------
    setup : Setup
        Says how batches are cut.
    state : BlockState
        The parameters; a batch normalisation moves the running statistics.
    rates : sequence of float
        Each member's ``dropout``.
    sizes : collection of int
        The numbers of rows of the batches.
    team : Team
        Passes over the slices side by side.

    Attributes
    ----------
    gradients : Tensor of shape (n_members * member_size,)
        Filled by a pass.
    """

    def __init__(
        self,
        setup: Setup,
        state: BlockState,
        rates: Sequence[float],
        sizes: Collection[int],
        team: Team,
    ) -> None:
        self.state = state
        self.product = setup.device.product
        self.team = team
        self.gradients = torch.zeros_like(state.parameters)
        slices = {n_rows: setup.slices(n_rows) for n_rows in sizes}
        n_slices = max(map(len, slices.values()))
        others = [torch.zeros_like(self.gradients) for _ in range(n_slices - 1)]
        self.slice_gradients = [self.gradients, *others]
        self.dropouts = [
            DropoutRandomness(rates) for _ in range(n_slices if any(rates) else 0)
        ]
        self.networks = {
            n_rows: [
                self._network(number, stop - start)
                for number, (start, stop) in enumerate(bounds)
            ]
            for n_rows, bounds in slices.items()
        }
        self.norms: dict[int, BatchNormInput] = {}
        if setup.architecture.input_norm is not None:
            self.norms = {n: BatchNormInput(state.statistics, n) for n in sizes}

    def _network(self, number: int, n_rows: int) -> Network:
        """Return the network for a batch's slice of this number."""
        return Network(
            self.state.layout,
            self.state.parameters,
            self.slice_gradients[number],
            n_rows,
            product=self.product,
            dropout=self.dropouts[number] if self.dropouts else None,
        )

    def reseed(self, seeds: Sequence[int], epochs: Sequence[int]) -> None:
        """Begin the members' epochs: each slice has random numbers of its own."""
        for number, dropout in enumerate(self.dropouts):
            dropout.reseed(
                [
                    stream_seed(seed, epoch, DROPOUT + number)
                    for seed, epoch in zip(seeds, epochs, strict=True)
                ]
            )

    def draw(self, n_rows: int) -> None:
        """Draw the units that the next pass over so many rows leaves out."""
        for network in self.networks[n_rows]:
            network.draw()

    def kernels(self, batch: Batch) -> list[Kernel]:
        """Return what fills the gradients from a batch."""
        networks = self.networks[batch.n_rows]
        if not batch.parts:
            return self._pass(networks[0], batch)
        parts = zip(networks, batch.parts, strict=True)
        slices = [partial(run_all, self._pass(*pair)) for pair in parts]
        others = self.slice_gradients[1 : len(slices)]
        return [
            partial(self.team.run, slices),
            *(partial(self.gradients.add_, other) for other in others),
        ]

    def _pass(self, network: Network, batch: Batch) -> list[Kernel]:
        """Return what fills a network's gradients from a batch or a slice of one."""
        kernels: list[Kernel] = []
        inputs = batch.inputs
        if self.norms:
            norm = self.norms[batch.n_rows]
            inputs = norm.forward(inputs, batch.shares, batch.correction, kernels)
        kernels += network.forward_kernels(inputs, batch.logits)
        kernels += residual_kernels(
            batch.logits, batch.offsets, batch.shares, network.residuals
        )
        return kernels + network.backward_kernels()
