from dataclasses import dataclass

import pytest
import torch

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.device import CPU, Cpu
from torch_binary_classifier.training.epochs import EpochReader
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member, Setup
from torch_binary_classifier.training.passes import Passes
from torch_binary_classifier.training.rows import DenseRows, RowSet
from torch_binary_classifier.training.state import BlockState, starting_state
from torch_binary_classifier.training.threads import Team

ARCHITECTURE = Architecture(3, (5, 4), "tanh", None, torch.float64)
BATCHES = [(0, 16), (16, 22)]


@dataclass(frozen=True)
class Slicing(Cpu):
    """A CPU that cuts every batch into slices of four rows."""

    def slices(self, architecture, n_rows):  # noqa: ARG002
        return [(start, min(start + 4, n_rows)) for start in range(0, n_rows, 4)]


def gradients(device, team, rates=(0.0, 0.0), epochs=(0, 0)):
    """Return the gradients of two members on each of two batches."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(22, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(22, generator=generator, dtype=torch.float64) + 0.1
    rows = RowSet(DenseRows(X), torch.arange(22), (X[:, 0] > 0).double(), weights)
    members = [Member(rows, Hyperparameters(seed)) for seed in (0, 1)]
    states = [starting_state(ARCHITECTURE, member) for member in members]
    state = BlockState.of(ARCHITECTURE, states, device.where)
    setup = Setup(ARCHITECTURE, "adam", 16, device)
    passes = Passes(setup, state, rates, {16, 6}, team)
    passes.reseed([0, 1], epochs)
    reader = EpochReader([rows, rows], [BATCHES], state.parameters, setup.slices)
    (piece,) = reader.read([rows.index, rows.index])
    found = []
    for batch in piece.batches:
        passes.draw(batch.n_rows)
        run_all(passes.kernels(batch))
        found.append(passes.gradients.clone())
    return found


@pytest.mark.parametrize("n_threads", [1, 2])
def test_gradients_do_not_depend_on_the_slices(n_threads):
    whole = gradients(CPU, Team(1))
    with Team(n_threads) as team:
        sliced = gradients(Slicing(CPU.where), team)
    for one, other in zip(whole, sliced, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    assert not torch.allclose(whole[0], whole[1])


def test_bits_do_not_depend_on_the_threads():
    alone = gradients(Slicing(CPU.where), Team(1), rates=(0.5, 0.0))
    with Team(2) as team:
        together = gradients(Slicing(CPU.where), team, rates=(0.5, 0.0))
    assert all(map(torch.equal, alone, together))


def test_each_epoch_has_units_of_its_own_left_out():
    (first, _), (again, _), (other, _) = (
        gradients(CPU, Team(1), rates=(0.5, 0.0), epochs=(epoch, 0))
        for epoch in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
