import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.datasets import load_breast_cancer, make_circles, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.lbfgs import FullBatch, fit_lbfgs
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.rows import DenseRows, RowSet

DATA = {
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "circles": lambda: make_circles(400, noise=0.1, factor=0.2, random_state=0),
    "moons": lambda: make_moons(400, noise=0.2, random_state=0),
}


def load(name):
    X, y = DATA[name]()
    return StandardScaler().fit_transform(X), y


def make_member(X, y, weights=None, validation=None, **given):
    """Return a member over the rows that are not held out."""
    table = DenseRows(torch.tensor(X))
    targets = torch.tensor(y, dtype=table.values.dtype)
    weights = np.ones(len(y)) if weights is None else weights
    held_out = np.array([], dtype=int) if validation is None else validation
    index = np.setdiff1d(np.arange(len(y)), held_out)

    def rows(numbers):
        return RowSet(table, torch.tensor(numbers), targets, torch.tensor(weights))

    return Member(
        rows(index),
        Hyperparameters(**{"seed": 0, "alpha": 0.1, "max_iter": 500, **given}),
        None if validation is None else rows(held_out),
    )


def make_architecture(X, sizes=(8,), activation="tanh", norm=None, dtype=None):
    return Architecture(X.shape[1], sizes, activation, norm, dtype or torch.float64)


def penalised_loss(coefs, intercepts, X, y, alpha):
    """Return MLPClassifier's objective of a tanh network, in float64."""
    values = X
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        values = np.tanh(values @ np.asarray(coef) + np.asarray(intercept))
    logits = values @ np.asarray(coefs[-1])[:, 0] + np.asarray(intercepts[-1])[0]
    loss = np.logaddexp(0, -(2 * y - 1) * logits).mean()
    squares = sum((np.asarray(coef) ** 2).sum() for coef in coefs)
    return loss + alpha / 2 * squares / len(y)


