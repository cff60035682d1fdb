import pytest
import torch

from torch_binary_classifier.training.dropout import DropoutLayer, DropoutRandomness
from torch_binary_classifier.training.layers import Units


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
