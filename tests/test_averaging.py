"""The moving average of weights, against torch's and by what a fit keeps."""

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from builders import mlp
from torch_binary_classifier.training.averaging import WeightAverage
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.normalisation import InputStatistics
from torch_binary_classifier.training.state import BlockState


def block_of(n_members=2):
    architecture = Architecture(3, (4,), "relu", None, torch.float64)
    layout = ParameterLayout(architecture, n_members)
    where = torch.device("cpu")
    statistics = InputStatistics.initial(architecture, n_members, where)
    return BlockState(layout, layout.new_buffer(where), statistics)


@pytest.mark.parametrize("decay", [0.3, 0.95])
def test_is_that_of_torch(decay):
    state = block_of()
    state.parameters.normal_()
    average = WeightAverage.of(state, decay)
    module = torch.nn.Module()
    module.weights = torch.nn.Parameter(state.parameters.clone())

    def warmed_up(averaged, current, n_averaged):
        t = n_averaged + 0  # torch counts the model it begins with
        share = min(decay, (1 + float(t)) / (10 + float(t)))
        return share * averaged + (1 - share) * current

    theirs = AveragedModel(module, avg_fn=warmed_up)
    theirs.update_parameters(module)  # the first call copies
    for step in range(1, 200):
        state.parameters.normal_()
        with torch.no_grad():
            module.weights.copy_(state.parameters)
        theirs.update_parameters(module)
        average.count(step)
        average.kernel(state)()
    expected = theirs.module.weights.detach()
    torch.testing.assert_close(average.state.parameters, expected)
    assert not torch.allclose(average.state.parameters, state.parameters)


def test_members_that_stay_keep_their_average():
    state = block_of(3)
    average = WeightAverage.of(state, 0.9)
    state.parameters.normal_()
    average.count(5)
    average.kernel(state)()
    compacted = average.compact([2, 0], state.compact([2, 0]))
    for place, before in enumerate([2, 0]):
        kept, was = compacted.state.member(place), average.state.member(before)
        torch.testing.assert_close(kept.coefs, was.coefs)


def test_is_what_a_fit_keeps(tiny_data):
    X, y = tiny_data
    given = {"max_iter": 30, "batch_size": 10, "random_state": 0, "tol": 1.0}
    given["n_iter_no_change"] = 25
    raw = mlp(**given).fit(X, y)
    short = mlp(weight_average=1e-12, **given).fit(X, y)
    long = mlp(weight_average=0.99, **given).fit(X, y)
    np.testing.assert_allclose(short.coefs_[0], raw.coefs_[0], atol=1e-6)
    assert np.abs(long.coefs_[0] - raw.coefs_[0]).max() > 1e-3
    # The way of the weights, and the losses along it, are the same.
    assert raw.loss_curve_ == short.loss_curve_ == long.loss_curve_
