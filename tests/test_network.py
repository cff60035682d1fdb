import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from torch_binary_classifier.training.activations import ACTIVATIONS
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.dropout import DropoutLayer, DropoutRandomness
from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.kernels import run_all
from torch_binary_classifier.training.layers import Units
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import (
    BatchNormInput,
    InputStatistics,
)
from torch_binary_classifier.training.objective import residual_kernels
from torch_binary_classifier.training.penalty import Penalty
from torch_binary_classifier.training.threads import one_thread_per_kernel

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
        self.parameters = self.layout.new_buffer(CPU.where)
        self.gradients = self.layout.new_buffer(CPU.where)
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
            statistics = InputStatistics.initial(architecture, N_MEMBERS, CPU.where)
            self.norm = BatchNormInput(statistics, N_ROWS)
        self.network = Network(
            self.layout,
            self.parameters,
            self.gradients,
            N_ROWS,
            product=CPU.product,
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
            strengths = [alpha / N_ROWS for alpha in ALPHAS]
            penalty = Penalty(self.layout, strengths, CPU.where)
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


def test_network_dropout_layers_draw_different_masks():
    dropout = DropoutRandomness([0.5] * N_MEMBERS)
    dropout.reseed(range(N_MEMBERS))
    setting = Setting(make_architecture(sizes=(8, 8)), dropout)
    setting.network.draw()
    first, second = setting.masks(0)
    assert first.shape == second.shape
    assert not torch.equal(first, second)
