"""Input that cannot be learned from or scored is refused in a clear sentence."""

import copy
import re
import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import StandardScaler
from tests.builders import network

from torch_binary_classifier import TorchBinaryClassifier, UnscaledInputWarning
from torch_binary_classifier.estimator.parameters import RULES

# Values that break each rule.
BAD_VALUES = {
    "hidden_layer_sizes": [0, (4, 0), (4, 2.5), -1, "10", None, {4: 4}, True],
    "activation": ["softmax", None, "ReLU"],
    "solver": ["Adam", "newton", None],
    "alpha": [-0.1, "0.1", float("nan"), float("inf"), None],
    "batch_size": [0, -1, 2.5, "all", None, True],
    "learning_rate": ["linear", 0.1],
    "learning_rate_init": [0, -1.0, float("nan"), float("inf")],
    "power_t": [-0.5, "half"],
    "max_iter": [0, -1, 1.5, None],
    "shuffle": ["yes", 1, None],
    "tol": [-1e-9, float("nan")],
    "verbose": [-1, "loud", 0.5],
    "warm_start": ["yes", 1],
    "momentum": [-0.1, 1.1],
    "nesterovs_momentum": [0, None],
    "early_stopping": ["yes", 1],
    "prior_correction": ["yes", 1, None],
    "calibrate": ["yes", 1, None],
    "validation_fraction": [1, -0.1, 1.5, float("nan")],
    "beta_1": [-0.1, 1.0],
    "beta_2": [-0.1, 1.0],
    "epsilon": [0, -1e-8],
    "n_iter_no_change": [0, 2.5, -float("inf"), "inf"],
    "max_fun": [0, 10.5],
    "dropout": [-0.1, 1.0],
    "weight_decay": [-0.1, None],
    "input_norm": ["layer", True],
    "encoding": ["bins", True],
    "n_bins": [0, 2.5, "16"],
    "input_factors": ["yes", 1],
    "weight_average": [-0.1, 1.0, "0.9"],
    "n_members": [0, 2.5, "5"],
    "dtype": ["float16", np.float32],
    "unscaled_input": ["error", None],
}


# From scikit-learn where it checks, else ours.
ALL_ZERO = "Sample weights must contain at least one non-zero|must not be zero for"


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


