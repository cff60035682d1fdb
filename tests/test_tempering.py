"""What a temperature does to logits."""

import numpy as np
import pytest

from torch_binary_classifier.inference.tempering import Tempering

LOGITS = np.array([-800.0, -3.0, 0.0, 1e-8, 5.0])


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 20.0])
@pytest.mark.parametrize("centre", [0.0, -3.0])
def test_the_centre_stays_and_so_does_the_order(temperature, centre):
    tempered = Tempering(temperature, centre).of(LOGITS)
    assert (np.diff(tempered) > 0).all()
    expected = centre + (LOGITS - centre) / temperature
    np.testing.assert_allclose(tempered, expected)
    assert Tempering(temperature, centre).of(np.array([centre]))[0] == centre


def test_logits_beyond_float64_are_infinite_without_a_warning():
    assert Tempering(0.05).of(np.array([1e308])) == np.inf
