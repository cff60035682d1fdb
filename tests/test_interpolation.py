"""First layers from tables at knots against the products with the encoded inputs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.bins import piecewise_encoding, piecewise_inputs
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training import start
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.engine import fit_many
from torch_binary_classifier.training.interpolation import Interpolation
from torch_binary_classifier.training.layers import Units
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.rows import DenseRows, RowSet

N_MEMBERS, N_ROWS = 3, 160
WHERE = torch.device("cpu")


def centred(rows):
    """Bins of all columns, of which the last has few values."""
    return piecewise_encoding(rows, np.ones(len(rows)), 24)


def mixed(_rows):
    """Column 1 in bins and as it is, 0 only in bins, 2 not at all; gaps of 1 shown."""
    inputs = np.vstack(
        [
            piecewise_inputs(1, np.linspace(-1, 1, 8)),
            [[3, 0.1, 1, -np.inf, np.inf]],
            piecewise_inputs(0, np.array([-0.3, 0.1, 0.4])),
            [[1, 0.5, 2, -np.inf, np.inf]],
            [[1, 0, 1, 0.2, np.inf]],
        ]
    )
    source, *others = inputs.T
    fill = np.array([0.3, -0.2, 0.0])
    return Encoding(3, source.astype(np.intp), *others, fill, np.array([1]))


@pytest.fixture
def rows(rng):
    rows = rng.normal(size=(N_ROWS, 3))
    rows[:, 2] = rng.integers(0, 4, N_ROWS)
    rows[:20] *= 100
    rows[20:30, 1] = np.nan
    return rows


def parts_of(rows, encoding, dtype=np.float64):
    """Return the interpolation and what it makes of rows."""
    found = Interpolation.of(encoding, np.dtype(dtype))
    values = torch.tensor(rows, dtype=found.matrices.dtype)
    return found, found.table_of(DenseRows(values))


def networks_of(encoding, sizes, interpolation):
    """Return the networks, with a table and with products, and their gradients."""
    plain = Architecture(encoding.n_inputs, sizes, "tanh", None, torch.float64)
    layout = ParameterLayout(plain, N_MEMBERS)
    parameters = layout.new_buffer(WHERE)
    generator = torch.Generator().manual_seed(0)
    parameters.copy_(0.2 * torch.randn(parameters.shape, generator=generator))
    both = []
    for architecture in (replace(plain, interpolation=interpolation), plain):
        own = ParameterLayout(architecture, N_MEMBERS)
        slopes = own.new_buffer(WHERE)
        given = (own, parameters, slopes, N_ROWS)
        both.append((Network(*given, product=CPU.product), slopes))
    return both


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("sizes", [(5,), (70,), (6, 3)], ids=str)
@pytest.mark.parametrize("make", [centred, mixed])
def test_passes_are_those_of_the_encoded_inputs(make, sizes, shared, rows):
    encoding = make(rows)
    interpolation, table = parts_of(rows, encoding)
    numbers, inputs = table.values, torch.from_numpy(encoding.encode(rows))
    order = torch.arange(N_ROWS) if shared else torch.randperm(N_ROWS)
    orders = [torch.arange(N_ROWS), order, torch.arange(N_ROWS)]
    residuals = torch.randn(N_MEMBERS, N_ROWS, dtype=torch.float64)
    found = []
    both = networks_of(encoding, sizes, interpolation)
    for (network, slopes), given in zip(both, (numbers, inputs), strict=True):
        logits = network.forward(Units.of(torch.stack([given[o] for o in orders])))
        network.residuals.copy_(residuals)
        logits = logits.clone()
        network.backward()
        found.append((logits, slopes))
    for own, expected in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-9)
        assert not torch.allclose(own, 1.001 * expected, rtol=1e-9, atol=1e-9)


def test_absurd_values_leave_others_their_digits(rng):
    edges = np.unique([*np.linspace(-2, 2, 30), 1e9])
    source, *others = piecewise_inputs(0, edges).T
    encoding = Encoding(
        1, source.astype(np.intp), *others, np.zeros(1), np.empty(0, np.intp)
    )
    rows = rng.normal(size=(N_ROWS, 1))
    rows[0] = 1e9
    found, table = parts_of(rows.astype(np.float32), encoding, np.float32)
    first, lower, upper = table.values.double().numpy().T
    at = found.matrices[0].double().numpy()
    first = first.astype(int)
    inputs = lower[:, np.newaxis] * at[first] + upper[:, np.newaxis] * at[first + 1]
    np.testing.assert_allclose(inputs, encoding.encode(rows), atol=1e-5)


def member_results(rows, dtype, company):
    """Train members together or one by one; return all weights of each."""
    encoding = centred(rows)
    interpolation, table = parts_of(rows, encoding, dtype)
    dtype = table.values.dtype
    targets = torch.tensor(rows[:, 0] > 0.2, dtype=dtype)
    weights = torch.ones(N_ROWS, dtype=torch.float64)
    sets = [
        RowSet(table, torch.arange(start, 120 + start), targets, weights)
        for start in (0, 0, 17, 40)
    ]
    members = [
        Member(own, Hyperparameters(seed=seed, max_iter=3, dropout=0.2), own)
        for seed, own in enumerate(sets)
    ]
    architecture = Architecture(
        encoding.n_inputs, (7, 5), "silu", None, dtype, True, 6, interpolation
    )
    given = {"batch_size": 50}
    if company:
        return fit_many(architecture, "adam", members, **given)
    return [fit_many(architecture, "adam", [one], **given)[0] for one in members]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_member_in_company_equals_the_member_alone(dtype, rows):
    together = member_results(rows, dtype, company=True)
    alone = member_results(rows, dtype, company=False)
    for one, other in zip(together, alone, strict=True):
        assert one.loss_curve == other.loss_curve
        assert one.validation_loss_curve == other.validation_loss_curve
        for own, expected in zip(one.state.coefs, other.state.coefs, strict=True):
            assert torch.equal(own, expected)
    assert not torch.equal(together[0].state.coefs[0], together[1].state.coefs[0])


def fitted(rows, **given):
    labels = np.nan_to_num(rows[:, 0] + rows[:, 1]) > 0
    settings = {"n_bins": 24, "encoding": "piecewise", "hidden_layer_sizes": (9,)}
    settings |= {"max_iter": 4, "n_members": 2, "dropout": 0.0, "dtype": "float64"}
    settings |= {"unscaled_input": "ignore", "batch_size": 32}
    model = TorchBinaryClassifier(random_state=0, **settings | given)
    with np.errstate(all="raise"):
        return model.fit(rows, labels)


@pytest.fixture
def made(monkeypatch):
    """Return the interpolations made from now on; all tables count as large."""
    monkeypatch.setattr(start, "INTERPOLATED_ROWS", 0)
    found = []
    of = Interpolation.of
    monkeypatch.setattr(
        Interpolation, "of", lambda *rest: found.append(of(*rest)) or found[-1]
    )
    return found


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_is_that_of_the_products(rows, made, monkeypatch):
    rows[:20] /= 100
    rows[:, 2] = rows[:, 0] ** 2
    interpolated = fitted(rows)
    assert len(made) == 1
    monkeypatch.setattr(start, "INTERPOLATED_ROWS", len(rows) + 1)
    plain = fitted(rows)
    assert len(made) == 1
    scores = interpolated.decision_function(rows)
    np.testing.assert_allclose(scores, plain.decision_function(rows), atol=1e-7)
    other = fitted(rows, alpha=0.2).decision_function(rows)
    assert np.abs(scores - other).max() > 1e-4
    curves = (interpolated.validation_loss_curve_, plain.validation_loss_curve_)
    np.testing.assert_allclose(*curves, atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "given",
    [
        {"n_bins": 4},
        {"encoding": None},
        {"hidden_layer_sizes": ()},
        {"solver": "lbfgs"},
    ],
    ids=str,
)
def test_who_would_gain_nothing_takes_products(given, rows, made):
    fitted(rows, **given)
    assert made == []


def test_tables_become_large_at_the_documented_size():
    assert start.INTERPOLATED_ROWS == 50_000