class TestParameters:
    def test_every_rule_has_values_that_break_it(self):
        assert set(BAD_VALUES) == set(RULES)

    @pytest.mark.parametrize(
        ("name", "value"),
        [(name, value) for name, values in BAD_VALUES.items() for value in values],
    )
    def test_unfit_value(self, name, value, tiny_data):
        sentence = f"^{name} must be {re.escape(str(RULES[name]))}, got "
        with pytest.raises(ValueError, match=sentence + re.escape(repr(value))):
            network().set_params(**{name: value}).fit(*tiny_data)

    @pytest.mark.parametrize("value", ["equal", 2.0, [1, 2], np.array([1, 5])])
    def test_class_weight(self, value, tiny_data):
        with pytest.raises(ValueError, match="class_weight must be None, 'balanced'"):
            network(class_weight=value).fit(*tiny_data)

    def test_class_weight_of_an_unknown_label(self, tiny_data):
        sentence = r"^class_weight must have the labels \[0, 1\] as keys, got 7\.$"
        with pytest.raises(ValueError, match=sentence):
            network(class_weight={0: 1, 7: 2}).fit(*tiny_data)

    @pytest.mark.parametrize("device", ["tpu9", "cuda:99", 3.5])
    def test_device(self, device, tiny_data):
        with pytest.raises(ValueError, match="device must be 'auto', 'cpu' or a"):
            network(device=device).fit(*tiny_data)

    def test_dropout_with_lbfgs(self, tiny_data):
        with pytest.raises(ValueError, match="dropout must be 0 with solver='lbfgs'"):
            network(solver="lbfgs", dropout=0.5).fit(*tiny_data)

    @pytest.mark.parametrize("n_members", [1, 2])
    def test_batches_of_one_row_with_batch_normalisation(self, tiny_data, n_members):
        model = network(input_norm="batch", batch_size=1, n_members=n_members)
        with pytest.raises(ValueError, match="batch_size must be >= 2 with input_norm"):
            model.fit(*tiny_data)
        model.set_params(solver="lbfgs", max_iter=500, tol=0.01).fit(*tiny_data)
        assert np.isfinite(model.decision_function(tiny_data[0])).all()

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"alpha": np.float64(-1.0)}, "-1.0"),
            ({"max_iter": np.int64(0)}, "0"),
            ({"solver": np.str_("newton")}, "'newton'"),
            ({"shuffle": np.array(3)}, "3"),
            ({"hidden_layer_sizes": (np.int64(4), np.int64(0))}, "(4, 0)"),
            ({"hidden_layer_sizes": [np.int64(4), np.float64(0.5)]}, "[4, 0.5]"),
            ({"solver": "lbfgs", "dropout": np.float64(0.5)}, "0.5"),
            ({"class_weight": np.float64(2.0)}, "2.0"),
            ({"class_weight": {np.int64(0): np.float64(-1.0)}}, "-1.0 for 0"),
            ({"class_weight": {np.int64(7): 1.0}}, "7"),
            ({"class_weight": {np.str_("no"): 1.0}}, "'no'"),
            ({"n_members": np.int64(99), "early_stopping": True}, "99"),
            ({"validation_fraction": np.float64(0.01), "early_stopping": True}, "0.01"),
        ],
        ids=str,
    )
    def test_values_are_shown_without_numpys_types(self, given, told, tiny_data):
        with pytest.raises(
            ValueError, match=rf"got {re.escape(told)}(\.$| of 60 r|\. )"
        ):
            network(**given).fit(*tiny_data)

    def test_so_are_labels(self, tiny_data):
        X, y = tiny_data
        labels = np.array(["no", "yes"])[y]
        model = network(class_weight={"no": 0.0})
        with pytest.raises(ValueError, match=r"class_weight gives 'no' none\.$"):
            model.fit(X, labels)
        with pytest.raises(ValueError, match=r"one class: 'no'\.$"):
            model.fit(X, labels[y == 0][:1].repeat(60).astype(object))
        with pytest.raises(ValueError, match=r"got 'yes'\.$"):
            model.partial_fit(X, labels.astype(object), classes=["maybe", "no"])

    def test_so_is_what_differs_from_the_previous_fit(self, tiny_data):
        model = network(warm_start=True).fit(*tiny_data)
        for name, value, told in [
            ("activation", np.str_("tanh"), "'relu', got 'tanh'"),
            ("hidden_layer_sizes", [np.int64(9)], r"\(8,\) and 1, got \(9,\) and 1"),
        ]:
            changed = copy.deepcopy(model).set_params(**{name: value})
            with pytest.raises(ValueError, match=rf"{told}\. Set warm_start"):
                changed.fit(*tiny_data)

    def test_so_are_the_classes_of_a_stream(self, tiny_data):
        model = network().partial_fit(*tiny_data, classes=[0, 1])
        with pytest.raises(ValueError, match=r"first call, \[0 1\], got \[0, 2\]\.$"):
            model.partial_fit(*tiny_data, classes=list(np.array([0, 2])))

    def test_unknown_name(self):
        with pytest.raises(TypeError, match="unexpected keyword argument 'layers'"):
            TorchBinaryClassifier(layers=(10,))
        with pytest.raises(ValueError, match="Invalid parameter 'layers'"):
            TorchBinaryClassifier().set_params(layers=(10,))

    @pytest.mark.parametrize("name", ["partial_fit", "fit"])
    def test_values_are_checked_before_the_data(self, name):
        method = getattr(network(alpha=-1), name)
        with pytest.raises(ValueError, match="alpha must be"):
            method([[np.nan]], [0])

    def test_numpy_values_are_fine(self, tiny_data):
        network(
            hidden_layer_sizes=np.array([4, 2]),
            alpha=np.float32(0.1),
            batch_size=np.int64(16),
            shuffle=np.bool_(False),
        ).fit(*tiny_data)


