"""A grid for MLPClassifier is a grid for us: what its checks take, ours take."""

import itertools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.utils._param_validation import Options, StrOptions, make_constraint

from builders import mlp
from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.parameters import RULES

CONSTRAINTS = {
    name: [make_constraint(constraint) for constraint in constraints]
    for name, constraints in MLPClassifier._parameter_constraints.items()
    if name in RULES
}
NUMBERS = [0, 0.0, 1e-300, 0.1, 0.5, 0.999, 1, 1.0, 2, 7, 1e6, np.inf, np.nan, -1]
KINDS = [int, float, np.int8, np.int64, np.uint16, np.float16, np.float32, np.float64]
SIZES = [(), (4,), [4, 2], np.array([4, 2]), range(2, 4), np.array([4], dtype=np.uint8)]
FLAGS = [True, False, np.bool_(True), np.bool_(False)]
# A truth value is no number, and 4.0 no width, though it passes scikit-learn's checks.
REFUSED = (bool, np.bool_)


def as_kind(kind, number):
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        try:
            return kind(number)
        except (OverflowError, ValueError):  # nan is no whole number
            return None


def sample_values():
    """Yield values of many kinds, among them every text that is an option."""
    yield from SIZES
    yield from FLAGS
    for kind, number in itertools.product(KINDS, NUMBERS):
        yield as_kind(kind, number)
    for constraint in itertools.chain(*CONSTRAINTS.values()):
        if isinstance(constraint, StrOptions | Options):
            for option in constraint.options:
                yield option
                if isinstance(option, str):
                    yield np.str_(option)


def theirs(name, value):
    return any(constraint.is_satisfied_by(value) for constraint in CONSTRAINTS[name])


def is_number_for_them(name, value):
    flags = name in {"shuffle", "warm_start", "nesterovs_momentum", "early_stopping"}
    return isinstance(value, REFUSED) and not flags and name != "verbose"


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_what_scikit_learn_takes_is_taken(name):
    values = [value for value in sample_values() if theirs(name, value)]
    values = [value for value in values if not is_number_for_them(name, value)]
    assert values
    refused = [repr(value) for value in values if not RULES[name].accepts(value)]
    assert refused == []


def test_all_shared_parameters_are_compared():
    shared = set(TorchBinaryClassifier().get_params()) & set(
        MLPClassifier().get_params()
    )
    assert set(CONSTRAINTS) == shared - {"random_state"}


SHORT = {"hidden_layer_sizes": (3,), "max_iter": 2, "batch_size": 16, "random_state": 0}
FITS = [
    {"activation": np.str_("tanh")},
    {"solver": np.str_("sgd"), "momentum": np.float32(0.5)},
    {"solver": "sgd", "momentum": np.float64(0.5), "nesterovs_momentum": np.True_},
    {"solver": np.str_("adamw"), "weight_decay": np.float16(0.5)},
    {"learning_rate": np.str_("cosine"), "learning_rate_init": np.float16(0.5)},
    {"learning_rate": np.str_("invscaling"), "power_t": np.float32(0.5)},
    {"batch_size": np.str_("auto"), "max_iter": np.int8(3)},
    {"batch_size": np.uint8(16), "alpha": np.float16(0.5)},
    {"input_norm": np.str_("batch"), "dtype": np.str_("float64")},
    {"dropout": np.float16(0.5), "beta_1": np.float32(0.5), "n_members": np.int16(2)},
    {"n_iter_no_change": np.inf, "tol": np.float32(0.5), "epsilon": np.float32(0.5)},
    {"n_iter_no_change": np.float64(np.inf), "unscaled_input": np.str_("raise")},
    {"verbose": np.bool_(False), "shuffle": np.bool_(False)},
    {"early_stopping": np.bool_(True), "validation_fraction": np.float16(0.5)},
    {"class_weight": np.str_("balanced"), "device": np.str_("cpu")},
]


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("given", FITS, ids=str)
def test_numpys_values_are_pythons(given, tiny_data):
    X, y = tiny_data
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in given.items()
    }
    found = mlp(**SHORT | given).fit(X, y)
    expected = mlp(**SHORT | plain).fit(X, y)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
def test_a_grid_of_arrays(tiny_data):
    grid = {"activation": np.array(["relu", "tanh"]), "alpha": np.logspace(-4, -3, 2)}
    model = mlp(**SHORT)
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(*tiny_data)
    assert search.best_params_["activation"] in {"relu", "tanh"}


def test_no_patience_limit_trains_to_the_end(tiny_data):
    model = mlp(**SHORT | {"max_iter": 30, "tol": 10.0})
    model.set_params(n_iter_no_change=np.inf, learning_rate="cosine")
    assert model.fit(*tiny_data).n_iter_ == 30


def test_no_share_to_hold_out(tiny_data):
    model = mlp(**SHORT | {"learning_rate": "cosine"})
    model.set_params(validation_fraction=0).fit(*tiny_data)
    with pytest.raises(ValueError, match=r"validation_fraction must leave .*got 0 of"):
        model.set_params(early_stopping=True).fit(*tiny_data)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("warm_start", [False, True])
def test_n_iter_counts_a_call_as_scikit_learn_does(solver, warm_start, tiny_data):
    given = {"warm_start": warm_start, "solver": solver, "max_iter": 3}
    counts = []
    for model in (mlp(), MLPClassifier()):
        one = clone(model).set_params(**SHORT | given | {"tol": 0.0})
        counts.append([one.fit(*tiny_data).n_iter_ for _ in range(3)])
        if solver != "lbfgs":
            one.set_params(max_iter=2)
            counts[-1].append(one.fit(*tiny_data).n_iter_)
            counts[-1] += [one.partial_fit(*tiny_data).n_iter_ for _ in range(2)]
    assert counts[0] == counts[1]
