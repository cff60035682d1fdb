"""Which columns hold text is found out, whatever the model is wrapped in."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from tests.table_files import fitted, people

from torch_binary_classifier.scoring import input_columns


@pytest.fixture
def table(rng):
    return people(rng)


@pytest.fixture(
    params=["plain", "search", "calibrated", "threshold", "frozen", "cross-fitted"]
)
def wrapped(request, table):
    model = fitted(table)
    y = np.where(table["age"] > 50, "yes", "no")
    wrappers = {
        "plain": lambda: model,
        "search": lambda: GridSearchCV(model, {"clf__C": [1.0, 2.0]}, cv=2),
        "calibrated": lambda: CalibratedClassifierCV(FrozenEstimator(model)),
        "threshold": lambda: TunedThresholdClassifierCV(model, cv=2),
        "frozen": lambda: FrozenEstimator(model),
        "cross-fitted": lambda: CalibratedClassifierCV(model, cv=2),
    }
    return wrappers[request.param]().fit(table, y)


def test_text_columns_are_found_within_wrappers(wrapped):
    columns = input_columns(wrapped)
    assert columns.names == ("age", "income", "city")
    assert columns.of_kind("text") == ("city",)


@pytest.mark.parametrize(
    "selected",
    [["city"], [2], slice(2, 3), [False, False, True], slice(2, None)],
    ids=["names", "positions", "slice", "mask", "rest"],
)
@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_text_columns_are_found_however_selected(table, selected, encoder):
    columns = ColumnTransformer([("text", encoder, selected)], remainder="passthrough")
    model = make_pipeline(
        columns, StandardScaler(with_mean=False), LogisticRegression()
    )
    model.set_params(logisticregression__max_iter=1000)
    model.fit(table, table["age"] > 50)
    assert input_columns(model).of_kind("text") == ("city",)


def test_vectorised_column_is_text(table):
    columns = ColumnTransformer([("words", CountVectorizer(), "city")])
    model = Pipeline([("columns", columns), ("clf", LogisticRegression())])
    model.fit(table.assign(city=table["city"] + " town"), table["age"] > 50)
    assert input_columns(model).of_kind("text") == ("city",)


def test_encoder_of_numbers_is_no_text(table):
    numbers = table[["age"]].round(-1)
    model = make_pipeline(
        SimpleImputer(), OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
    )
    assert not input_columns(model.fit(numbers, table["age"] > 50)).of_kind("text")


def test_encoder_behind_other_columns_does_not_count(table):
    columns = ColumnTransformer([("scale", StandardScaler(), ["age"])])
    words = FunctionTransformer(lambda ages: ages.round().astype(str).astype(object))
    model = make_pipeline(
        columns, words, OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
    )
    assert not input_columns(model.fit(table, table["age"] > 50)).of_kind("text")