def mlp_loss(X, y, alpha, max_iter):
    model = MLPClassifier(
        (8,),
        activation="tanh",
        solver="lbfgs",
        alpha=alpha,
        max_iter=max_iter,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return penalised_loss(model.coefs_, model.intercepts_, X, y, alpha)


@pytest.mark.parametrize("name", DATA)
def test_fit_lbfgs_reaches_the_loss_of_mlp_classifier(name):
    X, y = load(name)
    (result,) = fit_lbfgs(make_architecture(X), [make_member(X, y)])
    found = penalised_loss(result.state.coefs, result.state.intercepts, X, y, 0.1)
    assert result.loss_curve[-1] == pytest.approx(found, rel=1e-9)
    assert found <= 1.01 * mlp_loss(X, y, 0.1, max_iter=500)
    assert result.converged
    (unfinished,) = fit_lbfgs(make_architecture(X), [make_member(X, y, max_iter=5)])
    assert unfinished.loss_curve[-1] > 1.01 * mlp_loss(X, y, 0.1, max_iter=500)
    assert not unfinished.converged


def autograd(problem, vector, X, y, shares, alpha, total):
    """Return loss and gradient of a tanh network by torch's autograd."""
    flat = torch.tensor(vector)
    coefs, intercepts = (
        [one.requires_grad_() for one in part]
        for part in problem.state.layout.unpacked(flat)
    )
    values = torch.tensor(X)
    if problem.normed:
        mean = (values * shares[:, None]).sum(0)
        variance = ((values - mean) ** 2 * shares[:, None]).sum(0)
        values = (values - mean) / (variance + 1e-5).sqrt()
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        values = torch.tanh(values @ coef + intercept)
    logits = (values @ coefs[-1])[:, 0] + intercepts[-1]
    targets = torch.tensor(y, dtype=torch.float64)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = (losses * shares).sum()
    loss = loss + alpha / (2 * total) * sum((coef**2).sum() for coef in coefs)
    loss.backward()
    gradient = problem.state.layout.member_vector_of(
        [one.grad for one in coefs], [one.grad for one in intercepts]
    )
    return float(loss.detach()), gradient.numpy()


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("n_rows", [50, 1024, 1500, 2049])
def test_full_batch_loss_and_gradient_equal_autograd(n_rows, norm, rng):
    X = rng.normal(size=(n_rows, 3)) * 2 + 1
    y = (X[:, 0] > 1).astype(int)
    weights = rng.random(n_rows) + 0.1
    problem = FullBatch(
        make_architecture(X, (5, 3), norm=norm), make_member(X, y, weights)
    )
    weights_at = [rng.normal(size=s) for s in [(3, 5), (5, 3), (3, 1)]]
    biases_at = [rng.normal(size=s) for s in (5, 3, 1)]
    vector = problem.state.layout.member_vector_of(
        [torch.tensor(w) for w in weights_at], [torch.tensor(b) for b in biases_at]
    ).numpy()
    loss, gradient = problem(vector)
    shares = torch.tensor(weights / weights.sum())
    expected, slope = autograd(problem, vector, X, y, shares, 0.1, weights.sum())
    assert loss == pytest.approx(expected, rel=1e-12)
    assert np.linalg.norm(gradient - slope) < 1e-9 * np.linalg.norm(slope)
    _, unpenalised = autograd(problem, vector, X, y, shares, 0.0, weights.sum())
    assert np.linalg.norm(gradient - unpenalised) > 1e-9 * np.linalg.norm(slope)


def test_fit_lbfgs_weights_equal_repeated_rows(tiny_data):
    X, y = tiny_data
    counts = np.arange(60) % 3 + 1
    architecture = make_architecture(X, (4,), norm="batch")
    weighted = make_member(X, y, counts.astype(float), tol=1e-7)
    repeated = make_member(np.repeat(X, counts, 0), np.repeat(y, counts), tol=1e-7)
    equal = make_member(X, y, tol=1e-7)
    first, second, third = fit_lbfgs(architecture, [weighted, repeated, equal])
    assert first.loss_curve[-1] == pytest.approx(second.loss_curve[-1], rel=1e-5)
    assert first.loss_curve[-1] != pytest.approx(third.loss_curve[-1], rel=1e-3)
    torch.testing.assert_close(first.state.input_mean, second.state.input_mean)


def test_fit_lbfgs_member_alone_equals_the_member_in_company(tiny_data):
    X, y = tiny_data
    architecture = make_architecture(X, (5,), "gelu", dtype=torch.float32)
    X = X.astype(np.float32)
    members = [make_member(X, y, seed=seed, max_iter=20) for seed in range(4)]
    company = fit_lbfgs(architecture, members)
    (alone,) = fit_lbfgs(architecture, members[2:3])
    assert all(map(torch.equal, alone.state.coefs, company[2].state.coefs))
    assert alone.loss_curve == company[2].loss_curve
    assert not torch.equal(alone.state.coefs[0], company[1].state.coefs[0])


def test_fit_lbfgs_reports_and_keeps_the_best_validation_weights(rng):
    X = rng.normal(size=(80, 6))
    y = (X[:, 0] + rng.normal(size=80) > 0).astype(int)
    held_out = np.arange(40)
    member = make_member(X, y, validation=held_out, alpha=0.0, n_iter_no_change=3)
    reports = []
    (result,) = fit_lbfgs(
        make_architecture(X, (20,)), [member], lambda *given: reports.append(given)
    )
    curve = result.validation_loss_curve
    assert reports == [
        (0, epoch, loss, watched)
        for epoch, (loss, watched) in enumerate(
            zip(result.loss_curve, curve, strict=True), start=1
        )
    ]
    best = penalised_loss(
        result.state.coefs, result.state.intercepts, X[held_out], y[held_out], 0.0
    )
    assert best == pytest.approx(min(curve), rel=1e-9)
    assert curve[-1] > min(curve)
    assert result.converged


def test_fit_lbfgs_ends_when_the_validation_loss_has_stalled(rng):
    X = rng.normal(size=(80, 6))
    y = (X[:, 0] + rng.normal(size=80) > 0).astype(int)
    given = {"validation": np.arange(40), "alpha": 0.0, "tol": 1e-4}
    members = [make_member(X, y, n_iter_no_change=n, **given) for n in (3, 500)]
    hasty, patient = (
        one.validation_loss_curve
        for one in fit_lbfgs(make_architecture(X, (20,)), members)
    )
    assert patient[: len(hasty)] == hasty
    assert len(patient) > len(hasty)
    assert min(hasty[-4:]) > min(hasty[:-4]) - 1e-4
    assert hasty[-5] <= min(hasty[:-5]) - 1e-4


@pytest.mark.parametrize("limit", [{"max_iter": 3}, {"max_fun": 3}])
def test_fit_lbfgs_stops_at_its_limits(limit, tiny_data):
    X, y = tiny_data
    (result,) = fit_lbfgs(make_architecture(X), [make_member(X, y, **limit)])
    assert 1 <= len(result.loss_curve) <= 4
    assert not result.converged
    assert result.diverged_epoch is None
    assert result.state.n_epochs == len(result.loss_curve)


def test_fit_lbfgs_goes_on_from_a_state(tiny_data):
    X, y = tiny_data
    member = make_member(X, y, max_iter=5)
    (first,) = fit_lbfgs(make_architecture(X), [member])
    again = dataclasses.replace(member, state=first.state)
    (second,) = fit_lbfgs(make_architecture(X), [again])
    assert second.loss_curve[0] < first.loss_curve[-1]
    assert second.state.n_epochs == first.state.n_epochs + len(second.loss_curve)
    assert all(map(math.isfinite, second.loss_curve))


def test_fit_lbfgs_of_a_finished_member_has_a_loss(tiny_data):
    X, y = tiny_data
    member = make_member(X, y, tol=1e-3)
    (first,) = fit_lbfgs(make_architecture(X), [member])
    again = dataclasses.replace(member, state=first.state)
    (second,) = fit_lbfgs(make_architecture(X), [again])
    assert second.loss_curve == pytest.approx(first.loss_curve[-1:], rel=1e-9)
    assert second.converged
