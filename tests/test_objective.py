import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.special import expit

from torch_binary_classifier.training.objective import (
    member_losses,
    residual_kernels,
)

LOGITS = [0.0, 1e-8, 0.5, 3.0, 20.0, 40.0, 88.0, 90.0, 104.0, 700.0, 750.0, 1e4]
SIGNED = sorted({sign * value for value in LOGITS for sign in (-1.0, 1.0)})


def one_row_losses(dtype):
    """Return every logit, target and its loss, one row per member."""
    pairs = [(z, y) for z in SIGNED for y in (0.0, 1.0)]
    logits = torch.tensor([[z] for z, _ in pairs], dtype=dtype)
    targets = torch.tensor([[y] for _, y in pairs], dtype=dtype)
    signs = 2 * targets - 1
    return logits, targets, member_losses(logits, signs, torch.ones_like(logits))


def formula_loss(logits, targets):
    """Return log(1 + exp(-m)) of the margins m in float64, no exponent above 0."""
    margins = (2 * targets - 1) * logits
    return np.maximum(-margins, 0) + np.log1p(np.exp(-np.abs(margins)))


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-14), (torch.float32, 2e-6)]
)
def test_member_losses_are_right_for_logits_up_to_10000(dtype, bound):
    logits, targets, losses = one_row_losses(dtype)
    assert torch.isfinite(losses).all()
    expected = formula_loss(logits.double().numpy(), targets.double().numpy())[:, 0]
    tiny = 1e-44 if dtype == torch.float32 else 0.0
    np.testing.assert_allclose(losses.double().numpy(), expected, bound, atol=tiny)


def test_member_losses_check_notices_a_logarithm_of_a_probability():
    logits, targets, _ = one_row_losses(torch.float64)
    naive = -(targets * logits.sigmoid().log())
    naive -= (1 - targets) * (1 - logits.sigmoid()).log()
    expected = formula_loss(logits.numpy(), targets.numpy())
    assert not np.allclose(naive.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_residuals_are_right_for_logits_up_to_10000(dtype):
    n_rows = len(SIGNED)
    logits = torch.tensor(SIGNED, dtype=dtype).expand(2, -1)
    targets = torch.zeros(2, n_rows, dtype=dtype)
    targets[1] = 1
    shares = torch.linspace(0.1, 1, n_rows, dtype=dtype).expand(2, -1)
    found = residuals_of(logits, targets, shares)
    assert torch.isfinite(found).all()
    z = logits[0].double().numpy()
    expected = np.stack([expit(z), -expit(-z)]) * shares.double().numpy()
    bound = 4 * torch.finfo(dtype).eps
    np.testing.assert_allclose(found.double().numpy(), expected, bound, atol=bound)


def test_residuals_are_the_derivative_of_the_losses():
    logits = torch.tensor([[-3.0, 0.2, 5.0], [30.0, -0.1, 1.0]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    shares = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], dtype=torch.float64)
    logits.requires_grad_()
    theirs = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    (theirs * shares).sum().backward()
    losses = member_losses(logits.detach(), 2 * targets - 1, shares)
    torch.testing.assert_close(losses, (theirs * shares).sum(1).detach())
    found = residuals_of(logits.detach(), targets, shares)
    torch.testing.assert_close(found, logits.grad, rtol=1e-12, atol=1e-15)
    flipped = residuals_of(logits.detach(), 1 - targets, shares)
    assert not torch.allclose(flipped, logits.grad)


def test_member_losses_weigh_rows_by_their_shares():
    logits = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    signs = torch.tensor([[1.0, 1.0, -1.0]], dtype=torch.float64)
    weighted = member_losses(logits, signs, torch.tensor([[0.25, 0.25, 0.5]]))
    rows = torch.tensor([0, 1, 2, 2])
    quarter = torch.full((1, 4), 0.25, dtype=torch.float64)
    repeated = member_losses(logits[:, rows], signs[:, rows], quarter)
    torch.testing.assert_close(weighted, repeated)
    equal = torch.full((1, 3), 1 / 3, dtype=torch.float64)
    assert not torch.allclose(weighted, member_losses(logits, signs, equal))


def residuals_of(logits, targets, shares):
    found = torch.empty_like(logits)
    for kernel in residual_kernels(logits, -targets * shares, shares, found):
        kernel()
    return found