class TestSilentFailuresOfOthers:
    """Each row failed without a word in another library."""

    @pytest.mark.parametrize(
        "labels",
        [
            (1, 2),
            (1.0, 2.0),
            (-1, 1),
            (-1.0, 1.0),
            ("benign", "malignant"),
            (False, True),
            (np.str_("a"), np.str_("b")),
        ],
        ids=repr,
    )
    def test_labels_of_any_kind(self, cancer, labels):
        X, y = cancer
        expected = network(max_iter=20, learning_rate_init=0.02).fit(X, y)
        named = np.array(labels)[y]
        model = network(max_iter=20, learning_rate_init=0.02).fit(X, named)
        assert model.classes_.tolist() == list(labels)
        assert model.predict(X).dtype == named.dtype
        assert accuracy_score(named, model.predict(X)) > 0.95
        assert min(model.loss_curve_) > 0
        np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))

    def test_labels_as_objects(self, cancer):
        X, y = cancer
        named = np.array(["no", "yes"], dtype=object)[y]
        model = network(max_iter=20, learning_rate_init=0.02).fit(X, named)
        assert accuracy_score(named, model.predict(X)) > 0.95

    @pytest.mark.parametrize("cell", [np.inf, -np.inf])
    def test_a_cell_that_is_no_number(self, cancer, cell):
        X, y = cancer
        broken = X.copy()
        broken[17, 3] = cell
        sentence = "Input X contains infinity"
        with pytest.raises(ValueError, match=sentence):
            network().fit(broken, y)
        model = network().fit(X, y)
        for score in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(ValueError, match=sentence):
                score(broken)

    def test_the_sentence_about_nan_is_scikit_learns(self, cancer):
        X, y = cancer
        broken = X.copy()
        broken[17, 3] = np.nan
        with pytest.raises(
            ValueError,
            match="TorchBinaryClassifier does not accept missing values encoded as NaN",
        ):
            network(input_norm="batch").fit(X, y).predict(broken)

    def test_raw_table_warns(self):
        X, y = load_breast_cancer(return_X_y=True)
        with pytest.warns(UnscaledInputWarning, match="Put a StandardScaler in front"):
            network().fit(X, y)

    def test_one_unscaled_column_is_named(self, cancer):
        pandas = pytest.importorskip("pandas")
        X, y = cancer
        names = [f"feature {number}" for number in range(30)]
        table = pandas.DataFrame(X, columns=names)
        table["feature 7"] *= 1e6
        with pytest.warns(UnscaledInputWarning, match="worst columns: 'feature 7'"):
            network().fit(table, y)
        with pytest.warns(UnscaledInputWarning, match="worst columns: column 7"):
            network().fit(table.to_numpy(), y)
        with pytest.raises(ValueError, match="worst columns: 'feature 7'"):
            network(unscaled_input="raise").fit(table, y)
        with pytest.warns(ConvergenceWarning, match="class frequencies alone"):
            network(unscaled_input="ignore").fit(table, y)

    def test_the_remedies_need_no_warning(self, cancer):
        X, y = cancer
        table = X.copy()
        table[:, 7] *= 1e6
        network(unscaled_input="raise").fit(StandardScaler().fit_transform(table), y)
        model = network(
            input_norm="batch", max_iter=30, learning_rate_init=0.01, batch_size=32
        )
        assert model.fit(table, y).score(table, y) > 0.95

    def test_unscaled_rows_warn_in_the_first_partial_fit(self, cancer):
        X, y = cancer
        with pytest.warns(UnscaledInputWarning, match="worst columns"):
            network().partial_fit(X * 1e6, y, classes=[0, 1])

    @pytest.mark.parametrize("row", [0, 100, 568])
    def test_no_row_is_dropped_by_default(self, cancer, row):
        X, y = cancer
        flipped = y.copy()
        flipped[row] = 1 - flipped[row]
        expected, found = network().fit(X, y), network().fit(X, flipped)
        assert expected.validation_loss_curve_ is None
        assert not np.array_equal(expected.coefs_[0], found.coefs_[0])


class TestLabels:
    def test_three_classes(self, tiny_data):
        X, y = tiny_data
        y = y.copy()
        y[0] = 2
        with pytest.raises(ValueError, match="Only binary classification is supported"):
            network().fit(X, y)

    def test_one_class(self, tiny_data):
        X, _ = tiny_data
        with pytest.raises(ValueError, match="the data contains only one class: 'a'"):
            network().fit(X, np.full(60, "a"))

    def test_continuous_target(self, tiny_data):
        X, _ = tiny_data
        with pytest.raises(ValueError, match="Unknown label type: continuous"):
            network().fit(X, X[:, 0])

    def test_two_columns(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="should be a 1d array"):
            network().fit(X, np.c_[y, y])

    def test_missing_label(self, tiny_data):
        X, y = tiny_data
        y = y.astype(float)
        y[3] = np.nan
        with pytest.raises(ValueError, match="Input y contains NaN"):
            network().fit(X, y)

    def test_no_labels(self, tiny_data):
        X, _ = tiny_data
        with pytest.raises(ValueError, match="requires y to be passed"):
            network().fit(X, None)


