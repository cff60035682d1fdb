import pytest
import torch

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.epochs import EpochReader
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member, Setup
from torch_binary_classifier.training.rows import DenseRows, RowSet
from torch_binary_classifier.training.state import BlockState, starting_state
from torch_binary_classifier.training.stepper import STEPS_BETWEEN_FLUSHES, Stepper
from torch_binary_classifier.training.threads import Team

N_ROWS = 40
ARCHITECTURE = Architecture(3, (5,), "tanh", None, torch.float64)


def make_members(*alphas):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(N_ROWS, 3, generator=generator, dtype=torch.float64)
    weights = torch.ones(N_ROWS, dtype=torch.float64)
    rows = RowSet(DenseRows(X), torch.arange(N_ROWS), (X[:, 0] > 0).double(), weights)
    return [
        Member(rows, Hyperparameters(seed, alpha=alpha))
        for seed, alpha in enumerate(alphas)
    ]


def make_stepper(members, batch_size=16):
    setup = Setup(ARCHITECTURE, "sgd", batch_size, CPU)
    states = [starting_state(ARCHITECTURE, member) for member in members]
    state = BlockState.of(ARCHITECTURE, states, CPU.where)
    return setup, Stepper(setup, state, members, Team(1))


def flushes_at(stepper, numbers):
    """Return the steps of those by which epochs end that have the moments flushed."""
    found = []
    stepper.optimizer.flush = lambda: found.append(stepper.optimizer.n_steps)
    for number in numbers:
        while stepper.optimizer.n_steps < number:
            stepper.optimizer.count()
        stepper.end_epoch()
    return found


def test_moments_are_flushed_once_in_so_many_steps():
    _, stepper = make_stepper(make_members(0.0))
    stepper.go_on(0, [{}])
    often = STEPS_BETWEEN_FLUSHES
    numbers = [often - 1, often, often + 1, 2 * often - 1, 3 * often + 5, 4 * often]
    assert flushes_at(stepper, numbers) == [often, 3 * often + 5, 4 * often]


def test_moments_are_not_flushed_because_a_run_goes_on():
    _, stepper = make_stepper(make_members(0.0))
    stepper.go_on(STEPS_BETWEEN_FLUSHES + 3, [{}])
    numbers = [STEPS_BETWEEN_FLUSHES + 4, 2 * STEPS_BETWEEN_FLUSHES]
    assert flushes_at(stepper, numbers) == [2 * STEPS_BETWEEN_FLUSHES]


def test_losses_of_an_epoch_without_a_move_are_those_of_the_start():
    members = make_members(0.0, 2.0)
    setup, stepper = make_stepper(members)
    stepper.go_on(0, [{}, {}])
    batches = setup.batches(N_ROWS)
    rows = [member.train for member in members]
    parameters = stepper.optimizer.parameters
    reader = EpochReader(rows, [batches[:2], batches[2:]], parameters)
    found = []
    for _ in range(2):
        stepper.begin_epoch([0.0, 0.0], [0, 0])
        for piece in reader.read([one.index for one in rows]):
            for batch in piece.batches:
                stepper.step(batch)
            stepper.add_losses(piece)
        found.append(stepper.end_epoch())
    assert found[0] == found[1]
    for place, member in enumerate(members):
        state = starting_state(ARCHITECTURE, member)
        hidden = torch.tanh(
            rows[0].features.values @ state.coefs[0] + state.intercepts[0]
        )
        logits = hidden @ state.coefs[1][:, 0] + state.intercepts[1]
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, rows[0].targets
        )
        # The penalty is that of the mean batch.
        squares = sum(float(coef.square().sum()) for coef in state.coefs)
        alpha = member.hyperparameters.alpha
        expected = float(losses) + alpha * len(batches) / (2 * N_ROWS) * squares
        assert found[0][place] == pytest.approx(expected, rel=1e-12)
