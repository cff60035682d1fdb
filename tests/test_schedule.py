import math

import pytest

from torch_binary_classifier.training.schedule import ADAPTIVE_FLOOR, LearningRate


def make(kind, **changes):
    return LearningRate(0.1, kind, **{"power_t": 0.5, "max_iter": 8, **changes})


def test_learning_rate_constant_stays():
    rate = make("constant")
    assert {rate.at(epoch, 100 * epoch) for epoch in range(8)} == {0.1}
    assert not rate.reduce()
    assert rate.at(3, 300) == 0.1


@pytest.mark.parametrize("power_t", [0.25, 0.5, 1.0])
def test_learning_rate_invscaling_falls_with_the_rows_seen(power_t):
    rate = make("invscaling", power_t=power_t)
    assert rate.at(0, 0) == 0.1
    for rows in (50, 100, 1000):
        assert rate.at(1, rows) == pytest.approx(0.1 / (rows + 1) ** power_t, 1e-15)
    assert rate.at(1, 50) != rate.at(1, 51)
    assert not rate.reduce()


def test_learning_rate_cosine_falls_from_the_initial_rate_to_zero():
    rate = make("cosine")
    assert rate.at(0, 0) == 0.1
    assert rate.at(4, 0) == pytest.approx(0.05)
    assert rate.at(8, 0) == pytest.approx(0, abs=1e-17)
    for epoch in range(8):
        expected = 0.1 * math.cos(math.pi * epoch / 16) ** 2
        assert rate.at(epoch, 0) == pytest.approx(expected)
        assert rate.at(epoch, 0) > rate.at(epoch + 1, 0)


def test_learning_rate_adaptive_is_divided_by_five_until_the_floor():
    rate = make("adaptive")
    reductions = 0
    while rate.reduce():
        reductions += 1
        assert rate.at(0, 0) == pytest.approx(0.1 / 5**reductions)
    assert rate.at(0, 0) <= ADAPTIVE_FLOOR < rate.at(0, 0) * 5
    assert reductions == 8


def test_invscaling_beyond_all_numbers_is_0():
    rate = LearningRate(0.1, "invscaling", power_t=300.0, max_iter=9)
    assert rate.at(0, rows_seen=0) == 0.1
    assert 0 < rate.at(1, rows_seen=9) < 1e-300
    assert rate.at(2, rows_seen=1000) == 0.0