class TestShapes:
    @pytest.mark.parametrize("shape", [(0, 3), (0,)])
    def test_no_rows(self, shape):
        with pytest.raises(ValueError, match=r"Found array with 0 sample|Expected 2D"):
            network().fit(np.empty(shape), [])

    def test_no_columns(self):
        with pytest.raises(ValueError, match=r"0 feature\(s\)"):
            network().fit(np.empty((4, 0)), [0, 1, 0, 1])

    def test_no_rows_to_score(self, tiny_data):
        model = network().fit(*tiny_data)
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            model.predict(np.empty((0, 3)))

    def test_one_dimension(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
            network().fit(X[:, 0], y)
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
            network().fit(X, y).predict(X[0])

    def test_three_dimensions(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="dim 3"):
            network().fit(X[:, :, None], y)

    def test_lengths_differ(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            network().fit(X, y[:-1])

    def test_another_width(self, tiny_data):
        X, y = tiny_data
        model = network().fit(X, y)
        with pytest.raises(ValueError, match="X has 2 features, but Torch"):
            model.predict(X[:, :2])
        with pytest.raises(ValueError, match="X has 2 features, but Torch"):
            model.partial_fit(X[:, :2], y)

    def test_text(self, tiny_data):
        _, y = tiny_data
        with pytest.raises(ValueError, match="could not convert string to float"):
            network().fit(np.full((60, 3), "a"), y)

    def test_missing_values_of_pandas(self, tiny_data):
        pandas = pytest.importorskip("pandas")
        X, y = tiny_data
        table = pandas.DataFrame(X).astype(object)
        model = network().fit(X, y)
        table.iloc[7, 1] = pandas.NA
        sentence = r"^X must hold no missing values, got pandas\.NA in row 7\.$"
        with pytest.raises(ValueError, match=sentence):
            network().fit(table, y)
        for score in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(ValueError, match=sentence):
                score(table)
        with pytest.raises(ValueError, match=r"^X_val must hold no missing .* row 7"):
            network().fit(X, y, X_val=table, y_val=y)

    @pytest.mark.parametrize("dtype", ["object", "string", "Int64", "boolean"])
    def test_missing_labels_of_pandas(self, dtype, tiny_data):
        pandas = pytest.importorskip("pandas")
        X, y = tiny_data
        labels = pandas.Series(y if dtype != "string" else y.astype(str)).astype(dtype)
        labels[7] = pandas.NA
        sentence = r"^y must hold no missing .* row 7\.$|Input y contains NaN"
        with pytest.raises(ValueError, match=sentence):
            network().fit(X, labels)
        with pytest.raises(ValueError, match=sentence.replace("y ", "y_val ")):
            network().fit(X, y, X_val=X, y_val=labels)

    def test_missing_weights_of_pandas(self, tiny_data):
        pandas = pytest.importorskip("pandas")
        weights = pandas.Series(np.ones(60)).astype(object)
        weights[7] = pandas.NA
        with pytest.raises(ValueError, match=r"^sample_weight must hold no .* row 7"):
            network().fit(*tiny_data, weights)

    def test_complex_numbers(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="Complex data not supported"):
            network().fit(X * 1j, y)

    def test_not_fitted(self, tiny_data):
        X, _ = tiny_data
        model = network()
        for score in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                score(X)

    @pytest.mark.parametrize("n_rows", [1, 2])
    def test_too_few_rows_for_batch_normalisation(self, n_rows):
        model = network(input_norm="batch")
        X, y = np.zeros((n_rows, 2)), np.arange(n_rows)
        if n_rows == 2:
            model.fit(X, y)
            return
        with pytest.raises(ValueError, match="X must have at least 2 rows with input"):
            model.partial_fit(X, y, classes=[0, 1])


class TestRowWeights:
    def test_negative(self, tiny_data):
        weights = np.ones(60)
        weights[5] = -1
        with pytest.raises(
            ValueError, match=r"^sample_weight must be >= 0, got -1\.0: "
        ):
            network().fit(*tiny_data, sample_weight=weights)

    def test_all_zero(self, tiny_data):
        with pytest.raises(ValueError, match=ALL_ZERO):
            network().fit(*tiny_data, sample_weight=np.zeros(60))

    def test_one_class_of_weight_zero(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="rows of 2 classes with positive weight"):
            network().fit(X, y, sample_weight=(y == 1).astype(float))

    def test_class_weight_zero(self, tiny_data):
        with pytest.raises(ValueError, match="rows of 2 classes with positive weight"):
            network(class_weight={0: 0.0, 1: 1.0}).fit(*tiny_data)

    @pytest.mark.parametrize(
        "weight", [-1.0, float("nan"), float("inf"), None, "5", np.array([1, 5])]
    )
    def test_class_weight_that_is_no_weight(self, weight, tiny_data):
        sentence = "^class_weight must be a number >= 0 for every label, got "
        sentence += re.escape(f"{weight!r} for 0.")
        with pytest.raises(ValueError, match=sentence):
            network(class_weight={0: weight, 1: 1.0}).fit(*tiny_data)

    def test_wrong_length(self, tiny_data):
        with pytest.raises(ValueError, match=r"sample_weight\.shape == "):
            network().fit(*tiny_data, sample_weight=np.ones(59))

    def test_two_dimensions(self, tiny_data):
        with pytest.raises(ValueError, match="Sample weights must be 1D"):
            network().fit(*tiny_data, sample_weight=np.ones((60, 1)))

    def test_nan(self, tiny_data):
        weights = np.ones(60)
        weights[5] = np.nan
        with pytest.raises(ValueError, match="sample_weight contains NaN"):
            network().fit(*tiny_data, sample_weight=weights)


@pytest.mark.parametrize("library", ["pandas", "polars"])
class TestColumns:
    @pytest.fixture
    def table(self, library, tiny_data):
        frames = pytest.importorskip(library)
        X, y = tiny_data
        columns = {name: X[:, place] for place, name in enumerate("abc")}
        return frames.DataFrame(columns), y

    def test_names_are_kept(self, table):
        model = network().fit(*table)
        assert model.feature_names_in_.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(
            model.predict_proba(table[0]),
            network().fit(table[0].to_numpy(), table[1]).predict_proba(np.c_[table[0]]),
        )

    def test_missing_column(self, table):
        X, y = table
        with pytest.raises(ValueError, match="yet now missing:\n- b"):
            network().fit(X, y).predict(X[["a", "c"]])

    def test_unknown_column(self, table):
        X, y = table
        with pytest.raises(ValueError, match="unseen at fit time:\n- c"):
            network().fit(X[["a", "b"]], y).predict(X)

    def test_another_order(self, table):
        X, y = table
        with pytest.raises(ValueError, match="must be in the same order as they were"):
            network().fit(X, y).predict(X[["c", "a", "b"]])

    def test_another_order_of_validation_columns(self, table):
        X, y = table
        with pytest.raises(ValueError, match="must be in the same order as they were"):
            network().fit(X, y, X_val=X[["c", "a", "b"]], y_val=y)

    def test_names_given_once_only(self, table):
        X, y = table
        model = network().fit(X, y)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            model.predict(X.to_numpy())


class TestRange:
    @pytest.fixture
    def wide(self, rng):
        X = rng.normal(size=(300, 3))
        return X, (X[:, 0] > 0).astype(int)

    def test_overflow_in_fit(self, wide):
        pandas = pytest.importorskip("pandas")
        X, y = wide
        table = pandas.DataFrame(X, columns=["a", "b", "c"])
        table.loc[4, "b"] = 1e200
        with pytest.raises(ValueError, match="'b' must hold values that float32 can"):
            network(unscaled_input="ignore").fit(table, y)
        with (
            pytest.warns(UnscaledInputWarning, match="worst columns: 'b'"),
            pytest.raises(ValueError, match="'b' must hold"),
        ):
            network().fit(table, y)

    def test_overflow_in_sparse_fit(self, wide):
        X, y = wide
        X = X.copy()
        X[4, 1] = -1e200
        model = network(unscaled_input="ignore")
        with pytest.raises(ValueError, match="column 1 must hold values that float32"):
            model.fit(scipy.sparse.csr_array(X), y)

    def test_overflow_in_validation_rows(self, wide):
        X, y = wide
        far = X.copy()
        far[4, 1] = 1e200
        with pytest.raises(ValueError, match="column 1 must hold values that float32"):
            network().fit(X, y, X_val=far, y_val=y)

    def test_overflow_in_scoring(self, wide):
        pandas = pytest.importorskip("pandas")
        X, y = wide
        table = pandas.DataFrame(X, columns=["a", "b", "c"])
        model = network().fit(table, y)
        table.loc[290, "c"] = -1e200
        for score in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(
                ValueError, match=r"'c' must hold values that float32 .* in row 290"
            ):
                score(table)
        sparse = scipy.sparse.csr_array(table.to_numpy())
        with pytest.raises(ValueError, match=r"column 2 must hold .* in row 290"):
            network().fit(X, y).predict(sparse)

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinity_is_named_before_overflows(self, wide, value):
        X, y = wide
        model = network().fit(X, y)
        X = X.copy()
        X[0] = 1e200
        X[299, 1] = value
        sentence = "Input X contains infinity"
        for score in (model.predict, model.predict_proba, model.decision_function):
            for given in (X, X[250:], X[299:], scipy.sparse.csr_array(X)):
                with pytest.raises(ValueError, match=sentence):
                    score(given)

    def test_float64_is_the_remedy(self, wide):
        X, y = wide
        X = X.copy()
        X[4, 1] = 1e39
        model = network(dtype="float64", unscaled_input="ignore", max_iter=1)
        assert np.isfinite(model.fit(X, y).decision_function(X)).all()

    def test_large_but_representable_rows_give_no_nan(self, wide):
        X, y = wide
        model = network(hidden_layer_sizes=(16, 16)).fit(X, y)
        far = np.full((4, 3), 3e38) * [[1], [-1], [0.5], [-0.5]]
        with pytest.raises(ValueError, match="X must hold values whose logits float32"):
            model.decision_function(far)
        with pytest.raises(ValueError, match="got an overflow in row 260"):
            model.predict(np.r_[X[:260], far])

    @pytest.mark.parametrize("value", [0.0, 1.0, -7.5])
    def test_constant_column(self, tiny_data, value):
        X, y = tiny_data
        X = np.c_[X, np.full(60, value)]
        for norm in (None, "batch"):
            model = network(input_norm=norm).fit(X, y)
            assert np.isfinite(model.decision_function(X)).all()

    def test_only_constant_columns(self, tiny_data):
        _, y = tiny_data
        model = network(hidden_layer_sizes=(), max_iter=200, learning_rate_init=0.1)
        with pytest.warns(UnscaledInputWarning, match="must have a column that varies"):
            model.fit(np.zeros((60, 2)), y)
        proba = model.predict_proba(np.zeros((1, 2)))
        assert proba[0, 1] == pytest.approx(y.mean(), abs=0.01)

    def test_more_batch_than_rows(self, tiny_data):
        X, y = tiny_data
        found = network(batch_size=10_000).fit(X, y)
        np.testing.assert_array_equal(
            found.coefs_[0], network(batch_size=60).fit(X, y).coefs_[0]
        )


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd"])
def test_divergence_is_an_error(solver, tiny_data):
    model = network(
        solver=solver, learning_rate_init=1e30, batch_size=20, activation="identity"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"Training diverged: .* learning_rate_in"):
            model.set_params(max_iter=20).fit(*tiny_data)
    assert not hasattr(model, "coefs_")


class TestValidationSet:
    def test_labels_without_rows(self, tiny_data):
        with pytest.raises(ValueError, match="X_val must be given with y_val"):
            network().fit(*tiny_data, y_val=[0, 1])

    def test_weights_without_rows(self, tiny_data):
        with pytest.raises(ValueError, match="X_val must be given with y_val"):
            network().fit(*tiny_data, sample_weight_val=[1, 1])

    def test_rows_without_labels(self, tiny_data):
        with pytest.raises(ValueError, match="y_val must be given with X_val"):
            network().fit(*tiny_data, X_val=tiny_data[0])

    def test_unknown_label(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match=r"y_val must hold the labels .*got 7\."):
            network().fit(X, y, X_val=X, y_val=np.where(y == 1, 7, 0))

    def test_width(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match="X_val has 2 features, but Torch"):
            network().fit(X, y, X_val=X[:, :2], y_val=y)

    def test_nan(self, tiny_data):
        X, y = tiny_data
        sentence = r"X_val must hold no gaps \(NaN\) .* row 0 of column 0"
        with pytest.raises(ValueError, match=sentence):
            network(input_norm="batch").fit(
                X, y, X_val=np.full((60, 3), np.nan), y_val=y
            )
        with pytest.raises(ValueError, match="Input y_val contains NaN"):
            network().fit(X, y, X_val=X, y_val=np.full(60, np.nan))
        with pytest.raises(ValueError, match="Input sample_weight_val contains NaN"):
            network().fit(X, y, None, X_val=X, y_val=y, sample_weight_val=[np.nan] * 60)

    def test_length(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match=r"sample_weight_val\.shape == \(59,\)"):
            network().fit(X, y, None, X_val=X, y_val=y, sample_weight_val=[1] * 59)

    def test_objects(self, tiny_data):
        X, y = tiny_data
        table = X.astype(object)
        table[3, 1] = {}
        with pytest.raises(TypeError, match="must be a string or a real number"):
            network().fit(X, y, X_val=table, y_val=y)

    def test_weights(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match=ALL_ZERO):
            network().fit(X, y, X_val=X, y_val=y, sample_weight_val=np.zeros(60))
        with pytest.raises(ValueError, match="sample_weight_val must be >= 0"):
            network().fit(X, y, X_val=X, y_val=y, sample_weight_val=np.full(60, -1.0))

    def test_a_tiny_class_weight_leaves_a_loss(self, tiny_data):
        X, y = tiny_data
        model = network(class_weight={0: 1.0, 1: 1e-300})
        ones = y == 1
        model.fit(X, y, X_val=X[ones], y_val=y[ones])
        assert np.isfinite(model.validation_loss_curve_).all()

    def test_rows_of_a_class_are_too_few(self, rng):
        X = rng.normal(size=(30, 2))
        y = np.zeros(30, dtype=int)
        y[0] = 1
        with pytest.raises(ValueError, match="validation_fraction must leave rows"):
            network(early_stopping=True).fit(X, y)
        with pytest.raises(ValueError, match="n_members must be at most the number of"):
            network(early_stopping=True, n_members=3).fit(X, y)


class TestContinuing:
    def test_first_partial_fit_without_classes(self, tiny_data):
        with pytest.raises(ValueError, match="classes must be passed on the first"):
            network().partial_fit(*tiny_data)

    def test_three_classes(self, tiny_data):
        with pytest.raises(ValueError, match="classes must be 2 labels, got 3"):
            network().partial_fit(*tiny_data, classes=[0, 1, 2])

    def test_other_classes_later(self, tiny_data):
        model = network().partial_fit(*tiny_data, classes=[0, 1])
        with pytest.raises(ValueError, match="classes must be those of the first call"):
            model.partial_fit(*tiny_data, classes=[0, 2])

    def test_unknown_label(self, tiny_data):
        X, y = tiny_data
        with pytest.raises(ValueError, match=r"y must hold the labels .*got 5\."):
            network().partial_fit(X, np.where(y == 1, 5, 0), classes=[0, 1])

    def test_early_stopping(self, tiny_data):
        with pytest.raises(ValueError, match="early_stopping must be False for partia"):
            network(early_stopping=True).partial_fit(*tiny_data, classes=[0, 1])

    def test_lbfgs(self):
        model = network(solver="lbfgs")
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
            _ = model.partial_fit

    def test_warm_start_with_other_labels(self, tiny_data):
        X, y = tiny_data
        model = network(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="y must have the classes of the previous"):
            model.fit(X, y + 1)

    def test_warm_start_with_another_width(self, tiny_data):
        X, y = tiny_data
        model = network(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="X has 2 features, but Torch"):
            model.fit(X[:, :2], y)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("hidden_layer_sizes", (5, 5)),
            ("hidden_layer_sizes", (9,)),
            ("n_members", 2),
            ("input_norm", "batch"),
        ],
    )
    def test_warm_start_with_another_network(self, tiny_data, name, value):
        model = network(warm_start=True).fit(*tiny_data)
        with pytest.raises(ValueError, match=f"{name}.* must be th.* of the previous"):
            model.set_params(**{name: value}).fit(*tiny_data)
