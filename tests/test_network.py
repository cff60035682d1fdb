import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from torch_binary_classifier.training.network import (
    ACTIVATIONS,
    Architecture,
    BatchNormInput,
    DropoutLayer,
    DropoutRandomness,
    FixedNormInput,
    InputStatistics,
    Network,
    ParameterLayout,
    Units,
    initial_parameters,
    run_all,
)
from torch_binary_classifier.training.objective import Penalty, residual_kernels
from torch_binary_classifier.training.threads import one_thread_per_kernel

CPU = torch.device("cpu")
N_ROWS, N_FEATURES, N_MEMBERS = 13, 4, 3
BOUND = 1e-9
ALPHAS = (0.5, 0.0, 2.0)
TORCH_ACTIVATIONS = {
    "gelu": F.gelu,
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "relu": torch.relu,
    "selu": F.selu,
    "silu": F.silu,
    "tanh": torch.tanh,
}
DEPTHS = [(), (5,), (6, 3)]


@pytest.fixture(autouse=True)
def one_thread():
    """Barriers of a thread pool would cost more than these small tensors."""
    with one_thread_per_kernel():
        yield


def draw(*shape, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def make_architecture(activation="tanh", sizes=(5,), norm=None, dtype=torch.float64):
    return Architecture(N_FEATURES, sizes, activation, norm, dtype)


def start_weights(architecture, seed):
    generator = torch.Generator().manual_seed(seed)
    return initial_parameters(architecture, generator, 0.3)


def equal_shares(n_rows, n_members=1):
    shares = torch.full((n_members, n_rows), 1 / n_rows, dtype=torch.float64)
    correction = torch.full((n_members, 1, 1), n_rows / (n_rows - 1)).double()
    return shares, correction


def normalised(layer, inputs, shares, correction):
    """Run a normalisation of one batch."""
    kernels = []
    outputs = layer.forward(inputs, shares, correction, kernels)
    run_all(kernels)
    return outputs


class Setting:
    """A network of several members beside the same networks for autograd."""

    def __init__(self, architecture, dropout=None):
        self.layout = ParameterLayout(architecture, N_MEMBERS)
        self.parameters = self.layout.new_buffer(CPU)
        self.gradients = self.layout.new_buffer(CPU)
        self.weights = [start_weights(architecture, seed) for seed in range(N_MEMBERS)]
        for member, (coefs, intercepts) in enumerate(self.weights):
            vector = self.layout.member_vector_of(coefs, intercepts)
            self.layout.write_member(self.parameters, member, vector)
        self.rows = draw(N_MEMBERS, N_ROWS, N_FEATURES, seed=7)
        self.targets = (draw(N_MEMBERS, N_ROWS, seed=8) > 0).double()
        weights = draw(N_MEMBERS, N_ROWS, seed=9).abs() + 0.1
        self.shares = weights / weights.sum(1, keepdim=True)
        self.norm = None
        if architecture.input_norm is not None:
            statistics = InputStatistics.initial(architecture, N_MEMBERS, CPU)
            self.norm = BatchNormInput(statistics, N_ROWS)
        self.network = Network(
            self.layout,
            self.parameters,
            self.gradients,
            N_ROWS,
            dropout=dropout,
        )

    def run(self, penalised):
        """Fill the gradients by our own forward and backward passes."""
        inputs = Units.of(self.rows)
        if self.norm is not None:
            inputs = normalised(self.norm, inputs, *equal_shares(N_ROWS, N_MEMBERS))
        self.network.draw()
        self.logits = self.network.forward(inputs).clone()
        offsets = -self.targets * self.shares
        residuals = self.network.residuals
        run_all(residual_kernels(self.logits, offsets, self.shares, residuals))
        self.network.backward()
        if penalised:
            strengths = self.layout.weight_mask(CPU)
            for member, alpha in enumerate(ALPHAS):
                for slot in self.layout.slots(strengths):
                    slot[member].mul_(alpha / N_ROWS)
            penalty = Penalty(strengths, self.layout.slots)
            penalty.gradient_kernel(self.parameters, self.gradients)()
        vectors = [
            self.layout.member_vector(self.gradients, member)
            for member in range(N_MEMBERS)
        ]
        return [self.layout.unpacked(vector) for vector in vectors]

    def masks(self, member):
        return [
            layer.mask[member]
            for layer in self.network.layers
            if isinstance(layer, DropoutLayer)
        ]

    def autograd(self, member, penalised):
        """Return logits and gradients of the penalised loss by torch's autograd."""
        coefs, intercepts = (
            [one.clone().requires_grad_() for one in part]
            for part in self.weights[member]
        )
        activate = TORCH_ACTIVATIONS[self.layout.architecture.activation]
        values = self.rows[member]
        if self.norm is not None:
            values = F.batch_norm(values, None, None, training=True)
        masks = self.masks(member)
        for layer, coef in enumerate(coefs[:-1]):
            values = activate(values @ coef + intercepts[layer])
            if masks:
                values = values * masks[layer][:, : values.shape[1]]
        logits = (values @ coefs[-1])[:, 0] + intercepts[-1]
        losses = F.binary_cross_entropy_with_logits(
            logits, self.targets[member], reduction="none"
        )
        loss = (losses * self.shares[member]).sum()
        if penalised:
            squares = sum((coef**2).sum() for coef in coefs)
            loss = loss + ALPHAS[member] / (2 * N_ROWS) * squares
        loss.backward()
        return logits.detach(), [one.grad for one in [*coefs, *intercepts]]


def relative_error(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def largest_error(setting, penalised):
    """Return the largest relative error of any layer's gradient of any member."""
    errors = []
    for member, (coefs, intercepts) in enumerate(setting.run(penalised)):
        logits, theirs = setting.autograd(member, penalised)
        errors.append(relative_error(setting.logits[member], logits))
        ours = [*coefs, *intercepts]
        errors += [relative_error(a, b) for a, b in zip(ours, theirs, strict=True)]
    return max(errors)


@pytest.mark.parametrize("sizes", DEPTHS, ids=str)
@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_network_gradients_equal_autograd(activation, sizes, penalised):
    setting = Setting(make_architecture(activation, sizes))
    assert largest_error(setting, penalised) < BOUND


@pytest.mark.parametrize("sizes", DEPTHS[1:], ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_network_gradients_with_dropout_equal_autograd(activation, sizes):
    dropout = DropoutRandomness([0.5, 0.0, 0.2])
    dropout.reseed([3, 4, 5])
    setting = Setting(make_architecture(activation, sizes), dropout)
    assert largest_error(setting, penalised=True) < BOUND
    assert (setting.masks(0)[0] == 0).any()
    assert (setting.masks(1)[0] == 1).all()


@pytest.mark.parametrize("sizes", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_network_gradients_with_batch_norm_equal_autograd(activation, sizes):
    setting = Setting(make_architecture(activation, sizes, "batch"))
    assert largest_error(setting, penalised=True) < BOUND


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_network_gradient_check_notices_a_perturbed_gradient(layer):
    setting = Setting(make_architecture("tanh", (6,)))
    coefs, intercepts = setting.run(penalised=True)[0]
    _, theirs = setting.autograd(0, penalised=True)
    ours = [*coefs, *intercepts]
    assert relative_error(ours[layer], theirs[layer]) < BOUND
    ours[layer].view(-1)[0] *= 1 + 1e-6
    assert relative_error(ours[layer], theirs[layer]) > BOUND


def test_network_gradient_check_notices_a_wrong_derivative(monkeypatch):
    monkeypatch.setattr(
        ACTIVATIONS["tanh"].__class__,
        "backward",
        lambda self, upstream, kept, out: [  # noqa: ARG005
            lambda: torch.mul(upstream, 1 - kept, out=out)
        ],
    )
    setting = Setting(make_architecture("tanh", (6, 3)))
    assert largest_error(setting, penalised=True) > 1e-3


def test_network_gradient_check_notices_a_missing_penalty():
    setting = Setting(make_architecture("tanh", (6, 3)))
    coefs, _ = setting.run(penalised=False)[0]
    _, theirs = setting.autograd(0, penalised=True)
    assert relative_error(coefs[0], theirs[0]) > 1e-3


@pytest.mark.parametrize("sizes", DEPTHS[1:], ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_network_padding_gets_no_gradient(activation, sizes):
    setting = Setting(make_architecture(activation, sizes))
    for coefs, intercepts in setting.run(penalised=True):
        packed = setting.layout.member_vector_of(coefs, intercepts)
        member = [
            setting.layout.member_vector(setting.gradients, one)
            for one in range(N_MEMBERS)
        ]
        assert any(torch.equal(packed, one) for one in member)


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


@pytest.mark.parametrize(
    ("activation", "variance"),
    [
        ("relu", 2 / 400),
        ("silu", 2 / 400),
        ("gelu", 2 / 400),
        ("selu", 1 / 400),
        ("tanh", 2 / 700),
        ("identity", 2 / 700),
        ("logistic", 2 / 700 / 3),
    ],
)
def test_initial_parameters_have_the_documented_variance(activation, variance):
    architecture = Architecture(400, (300,), activation, None, torch.float64)
    coefs, intercepts = start_weights(architecture, 0)
    assert float(coefs[0].var()) == pytest.approx(variance, rel=0.02)
    assert abs(float(coefs[0].mean())) < 4 * math.sqrt(variance / 120_000)
    assert float(coefs[1].var()) == pytest.approx(1 / 300, rel=0.3)
    assert float(intercepts[0].abs().max()) <= 1 / math.sqrt(400)
    assert intercepts[1].tolist() == [0.3]


def test_initial_parameters_depend_on_the_generator_only():
    architecture = make_architecture(dtype=torch.float32)
    first, again, other = (start_weights(architecture, seed) for seed in (0, 0, 1))
    assert torch.equal(first[0][0], again[0][0])
    assert not torch.equal(first[0][0], other[0][0])
    assert all(coef.dtype == torch.float32 for coef in first[0])


def masks(rates, seeds, *sizes, n_draws=1):
    """Return some masks in a row, each (n_members, n_rows, width)."""
    randomness = DropoutRandomness(rates)
    randomness.reseed(seeds)
    layer = DropoutLayer(Units.of(torch.ones(len(rates), *sizes)), randomness)
    drawn = []
    for _ in range(n_draws):
        layer.draw(randomness.words(layer.n_words))
        drawn.append(layer.mask.clone())
    return drawn


@pytest.mark.parametrize("sizes", [(40, 16), (3, 7)], ids=str)
def test_dropout_is_each_members_own(sizes):
    (together,) = masks([0.5, 0.2, 0.0], [1, 2, 3], *sizes)
    alone, later = masks([0.2], [2], *sizes, n_draws=2)
    assert torch.equal(alone[0], together[1])
    assert (together[2] == 1).all()
    assert not torch.equal(later, alone)


@pytest.mark.parametrize("rate", [0.3, 0.9, 1e-3])
def test_dropout_keeps_the_mean(rate):
    (mask,) = masks([rate], [0], 1000, 100)
    deviation = (rate * (1 - rate) / mask.numel()) ** 0.5
    share = float((mask == 0).double().mean())
    assert share == pytest.approx(rate, abs=4 * deviation + 2**-17)
    kept = mask[mask > 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-4)


def test_dropout_never_drops_every_unit_for_good():
    (mask,) = masks([1 - 1e-9], [0], 1000, 400)
    assert set(mask.unique().tolist()) == {0.0, 2.0**16}


def test_dropout_layers_of_a_network_draw_different_masks():
    dropout = DropoutRandomness([0.5] * N_MEMBERS)
    dropout.reseed(range(N_MEMBERS))
    setting = Setting(make_architecture(sizes=(8, 8)), dropout)
    setting.network.draw()
    first, second = setting.masks(0)
    assert first.shape == second.shape
    assert not torch.equal(first, second)


def test_batch_norm_equals_torch_in_training_and_running_statistics():
    architecture = make_architecture(norm="batch")
    statistics = InputStatistics.initial(architecture, 2, CPU)
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


def norm_weighted(rows, weights):
    """Return the normalised rows and the statistics after one weighted batch."""
    architecture = make_architecture(norm="batch")
    statistics = InputStatistics.initial(architecture, 1, CPU)
    layer = BatchNormInput(statistics, len(rows))
    total = weights.sum()
    correction = (total / (total - 1)).view(1, 1, 1)
    shares = (weights / total).unsqueeze(0)
    inputs = Units.of(rows.unsqueeze(0))
    return normalised(layer, inputs, shares, correction).units[0], statistics


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
