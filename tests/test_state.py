import pytest
import torch

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member, MemberState
from torch_binary_classifier.training.rows import DenseRows, RowSet
from torch_binary_classifier.training.state import BlockState, starting_state

ROWS = RowSet(
    DenseRows(torch.zeros(4, 3)), torch.arange(4), torch.zeros(4), torch.ones(4)
)


def make_architecture(norm="batch"):
    return Architecture(3, (5, 2), "tanh", norm, torch.float64)


def make_member_state(seed):
    """Return a network with statistics of its own."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    shapes = make_architecture().shapes
    coefs = [draw(*shape) for shape in shapes]
    intercepts = [draw(out) for _, out in shapes]
    return MemberState(coefs, intercepts, draw(3), draw(3).square())


def make_block(*seeds):
    states = [make_member_state(seed) for seed in seeds]
    return BlockState.of(make_architecture(), states, CPU.where)


def tensors_of(state):
    return [*state.coefs, *state.intercepts, state.input_mean, state.input_variance]


def same(one, other):
    return all(map(torch.equal, tensors_of(one), tensors_of(other)))


def holds(block, *seeds):
    """Return whether the block's members are those of some seeds, in this order."""
    return block.layout.n_members == len(seeds) and all(
        same(block.member(place), make_member_state(seed))
        for place, seed in enumerate(seeds)
    )


def test_members_lie_side_by_side():
    assert holds(make_block(0, 1, 2), 0, 1, 2)
    assert not holds(make_block(0, 1, 2), 0, 2, 1)


def test_a_member_is_a_copy():
    block = make_block(0, 1)
    for tensor in tensors_of(block.member(1)):
        tensor.zero_()
    assert holds(block, 0, 1)


def test_a_member_without_normalisation_has_no_statistics():
    block = BlockState.of(make_architecture(None), [make_member_state(0)], CPU.where)
    assert block.member(0).input_mean is None
    assert block.member(0).input_variance is None


def test_a_copy_does_not_follow():
    block = make_block(0, 1)
    copy = block.copy()
    for tensor in (block.parameters, block.statistics.mean, block.statistics.variance):
        tensor.zero_()
    assert holds(copy, 0, 1)


@pytest.mark.parametrize("staying", [[0], [1, 3], [0, 1, 2, 3]])
def test_compact_leaves_the_members_that_stay(staying):
    block = make_block(5, 6, 7, 8)
    assert holds(block.compact(staying), *(5 + place for place in staying))
    assert holds(block, 5, 6, 7, 8)


def test_keep_overwrites_one_member_only():
    best, now = make_block(0, 1, 2), make_block(10, 11, 12)
    best.keep(1, now)
    assert holds(best, 0, 11, 2)
    now.parameters.zero_()
    now.statistics.mean.zero_()
    assert holds(best, 0, 11, 2)


def test_a_member_starts_from_its_state_or_its_seed():
    architecture = make_architecture()
    state = make_member_state(3)
    member = Member(ROWS, Hyperparameters(0, output_bias=0.25), state=state)
    assert starting_state(architecture, member) is state
    found = [
        starting_state(architecture, Member(ROWS, Hyperparameters(seed, output_bias=b)))
        for seed, b in [(0, 0.25), (0, 0.25), (1, 0.25)]
    ]
    assert found[0].intercepts[-1].tolist() == [0.25]
    assert torch.equal(found[0].coefs[0], found[1].coefs[0])
    assert not torch.equal(found[0].coefs[0], found[2].coefs[0])
    assert (found[0].n_steps, found[0].n_epochs, found[0].moments) == (0, 0, {})
