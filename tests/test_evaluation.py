from dataclasses import replace

import pytest
import torch
from tests.builders import make_table

from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.evaluation import (
    EVALUATION_ROWS,
    Evaluation,
    Scorer,
)
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.normalisation import InputStatistics
from torch_binary_classifier.training.state import BlockState

LIKE = torch.empty(0, dtype=torch.float64)
N_FEATURES = 5


def some_rows(table, index):
    return replace(table, index=torch.as_tensor(index))


def make_architecture(sizes=(7,), activation="tanh", norm=None, dtype=torch.float64):
    return Architecture(N_FEATURES, sizes, activation, norm, dtype)


@pytest.mark.parametrize("n_rows", [1, EVALUATION_ROWS, EVALUATION_ROWS + 5])
def test_scorer_scores_every_row(n_rows):
    architecture = make_architecture((3,))
    layout = ParameterLayout(architecture, 2)
    flat = layout.new_buffer(CPU.where).normal_(
        generator=torch.Generator().manual_seed(0)
    )
    rows = make_table(n_rows).features.values
    statistics = InputStatistics.initial(architecture, 2, CPU.where)
    scorer = Scorer(BlockState(layout, flat, statistics), CPU.product)
    logits = scorer.logits(rows.unsqueeze(0))
    assert logits.shape == (2, n_rows)
    for member in range(2):
        coefs, intercepts = layout.unpacked(layout.member_vector(flat, member))
        assert coefs[0].shape == (N_FEATURES, 3)
        assert intercepts[0].shape == (3,)
        hidden = torch.tanh(rows @ coefs[0] + intercepts[0])
        expected = hidden @ coefs[1][:, 0] + intercepts[1]
        torch.testing.assert_close(logits[member], expected)


def test_evaluation_of_members_without_validation_rows_is_none():
    assert Evaluation.of([None, None], LIKE) is None


def test_evaluation_gathers_shared_rows_once():
    table = make_table(weighted=True)
    own = [some_rows(table, range(10)), some_rows(table, range(10, 20))]
    apart = Evaluation.of(own, LIKE)
    together = Evaluation.of([own[1], own[1]], LIKE)
    assert apart.features.shape == (2, 10, N_FEATURES)
    assert together.features.shape == (1, 10, N_FEATURES)
    assert torch.equal(apart.features[1], together.features[0])
    assert torch.equal(apart.signs[1], together.signs[0])
    torch.testing.assert_close(apart.shares.sum(1), torch.ones(2).double())
    assert not torch.equal(apart.features[0], apart.features[1])
