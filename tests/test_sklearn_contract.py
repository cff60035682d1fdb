import pytest
import sklearn
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from builders import mlp
from torch_binary_classifier import TorchBinaryClassifier

VARIANTS = [
    TorchBinaryClassifier(),
    TorchBinaryClassifier(encoding=None, n_members=2),
    TorchBinaryClassifier(encoding="piecewise", n_members=2),
    TorchBinaryClassifier(encoding="mixed", n_members=2),
    TorchBinaryClassifier(calibrate=True, n_members=2),
    TorchBinaryClassifier(prior_correction=True, n_members=2),
    mlp(),
    mlp(input_norm="batch"),
    mlp(solver="adamw"),
    mlp(solver="sgd"),
    mlp(solver="lbfgs"),
]

# Release 1.6 makes labels binary by comparing them with the first row's, separately
# for the weighted and for the repeated rows, which come in another order: the check
# compares two different problems. Later releases ask the question rightly.
FAULTY_IN_1_6 = {
    f"check_sample_weight_equivalence_on_{kind}_data": "compares different labels"
    for kind in ("dense", "sparse")
}

IS_FAULTY = parse_version(sklearn.__version__) < parse_version("1.7")


def expected_failures(_):
    """Return the checks that an estimator cannot pass, and why."""
    return FAULTY_IN_1_6 if IS_FAULTY else {}


# The checks fit data far from 0 and for few iterations: both warnings are deserved.
@pytest.mark.filterwarnings(
    "ignore::torch_binary_classifier.exceptions.UnscaledInputWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)
@parametrize_with_checks(
    VARIANTS,
    expected_failed_checks=expected_failures,
)
def test_sklearn_contract(estimator, check):
    check(estimator)
