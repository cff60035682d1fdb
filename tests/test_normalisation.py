import torch

from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layers import Units
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.normalisation import (
    BatchNormInput,
    FixedNormInput,
    InputStatistics,
)

CPU = torch.device("cpu")
N_ROWS, N_FEATURES = 13, 4
ARCHITECTURE = Architecture(N_FEATURES, (5,), "tanh", "batch", torch.float64)


def draw(*shape, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def equal_shares(n_rows, n_members=1):
    shares = torch.full((n_members, n_rows), 1 / n_rows, dtype=torch.float64)
    correction = torch.full((n_members, 1, 1), n_rows / (n_rows - 1)).double()
    return shares, correction


def normalised(layer, inputs, shares, correction):
    """Run the normalisation of one batch."""
    kernels = []
    outputs = layer.forward(inputs, shares, correction, kernels)
    run_all(kernels)
    return outputs


def norm_weighted(rows, weights):
    """Return the normalised rows and the statistics after one weighted batch."""
    statistics = InputStatistics.initial(ARCHITECTURE, 1, CPU)
    layer = BatchNormInput(statistics, len(rows))
    total = weights.sum()
    correction = (total / (total - 1)).view(1, 1, 1)
    shares = (weights / total).unsqueeze(0)
    inputs = Units.of(rows.unsqueeze(0))
    return normalised(layer, inputs, shares, correction).units[0], statistics


def test_batch_norm_equals_torch_in_training_and_running_statistics():
    statistics = InputStatistics.initial(ARCHITECTURE, 2, CPU)
    ours = BatchNormInput(statistics, N_ROWS)
    theirs = [
        torch.nn.BatchNorm1d(N_FEATURES, affine=False, dtype=torch.float64)
        for _ in range(2)
    ]
    for step in range(20):
        rows = draw(2, N_ROWS, N_FEATURES, seed=step) * 3 + 40
        normed = normalised(ours, Units.of(rows), *equal_shares(N_ROWS, 2)).units
        for member, layer in enumerate(theirs):
            expected = layer(rows[member])
            torch.testing.assert_close(normed[member], expected, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(statistics.mean[member, 0], layer.running_mean)
            torch.testing.assert_close(
                statistics.variance[member, 0], layer.running_var
            )
    fixed = FixedNormInput(statistics, N_ROWS)
    rows = draw(2, N_ROWS, N_FEATURES, seed=99) * 3 + 40
    before = statistics.mean.clone()
    scored = fixed.forward(Units.of(rows)).units
    for member, layer in enumerate(theirs):
        torch.testing.assert_close(scored[member], layer.eval()(rows[member]))
        trained = layer.train()(rows[member])
        assert not torch.allclose(scored[member], trained)
    assert torch.equal(statistics.mean, before)


def test_batch_norm_weights_equal_repeated_rows():
    rows = draw(6, N_FEATURES, seed=1) + 5
    counts = torch.tensor([1, 3, 1, 2, 1, 4])
    normed, weighted = norm_weighted(rows, counts.double())
    many = rows.repeat_interleave(counts, 0)
    expected, repeated = norm_weighted(many, torch.ones(len(many)).double())
    torch.testing.assert_close(normed.repeat_interleave(counts, 0), expected)
    torch.testing.assert_close(weighted.mean, repeated.mean)
    torch.testing.assert_close(weighted.variance, repeated.variance)
    unweighted, _ = norm_weighted(rows, torch.ones(6).double())
    assert not torch.allclose(normed, unweighted)
