"""Where checked arrays become members, and members' results one fit."""

import numpy as np
import pytest
import torch

from builders import mlp
from torch_binary_classifier.estimator import posing
from torch_binary_classifier.training import fitting
from torch_binary_classifier.training.members import MemberResult, MemberState


def result(losses, watched=()):
    state = MemberState([torch.zeros(2, 1)], [torch.zeros(1)])
    return MemberResult(state, losses, list(watched), True, None)


@pytest.mark.filterwarnings("ignore:All rows get the same probability")
def test_a_member_that_has_ended_keeps_its_last_loss(monkeypatch, rng):
    results = [
        result([0.5, 0.25, 0.125], [0.375, 0.625, 0.875]),
        result([0.25], [0.125]),
    ]
    monkeypatch.setattr(fitting, "train_alone", lambda _: results)
    X = rng.normal(size=(40, 2))
    model = mlp(hidden_layer_sizes=(), n_members=2, early_stopping=True)
    model.fit(X, np.arange(40) % 2)
    assert model.loss_curve_ == [0.375, 0.25, 0.1875]
    assert model.validation_loss_curve_ == [0.25, 0.375, 0.5]
    assert model.best_loss_ == 0.25
    assert model.n_iter_ == 3


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_the_order_of_a_split_does_not_matter(monkeypatch, rng, solver):
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    given = {"solver": solver, "batch_size": 16, "max_iter": 3, "tol": 1.0}
    model = mlp(
        hidden_layer_sizes=(5,),
        n_members=3,
        early_stopping=True,
        random_state=0,
        **given,
    )
    expected = model.fit(X, y).coefs_
    split = posing.splits_of

    def reversed_split(*arguments, **options):
        found = split(*arguments, **options)
        return [(train[::-1], held_out[::-1]) for train, held_out in found]

    monkeypatch.setattr(posing, "splits_of", reversed_split)
    for found, wanted in zip(model.fit(X, y).coefs_, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
