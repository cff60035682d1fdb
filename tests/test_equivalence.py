import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training import engine
from torch_binary_classifier.training.activations import ACTIVATIONS
from torch_binary_classifier.training.engine import fit_many
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import (
    Member,
    MemberState,
)
from torch_binary_classifier.training.rows import DenseRows, RowSet

SEEDS = range(20)


def make_table(n_rows, n_features, dtype=torch.float32):
    generator = torch.Generator().manual_seed(n_rows)
    X = torch.randn(n_rows, n_features, generator=generator, dtype=dtype)
    noise = torch.randn(n_rows, generator=generator, dtype=dtype)
    y = (X[:, 0] + 0.5 * noise > 0).to(dtype)
    weights = torch.rand(n_rows, generator=generator, dtype=torch.float64) + 0.2
    return RowSet(DenseRows(X), torch.arange(n_rows), y, weights)


def make_company(table, held_out=0, own_rows=False, **given):
    """Return 20 members of different rates, penalties and numbers of epochs.

    With ``own_rows`` each holds out other rows; the tables are as long as each other.
    """
    members = []
    for seed in SEEDS:
        rows = torch.arange(len(table)).roll(seed if own_rows else 0)
        validation = None
        if held_out:
            validation = replace(table, index=rows[:held_out].sort().values)
        settings = {
            "learning_rate_init": [1e-3, 1e-2, 3e-3][seed % 3],
            "alpha": [0.0, 0.1, 1e-4][seed % 3],
            "dropout": [0.0, 0.4][seed % 2],
            "weight_decay": [0.0, 0.1, 0.01, 0.0][seed % 4],
            "momentum": [0.9, 0.5, 0.0][seed % 3],
            "max_iter": 1 + 7 * seed % 9,
            "n_iter_no_change": 1000,
            "output_bias": 0.1 * seed,
        }
        settings |= given
        train = replace(table, index=rows[held_out:].sort().values)
        members.append(
            Member(train, Hyperparameters(seed=seed, **settings), validation)
        )
    return members


def differences(first, second):
    """Return the names of what is not the same bits in two results."""
    one, other = first.state, second.state
    pairs = {
        f"coefs[{layer}]": pair
        for layer, pair in enumerate(zip(one.coefs, other.coefs, strict=True))
    }
    pairs |= {
        f"intercepts[{layer}]": pair
        for layer, pair in enumerate(zip(one.intercepts, other.intercepts, strict=True))
    }
    pairs |= {name: (one.moments[name], other.moments[name]) for name in one.moments}
    if one.input_mean is not None:
        pairs["mean"] = (one.input_mean, other.input_mean)
        pairs["variance"] = (one.input_variance, other.input_variance)
    found = [name for name, pair in pairs.items() if not torch.equal(*pair)]
    curves = ("loss_curve", "validation_loss_curve", "converged", "diverged_epoch")
    found += [name for name in curves if getattr(first, name) != getattr(second, name)]
    return found


def check_companies(architecture, solver, members, batch_size=16, sizes=(2, 7, 20)):
    """Compare members alone with the same members in companies of several sizes."""
    chosen = {0, 1, 6, 19}
    alone = {
        number: fit_many(
            architecture, solver, [members[number]], batch_size=batch_size
        )[0]
        for number in chosen
    }
    for size in sizes:
        company = fit_many(architecture, solver, members[:size], batch_size=batch_size)
        for number in chosen & set(range(size)):
            assert differences(alone[number], company[number]) == []
    assert "coefs[0]" in differences(alone[0], alone[1])


