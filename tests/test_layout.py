import pytest
import torch

from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.layout import Architecture, ParameterLayout

CPU = torch.device("cpu")
N_MEMBERS = 3
DEPTHS = [(), (5,), (6, 3)]


def make_architecture(activation="tanh", sizes=(5,)):
    return Architecture(4, sizes, activation, None, torch.float64)


def start_weights(architecture, seed):
    generator = torch.Generator().manual_seed(seed)
    return initial_parameters(architecture, generator, 0.3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layout_gives_every_member_whole_pairs_of_cache_lines(dtype):
    architecture = Architecture(3, (1, 17), "relu", None, dtype)
    layout = ParameterLayout(architecture, 3)
    assert layout.shapes == [(4, 1), (2, 17), (18, 1)]
    for size, (rows, out) in zip(layout.slot_sizes, layout.shapes, strict=True):
        assert rows * out <= size
        assert size * dtype.itemsize % 128 == 0


def test_layout_keeps_the_biases_behind_the_weights():
    layout = ParameterLayout(make_architecture(sizes=(5,)), 2)
    coefs, intercepts = start_weights(layout.architecture, 0)
    flat = layout.new_buffer(CPU)
    layout.write_member(flat, 1, layout.member_vector_of(coefs, intercepts))
    for matrix, coef, bias in zip(
        layout.matrices(flat), coefs, intercepts, strict=True
    ):
        assert torch.equal(matrix[1, :-1], coef)
        assert torch.equal(matrix[1, -1], bias)
        assert not matrix[0].any()


@pytest.mark.parametrize("sizes", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_layout_unpacks_what_it_packed(activation, sizes):
    architecture = make_architecture(activation, sizes)
    layout = ParameterLayout(architecture, N_MEMBERS)
    flat = layout.new_buffer(CPU)
    given = [start_weights(architecture, seed) for seed in range(N_MEMBERS)]
    for member, weights in enumerate(given):
        layout.write_member(flat, member, layout.member_vector_of(*weights))
    for member, (coefs, intercepts) in enumerate(given):
        back = layout.unpacked(layout.member_vector(flat, member))
        for ours, theirs in zip(back, (coefs, intercepts), strict=True):
            assert all(map(torch.equal, ours, theirs))
    assert not torch.equal(layout.member_vector(flat, 0), layout.member_vector(flat, 1))


def test_layout_segments_cover_the_chosen_members_only():
    layout = ParameterLayout(make_architecture(sizes=(5, 3)), 4)
    flat = layout.new_buffer(CPU)
    for segment in layout.segments(flat, 1, 3):
        segment.fill_(1.0)
    sums = [float(layout.member_vector(flat, member).sum()) for member in range(4)]
    assert sums == [0, layout.member_size, layout.member_size, 0]
    (whole,) = layout.segments(flat, 0, 4)
    assert whole.data_ptr() == flat.data_ptr()
    assert whole.shape == flat.shape


def test_layout_weight_mask_marks_weights_and_no_bias():
    layout = ParameterLayout(make_architecture(sizes=(5, 3)), 2)
    mask = layout.weight_mask(CPU)
    coefs, intercepts = layout.unpacked(layout.member_vector(mask, 1))
    assert all((coef == 1).all() for coef in coefs)
    assert all((intercept == 0).all() for intercept in intercepts)


def test_layout_compacts_a_buffer_to_some_members():
    architecture = make_architecture(sizes=(5, 3))
    layout, smaller = ParameterLayout(architecture, 4), ParameterLayout(architecture, 2)
    flat = layout.new_buffer(CPU)
    flat.copy_(torch.arange(len(flat)))
    compact = layout.compacted(flat, [1, 3])
    for place, member in enumerate([1, 3]):
        expected = layout.member_vector(flat, member)
        assert torch.equal(smaller.member_vector(compact, place), expected)


def test_a_normalised_batch_needs_two_rows():
    assert Architecture(4, (), "relu", None, torch.float32).smallest_batch == 1
    assert Architecture(4, (), "relu", "batch", torch.float32).smallest_batch == 2
