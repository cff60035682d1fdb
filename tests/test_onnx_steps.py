"""The steps in front of a graph's networks say what those of the pipeline say."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from builders import network
from onnx_graphs import DOUBLE, cells, differences, scores
from torch_binary_classifier.assembly import tabular_pipeline
from torch_binary_classifier.onnx_graph.export import onnx_model
from torch_binary_classifier.onnx_graph.graph import OnnxGraph
from torch_binary_classifier.onnx_graph.inputs import Inputs, Translation
from torch_binary_classifier.onnx_graph.steps import add_steps
from torch_binary_classifier.preparation import CategoriesAsTexts, TimesAsNumbers

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Found unknown categories:UserWarning",
    "ignore:Skipping features without any observed values:UserWarning",
    "ignore::torch_binary_classifier.UnscaledInputWarning",
    "ignore::torch_binary_classifier.InputScaleMismatchWarning",
    "ignore::torch_binary_classifier.GapWarning",
)


@pytest.fixture
def table(rng):
    """Return columns of many kinds."""
    n_rows = 150
    age = rng.normal(50, 10, size=n_rows)
    age[::7] = np.nan
    days = rng.integers(0, 20_000, size=n_rows)
    return pd.DataFrame(
        {
            "age": age,
            "pay": rng.lognormal(7, 1, size=n_rows),
            "city": rng.choice(["Oslo", "Zürich", "Rome", "Bergen"], size=n_rows),
            "code": rng.choice([1, 2, 30], size=n_rows),
            "flag": rng.choice([True, False], size=n_rows),
            "day": pd.to_datetime(days, unit="D").strftime("%Y-%m-%d"),
            "grade": pd.Series(
                rng.choice(["a", "b", "c", None], size=n_rows), dtype=object
            ),
            "empty": np.nan,
        }
    )


def fitted(table, *steps, **parameters):
    """Return a pipeline of steps and a small network in float64."""
    y = np.where(table["pay"] > table["pay"].median(), "high", "low")
    clf = network(dtype="float64", solver="adam", max_iter=2, **parameters)
    return make_pipeline(*steps, clf).fit(table, y)


NUMERIC = ["age", "pay", "code"]


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False), "passthrough"],
        [RobustScaler(), StandardScaler()],
        [RobustScaler(with_centering=False, with_scaling=False), StandardScaler()],
        [MinMaxScaler()],
        [MinMaxScaler(feature_range=(-1, 2), clip=True)],
        [SimpleImputer(), StandardScaler()],
        [SimpleImputer(strategy="median", add_indicator=True), StandardScaler()],
        [SimpleImputer(strategy="constant", fill_value=-1), StandardScaler()],
        [SimpleImputer(missing_values=30, strategy="most_frequent")],
        [FunctionTransformer(), StandardScaler()],
        [make_pipeline(SimpleImputer(), make_pipeline(StandardScaler()))],
    ],
    ids=str,
)
def test_numbers(table, steps):
    known = table[NUMERIC]
    if getattr(steps[0], "missing_values", None) == 30:
        known = known.fillna(0)
    pipe = fitted(known, *steps)
    new = 3 * known - 40
    new.loc[10:20] = known.loc[10:20]
    assert differences(pipe, new) < DOUBLE
    assert differences(pipe, known) < DOUBLE


def test_infinity_that_a_step_would_clip_is_nan(table):
    known = table[NUMERIC].fillna(0)
    pipe = fitted(known, MinMaxScaler(clip=True))
    known.loc[3, "age"] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        pipe.predict_proba(known)
    made = onnx_model(pipe)
    _, probability = scores(made, cells(known, made))
    assert np.flatnonzero(np.isnan(probability[:, 0])).tolist() == [3]


def test_unclipped_is_another(table):
    known = table[NUMERIC]
    pipe = fitted(known, MinMaxScaler(clip=True))
    made = onnx_model(pipe)
    pipe[0].clip = False
    _, probability = scores(made, cells(3 * known, made))
    assert np.abs(probability - pipe.predict_proba(3 * known)).max() > 1e-6


@pytest.mark.parametrize("keep", [False, True])
def test_columns_without_values(table, keep):
    known = table[["age", "empty", "pay"]]
    imputer = SimpleImputer(keep_empty_features=keep, add_indicator=True)
    pipe = fitted(known, imputer, StandardScaler())
    new = known.assign(empty=[1.0, np.nan, 3.0] * 50)
    assert differences(pipe, new) < DOUBLE


def test_gaps_beside_another_missing_value_are_nan(table):
    known = table[["code", "pay"]].astype(float)
    pipe = fitted(known, SimpleImputer(missing_values=30), StandardScaler())
    known.loc[4, "code"] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        pipe.predict_proba(known)
    _, probability = scores(onnx_model(pipe), cells(known, onnx_model(pipe)))
    assert np.flatnonzero(np.isnan(probability[:, 0])).tolist() == [4]


@pytest.mark.parametrize(
    "encoder",
    [
        {"handle_unknown": "ignore"},
        {"handle_unknown": "ignore", "drop": "first"},
        {"handle_unknown": "ignore", "drop": "if_binary", "sparse_output": False},
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 40},
        {"handle_unknown": "infrequent_if_exist", "max_categories": 2},
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 1, "drop": "first"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "columns", [["city"], ["code"], ["flag"], ["city", "code", "flag", "grade"]]
)
def test_one_hot(table, encoder, columns):
    encode = ColumnTransformer(
        [("hot", OneHotEncoder(**encoder), columns), ("rest", "passthrough", ["pay"])]
    )
    pipe = fitted(table, encode, StandardScaler(with_mean=False))
    new = table.astype({"flag": object})
    new.loc[::5, "city"] = "Łódź"
    new.loc[::6, "code"] = 99
    new.loc[::7, "grade"] = "zzz"
    assert differences(pipe, table) < DOUBLE
    assert differences(pipe, new) < DOUBLE
    moved = table.assign(city="Rome", code=1, flag=True, grade="a")
    made, other = onnx_model(pipe), pipe.predict_proba(moved)
    assert np.abs(scores(made, cells(table, made))[1] - other).max() > 1e-6


def test_one_hot_of_gaps_in_numbers(table):
    encode = ColumnTransformer(
        [
            ("hot", OneHotEncoder(handle_unknown="ignore"), ["gap"]),
            ("rest", "passthrough", ["pay"]),
        ]
    )
    known = table.assign(gap=table["code"].where(table["code"] > 1))
    pipe = fitted(known, encode)
    assert np.isnan(pipe[0].transformers_[0][1].categories_[0]).any()
    assert differences(pipe, known) < DOUBLE
    assert differences(pipe, known.assign(gap=np.nan)) < DOUBLE


@pytest.mark.parametrize(("column", "value"), [("city", "Łódź"), ("code", 7)])
def test_refused_categories_are_nan(table, column, value):
    encode = ColumnTransformer([("hot", OneHotEncoder(), [column])])
    pipe = fitted(table, encode)
    assert differences(pipe, table) < DOUBLE
    table.loc[3, column] = value
    with pytest.raises(ValueError, match="unknown categories"):
        pipe.predict_proba(table)
    made = onnx_model(pipe)
    _, probability = scores(made, cells(table, made))
    assert np.flatnonzero(np.isnan(probability[:, 0])).tolist() == [3]


@pytest.mark.parametrize("missing", [{}, {"missing_values": None}])
@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_texts_are_imputed(table, missing, strategy):
    if not missing:
        table["grade"] = table["grade"].fillna(np.nan).astype(object)
        table.loc[table["grade"].isna(), "grade"] = np.nan
    imputer = SimpleImputer(strategy=strategy, **missing)
    steps = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer(
        [("grade", steps, ["grade", "city"]), ("pay", StandardScaler(), ["pay"])]
    )
    assert differences(fitted(table, columns), table) < DOUBLE


@pytest.mark.parametrize(
    "selected",
    [
        ["pay", "code"],
        slice("pay", "pay"),
        slice(1, 2),
        [1, -5],
        [False, True] + [False] * 6,
        "numbers",
    ],
    ids=str,
)
def test_columns_are_selected(table, selected):
    if selected == "numbers":
        selected = lambda X: X.columns[1:2]  # noqa: E731
    scale = ColumnTransformer(
        [("scale", StandardScaler(), selected), ("none", "drop", ["age"])],
        transformer_weights={"scale": 0.5},
    )
    pipe = fitted(table, scale)
    assert differences(pipe, table) < DOUBLE


@pytest.mark.parametrize("remainder", ["passthrough", "drop", StandardScaler()])
def test_remainder(table, remainder):
    known = table[[*NUMERIC, "city"]]
    columns = ColumnTransformer(
        [
            ("pay", MinMaxScaler(), ["pay"]),
            ("city", OneHotEncoder(), ["city"]),
            ("nothing", StandardScaler(), []),
        ],
        remainder=remainder,
    )
    pipe = fitted(known, columns)
    made = onnx_model(pipe)
    named = [given.name for given in made.graph.input]
    assert named == (["pay", "city"] if remainder == "drop" else list(known.columns))
    assert differences(pipe, known, made) < DOUBLE


def test_arrays_have_one_input(table):
    X = table[NUMERIC].to_numpy(np.float64)
    columns = ColumnTransformer(
        [
            ("code", OneHotEncoder(handle_unknown="ignore"), [-1]),
            ("first", make_pipeline(SimpleImputer(), StandardScaler()), [1, 0]),
        ]
    )
    y = (X[:, 1] > 1000).astype(int)
    pipe = make_pipeline(columns, network(dtype="float64")).fit(X, y)
    made = onnx_model(pipe)
    assert [given.name for given in made.graph.input] == ["X"]
    X[::3, 2] = 5
    assert differences(pipe, X, made) < DOUBLE


def test_columns_change_places(table):
    X = table[["age", "pay"]].to_numpy(np.float64)
    columns = ColumnTransformer([("swap", MinMaxScaler(), [1, 0])])
    y = (X[:, 1] > 1000).astype(int)
    pipe = make_pipeline(columns, network(dtype="float64")).fit(X, y)
    assert differences(pipe, X) < DOUBLE


@pytest.fixture
def tabular(table):
    """Return the pipeline that ``train`` makes."""
    pipe = tabular_pipeline(
        numeric=["age", "pay", "empty"],
        categorical=["city", "code", "flag", "grade"],
        times=["day"],
        classifier=network(dtype="float64", max_iter=2),
    )
    return pipe.fit(table, np.where(table["pay"] > 1000, "high", "low"))


def in_days(made, table):
    """Return a table as inputs, its dates as days."""
    days = pd.to_datetime(table["day"]).astype("datetime64[s]").astype(np.int64) / 86400
    return cells(table.assign(day=days), made)


def test_tabular_pipeline(tabular, table):
    made = onnx_model(tabular)
    new = table.copy().astype({"code": object, "flag": object})
    new.loc[::4, ["city", "grade"]] = "Łódź"
    new.loc[::6, ["code", "flag"]] = [99, np.nan]
    new.loc[::5, "age"] = np.nan
    for given in (table, new):
        label, probability = scores(made, in_days(made, given))
        expected = tabular.predict_proba(given)
        assert np.abs(probability - expected).max() < DOUBLE
        assert label.tolist() == tabular.predict(given).tolist()
    shifted = in_days(made, table)
    shifted["day"] = shifted["day"] + 1000
    assert np.abs(scores(made, shifted)[1] - tabular.predict_proba(table)).max() > 1e-6


def test_inputs_say_what_they_hold(tabular):
    made = onnx_model(tabular)
    metadata = {one.key: one.value for one in made.metadata_props}
    told = json.loads(metadata["inputs"])
    assert told == {given.name: given.doc_string for given in made.graph.input}
    assert told["age"] == told["code"] == "Numbers; NaN where missing."
    assert told["city"] == "Texts; (missing) where missing."
    assert told["day"] == "Days since 1970-01-01, UTC; NaN where missing."


def test_durations_are_seconds(table):
    known = table[["pay"]].assign(wait=["1:00:00", "0:00:30"] * 75)
    columns = ColumnTransformer(
        [
            ("wait", make_pipeline(TimesAsNumbers(), StandardScaler()), ["wait"]),
            ("pay", StandardScaler(), ["pay"]),
        ]
    )
    pipe = fitted(known, columns)
    made = onnx_model(pipe)
    _, probability = scores(made, cells(known.assign(wait=[3600.0, 30.0] * 75), made))
    assert np.abs(probability - pipe.predict_proba(known)).max() < DOUBLE
    assert made.graph.input[1].doc_string == "Seconds; NaN where missing."


def test_unknown_steps_are_refused(table):
    message = (
        r"step 'columntransformer__cat' must be one that the export knows \(.*"
        r"OneHotEncoder, .*\), got OrdinalEncoder. Apply it to the table"
    )
    columns = ColumnTransformer([("cat", OrdinalEncoder(), ["city"])])
    with pytest.raises(ValueError, match=message):
        onnx_model(fitted(table, columns))


def test_functions_are_refused(table):
    message = "step 'functiontransformer' must have no function of Python, got one. App"
    with pytest.raises(ValueError, match=message):
        onnx_model(fitted(table[["pay"]], FunctionTransformer(np.log)))


def refused(columns, *steps):
    """Return the error for fitted steps on columns without names of a step."""
    translation = Translation(OnnxGraph(columns), Inputs(columns, len(columns)))
    with pytest.raises(ValueError, match="must") as error:
        add_steps(translation, steps, translation.inputs.columns, "")
    return str(error.value)


def test_times_of_a_step_are_refused():
    times = TimesAsNumbers().fit(np.array([["0:10"]], dtype=object))
    scale = StandardScaler().fit([[1.0]])
    assert refused(["a"], ("scale", scale), ("times", times)) == (
        "step 'times' must take columns of the table, got those of a step. Put it "
        "first, in front of the other steps."
    )


def test_texts_that_meet_numbers_are_refused():
    texts = CategoriesAsTexts().fit(np.array([["a"]], dtype=object))
    scale = StandardScaler().fit([[1.0]])
    assert refused(["a"], ("texts", texts), ("scale", scale)) == (
        "step 'scale' must take numbers for the export, got a column of texts. Put a "
        "OneHotEncoder in front."
    )
    assert refused(["a"], ("scale", scale), ("texts", texts)) == (
        "step 'texts' must take texts for the export, got numbers. Give it columns of "
        "the table."
    )
    both = FeatureUnion([("a", texts), ("b", scale)])
    columns = ColumnTransformer([("a", "drop", [0]), ("b", "drop", [0])])
    columns.fit([[1.0]]).transformers_ = [("a", texts, [0]), ("b", scale, [0])]
    assert refused(["a"], ("columns", columns)) == (
        "column 'a' must be of one kind for the export, got steps that take it for "
        "text and for number. Give each a column."
    )
    assert "got FeatureUnion" in refused(["a"], ("union", both))


def test_texts_in_arrays_are_refused():
    texts = CategoriesAsTexts().fit(np.array([["a"]], dtype=object))
    translation = Translation(OnnxGraph(["X"]), Inputs(None, 1))
    message = (
        "column 0 must hold numbers for the export, got texts in an array. Train on a "
        "table with names of columns."
    )
    with pytest.raises(ValueError, match=message):
        add_steps(translation, [("t", texts)], translation.inputs.columns, "")


@pytest.mark.parametrize(("missing", "rule"), [(7, "a text"), ("", "a number or NaN")])
def test_missing_values_of_another_kind_are_refused(missing, rule):
    rows = np.array([["a" if missing != "" else 1.5], [missing]], dtype=object)
    imputer = SimpleImputer(missing_values=missing, strategy="most_frequent").fit(rows)
    assert refused(["a"], ("impute", imputer)) == (
        f"step 'impute' must have {rule} as missing_values, got {missing!r}. Impute "
        "texts and numbers in steps of their own."
    )


@pytest.mark.parametrize(
    ("categories", "rule"),
    [
        ([None, np.nan], "know one category of missing cells"),
        (["a", 1.0], "know texts or numbers of a column"),
        (["(missing)", None], r"know (missing) for missing cells"),
    ],
)
def test_unclear_categories_are_refused(categories, rule):
    encoder = OneHotEncoder().fit(np.array([["a"]], dtype=object))
    encoder.categories_ = [np.array(categories, dtype=object)]
    assert refused(["a"], ("hot", encoder)).startswith(f"step 'hot' must {rule}, got ")


def test_codes_that_doubles_cannot_tell_apart_are_refused():
    rows = np.array([[2**53], [2**53 + 1]], dtype=object)
    texts = CategoriesAsTexts().fit(rows)
    encoder = OneHotEncoder().fit(texts.transform(rows))
    assert refused(["a"], ("texts", texts), ("hot", encoder)) == (
        "step 'hot' must know codes that float64 can tell apart, got others. Make "
        "texts of the column before training."
    )


def test_other_classifiers_are_refused(table):
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    pipe.fit(table[["pay"]], table["flag"])
    message = "step 'logisticregression' must be a TorchBinaryClassifier, got Logistic"
    with pytest.raises(ValueError, match=message):
        onnx_model(pipe)