@pytest.mark.parametrize("sizes", [(), (3,), (33,), (17, 5)], ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_member_in_company_equals_the_member_alone(activation, sizes):
    architecture = Architecture(5, sizes, activation, None, torch.float32)
    check_companies(architecture, "adam", make_company(make_table(45, 5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_member_in_company_equals_the_member_alone_for_every_solver(
    activation, solver, dtype
):
    architecture = Architecture(3, (9, 4), activation, "batch", dtype)
    members = make_company(make_table(41, 3, dtype), learning_rate="cosine")
    check_companies(architecture, solver, members)


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("own_rows", [False, True])
@pytest.mark.parametrize("n_features", [1, 31])
def test_member_in_company_equals_the_member_alone_with_validation(
    n_features, own_rows, norm
):
    architecture = Architecture(n_features, (10,), "tanh", norm, torch.float32)
    table = make_table(60, n_features)
    members = make_company(
        table, 19, own_rows, max_iter=25, n_iter_no_change=1, tol=1e-3, dropout=0.2
    )
    results = fit_many(architecture, "adam", members, batch_size=13)
    assert len({len(result.loss_curve) for result in results}) > 2
    check_companies(architecture, "adam", members, batch_size=13)


@pytest.mark.parametrize("n_rows", [2, 3, 31, 64, 200])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 200])
def test_member_in_company_equals_the_member_alone_for_every_batch(n_rows, batch_size):
    architecture = Architecture(4, (6,), "silu", None, torch.float32)
    members = make_company(make_table(n_rows, 4), learning_rate="invscaling")
    members = [
        replace(
            member,
            hyperparameters=replace(
                member.hyperparameters, max_iter=1 + member.hyperparameters.seed % 3
            ),
        )
        for member in members
    ]
    check_companies(architecture, "adamw", members, batch_size, sizes=(7, 20))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("batch_size", [16, 200])
def test_member_beside_others_of_other_row_counts_equals_the_member_alone(
    batch_size, norm, weighted, monkeypatch
):
    table = make_table(64, 4)
    if not weighted:
        table = replace(table, weights=torch.full((64,), 0.5, dtype=torch.float64))
    settings = {"learning_rate": "invscaling", "dropout": 0.2}
    members = [
        replace(member, train=replace(table, index=torch.arange(50 + number % 13)))
        for number, member in enumerate(make_company(table, **settings))
    ]
    blocks = []
    run = engine.Block.run
    monkeypatch.setattr(
        engine.Block,
        "run",
        lambda block, *rest: blocks.append(len(block.courses)) or run(block, *rest),
    )
    architecture = Architecture(4, (9, 5), "relu", norm, torch.float32)
    fit_many(architecture, "adam", members, batch_size=batch_size)
    assert blocks == [20]
    check_companies(architecture, "adam", members, batch_size)


@pytest.mark.parametrize("sizes", [(100,), (256, 128)], ids=str)
def test_member_in_company_equals_the_member_alone_when_wide(sizes):
    architecture = Architecture(30, sizes, "relu", None, torch.float32)
    members = make_company(make_table(150, 30), max_iter=2)
    check_companies(architecture, "adam", members, 64, sizes=(2, 7))


def test_member_in_company_check_notices_another_seed():
    architecture = Architecture(5, (7,), "tanh", None, torch.float32)
    members = make_company(make_table(45, 5), max_iter=2)
    given = replace(members[3].hyperparameters, seed=99)
    other = [*members[:3], replace(members[3], hyperparameters=given), *members[4:]]
    first, second = (
        fit_many(architecture, "adam", company, batch_size=16)
        for company in (members, other)
    )
    assert differences(first[2], second[2]) == []
    assert differences(first[4], second[4]) == []
    assert {"coefs[0]", "loss_curve"} <= set(differences(first[3], second[3]))


def start_weights(sizes, n_features):
    rng = np.random.default_rng(5)
    widths = [n_features, *sizes, 1]
    return [
        (rng.normal(size=(fan_in, fan_out)) / fan_in, rng.normal(size=fan_out) / 3)
        for fan_in, fan_out in itertools.pairwise(widths)
    ]


def mlp_trajectory(table, weights, monkeypatch, **given):
    """Fit MLPClassifier from given weights, rows in their order."""
    start = iter(weights)
    monkeypatch.setattr(
        MLPClassifier, "_init_coef", lambda *_: [part.copy() for part in next(start)]
    )
    sizes = tuple(len(bias) for _, bias in weights[:-1])
    model = MLPClassifier(sizes, shuffle=False, random_state=0, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(table.features.values.numpy(), table.targets.numpy())
    return model


def our_trajectory(table, weights, *, activation, solver, batch_size, **given):
    """Train the same network from the same weights by ``fit_many``."""
    sizes = tuple(len(bias) for _, bias in weights[:-1])
    n_features = table.features.n_features
    architecture = Architecture(n_features, sizes, activation, None, torch.float64)
    state = MemberState(
        [torch.tensor(coef) for coef, _ in weights],
        [torch.tensor(bias) for _, bias in weights],
    )
    given = Hyperparameters(seed=0, shuffle=False, **given)
    member = Member(table, given, state=state)
    (result,) = fit_many(architecture, solver, [member], batch_size=batch_size)
    return result


def distance(result, model):
    """Return the largest difference of any weight or bias."""
    ours = [*result.state.coefs, *result.state.intercepts]
    theirs = [*model.coefs_, *model.intercepts_]
    return max(
        float(np.abs(one.numpy() - other).max())
        for one, other in zip(ours, theirs, strict=True)
    )


def unweighted(n_rows, n_features):
    table = make_table(n_rows, n_features, torch.float64)
    return replace(table, weights=torch.ones(n_rows, dtype=torch.float64))


SGD = {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.9}
ADAM = {"solver": "adam", "learning_rate_init": 0.01}
TRAJECTORIES = {
    "sgd": SGD,
    "sgd without nesterov": SGD | {"nesterovs_momentum": False},
    "sgd without momentum": SGD | {"momentum": 0.0},
    # With momentum MLPClassifier's velocity remembers the rates of earlier steps, ours,
    # like torch's, only the gradients.
    "sgd invscaling": SGD | {"learning_rate": "invscaling", "momentum": 0.0},
    # MLPClassifier adds epsilon to the uncorrected second moment; at 1e-18 the
    # difference is below rounding.
    "adam": ADAM | {"epsilon": 1e-18},
}


@pytest.mark.parametrize("batch_size", [50, 16])
@pytest.mark.parametrize("activation", ["identity", "logistic", "relu", "tanh"])
@pytest.mark.parametrize("name", TRAJECTORIES)
def test_trajectory_equals_mlp_classifiers(name, activation, batch_size, monkeypatch):
    table, weights = unweighted(50, 4), start_weights((6, 3), 4)
    settings = TRAJECTORIES[name] | {
        "activation": activation,
        "batch_size": batch_size,
        "alpha": 0.5,
        "max_iter": 30,
        "n_iter_no_change": 1000,
    }
    model = mlp_trajectory(table, weights, monkeypatch, **settings)
    result = our_trajectory(table, weights, **settings)
    assert distance(result, model) < 1e-9
    # Over several batches we take the penalty at the epoch's start, they at each batch.
    bound = 1e-10 if batch_size == 50 else 2e-2
    np.testing.assert_allclose(result.loss_curve, model.loss_curve_, rtol=bound)
    other = our_trajectory(table, weights, **settings | {"alpha": 0.51})
    assert distance(other, model) > 1e-6


def test_loss_curve_over_batches_equals_mlp_classifiers(monkeypatch):
    table, weights = unweighted(50, 4), start_weights((6,), 4)
    settings = SGD | {"alpha": 0.0, "max_iter": 30, "n_iter_no_change": 1000}
    settings |= {"activation": "tanh", "batch_size": 16}
    model = mlp_trajectory(table, weights, monkeypatch, **settings)
    result = our_trajectory(table, weights, **settings)
    np.testing.assert_allclose(result.loss_curve, model.loss_curve_, rtol=1e-10)


def test_trajectory_of_adam_differs_by_the_place_of_epsilon(monkeypatch):
    table, weights = unweighted(50, 4), start_weights((6,), 4)
    settings = ADAM | {"activation": "tanh", "batch_size": 50, "max_iter": 30}
    settings |= {"n_iter_no_change": 1000}
    model = mlp_trajectory(table, weights, monkeypatch, **settings)
    result = our_trajectory(table, weights, **settings)
    assert 1e-12 < distance(result, model) < 1e-4
    np.testing.assert_allclose(result.loss_curve, model.loss_curve_, rtol=1e-5)


@pytest.mark.parametrize("kind", ["constant", "adaptive"])
def test_training_stops_in_mlp_classifiers_epoch(kind, monkeypatch):
    table, weights = unweighted(50, 4), start_weights((6,), 4)
    settings = SGD | {"activation": "tanh", "batch_size": 50, "learning_rate": kind}
    settings |= {"momentum": 0.0}
    settings |= {"alpha": 0.01, "max_iter": 2000, "n_iter_no_change": 5, "tol": 1e-3}
    model = mlp_trajectory(table, weights, monkeypatch, **settings)
    result = our_trajectory(table, weights, **settings)
    assert len(result.loss_curve) == model.n_iter_ < 2000
    assert result.converged
    assert distance(result, model) < 1e-9
    stricter = our_trajectory(table, weights, **settings | {"tol": 1e-5})
    assert len(stricter.loss_curve) != model.n_iter_
