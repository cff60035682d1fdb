"""scikit-learn's whole estimator contract: no failure, none expected."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline import TorchBinaryClassifier

VARIANTS = [
    TorchBinaryClassifier(),
    TorchBinaryClassifier(n_members=3),
    TorchBinaryClassifier(input_norm="batch"),
    TorchBinaryClassifier(solver="adamw"),
    TorchBinaryClassifier(solver="sgd"),
    TorchBinaryClassifier(solver="lbfgs"),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(VARIANTS)
def test_sklearn_contract(estimator, check):
    check(estimator)
