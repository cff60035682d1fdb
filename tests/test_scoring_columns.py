"""Each column of a file is read as the fitted steps know it."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from tests.table_files import score_anew, write

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring import ColumnShares, input_columns
from torch_binary_classifier.tables import csv_rows, parquet_file
from torch_binary_classifier.tables import frame as frames

N_ROWS = 60
ONE_HOT = OneHotEncoder(handle_unknown="ignore")
ORDINAL = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


@pytest.fixture
def table(rng):
    """Return a table of a code, a truth value, a text, a date and a number."""
    days = pd.Series(pd.to_datetime(["2020-01-01", "2021-06-01"]))
    return pd.DataFrame(
        {
            "grade": rng.integers(1, 4, N_ROWS),
            "member": rng.random(N_ROWS) < 0.5,
            "city": rng.choice(["Oslo", "Bergen"], N_ROWS).astype(object),
            "day": days[rng.integers(0, 2, N_ROWS)].to_numpy(),
            "x": rng.normal(size=N_ROWS),
        }
    )


@pytest.fixture
def y(table):
    return ((table["grade"] == 2) ^ table["member"]).to_numpy()


def scored(model, path):
    """Return probabilities and summary of a file."""
    out = path.with_name("scores.parquet")
    summary = score_anew(model, path, out)
    return pd.read_parquet(out)["probability"].to_numpy(), summary


def check_like_python(model, frame, tmp_path, expected=None):
    """Compare the scores of both kinds of file with those of the frame."""
    if expected is None:
        expected = frame
    probabilities = model.predict_proba(expected)[:, 1]
    for suffix in (".csv", ".parquet"):
        found, summary = scored(model, write(frame, tmp_path / f"new{suffix}"))
        np.testing.assert_allclose(found, probabilities, rtol=0, atol=1e-12)
    return summary


# One step over columns of several kinds.


@pytest.mark.parametrize("encoder", [ONE_HOT, ORDINAL, TargetEncoder()], ids=repr)
@pytest.mark.parametrize(
    "frame_of",
    [
        lambda encoder: make_column_transformer(
            (encoder, ["grade", "member", "city", "day"]), (StandardScaler(), ["x"])
        ),
        lambda encoder: make_column_transformer(
            (StandardScaler(), ["x"]), remainder=encoder
        ),
        lambda encoder: make_column_transformer(
            (encoder, slice("grade", "day")), remainder="passthrough"
        ),
        lambda encoder: encoder,
        lambda encoder: make_column_transformer(
            (
                make_pipeline(SimpleImputer(strategy="most_frequent"), encoder),
                ["grade", "city"],
            ),
        ),
    ],
    ids=["columns", "remainder", "labels", "bare", "imputed"],
)
def test_one_encoder_over_many_kinds(encoder, frame_of, table, y, tmp_path):
    model = make_pipeline(frame_of(encoder), LogisticRegression()).fit(table, y)
    summary = check_like_python(model, table, tmp_path)
    assert not any(column.is_strange for column in summary.columns)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: GridSearchCV(model, {"logisticregression__C": [1.0]}, cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2),
        lambda model: VotingClassifier([("a", model), ("b", model)], voting="soft"),
        lambda model: StackingClassifier([("a", model), ("b", model)], cv=2),
    ],
    ids=["search", "calibrated", "voting", "stacking"],
)
def test_kinds_are_known_within_wrappers(wrap, table, y, tmp_path):
    model = make_pipeline(
        make_column_transformer((ONE_HOT, ["grade", "city"])), LogisticRegression()
    )
    model = wrap(model).fit(table, y)
    kinds = [column.kind for column in input_columns(model).columns]
    assert kinds == ["number", "dropped", "text", "dropped", "dropped"]
    check_like_python(model, table, tmp_path)


def test_members_of_a_bagging_see_some_columns(table, y, tmp_path):
    X = table[["grade", "city"]]
    inner = make_pipeline(ONE_HOT, LogisticRegression())
    model = BaggingClassifier(inner, n_estimators=4, max_features=1, random_state=0)
    model.fit(X, y)
    assert [c.kind for c in input_columns(model).columns] == ["number", "text"]
    check_like_python(model, X, tmp_path)


def test_columns_are_followed_through_imputers_and_blocks(table, y, tmp_path):
    blocks = ColumnTransformer(
        [("fill", SimpleImputer(strategy="most_frequent"), ["city", "grade"])],
        remainder="passthrough",
    )
    inner = make_column_transformer((ONE_HOT, [0, 1]), remainder="passthrough")
    model = make_pipeline(blocks, inner, LogisticRegression())
    X = table[["grade", "city", "x"]]
    model.fit(X, y)
    assert [c.kind for c in input_columns(model).columns] == [
        "number",
        "text",
        "number",
    ]
    check_like_python(model, X, tmp_path)


def test_categories_of_gradient_boosting_are_known(table, y, tmp_path):
    X = table[["x", "city", "grade"]]
    typed = X.astype({"city": "category", "grade": "category"})
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5)
    model.fit(typed, y)
    assert input_columns(model).of_kind("text") == ("city",)
    check_like_python(model, X, tmp_path, expected=typed)


def test_number_that_a_step_needs_must_be_one(table, y, tmp_path):
    union = FeatureUnion([("codes", ONE_HOT), ("scaled", StandardScaler())])
    model = make_pipeline(union, LogisticRegression()).fit(table[["grade"]], y)
    (tmp_path / "new.csv").write_text("grade\n1\nfour\n")
    with pytest.raises(TableError, match="must hold numbers, got 'four' in row 1"):
        scored(model, tmp_path / "new.csv")


def test_lists_cannot_be_categories(table, y, tmp_path):
    model = make_pipeline(ONE_HOT, LogisticRegression()).fit(table[["city"]], y)
    pq.write_table(pa.table({"city": [["Oslo"]]}), tmp_path / "new.parquet")
    with pytest.raises(
        TableError, match=r"'city' of .* must hold numbers or text, got"
    ):
        scored(model, tmp_path / "new.parquet")


# Columns that the model drops.


@pytest.mark.parametrize("bagged", [False, True])
def test_dropped_columns_are_neither_needed_nor_parsed(bagged, table, y, tmp_path):
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["x"])), LogisticRegression()
    )
    if bagged:
        model = VotingClassifier([("one", model)], voting="soft")
    model.fit(table, y)
    expected = model.predict_proba(table)[:, 1]
    check_like_python(model, table, tmp_path)
    for path in ("new.csv", "new.parquet"):
        found, summary = scored(model, write(table[["x"]], tmp_path / path))
        np.testing.assert_array_equal(found, expected)
        assert summary.ignored == ()
    rows = {"x": table["x"], "city": [[1]] * N_ROWS}
    pq.write_table(pa.table(rows), tmp_path / "lists.parquet")
    found, summary = scored(model, tmp_path / "lists.parquet")
    np.testing.assert_array_equal(found, expected)
    assert summary.ignored == ("city",)


# The same category, written otherwise.


def test_categories_of_another_type_score_alike(table, y, tmp_path):
    texts = table[["grade", "member", "day"]].astype(str).astype(object)
    model = make_pipeline(ONE_HOT, LogisticRegression()).fit(texts, y)
    assert input_columns(model).of_kind("text") == tuple(texts)
    check_like_python(model, table[[*texts]], tmp_path, expected=texts)
    floats = table[[*texts]].astype({"grade": float})
    check_like_python(model, floats, tmp_path, expected=texts)


def test_times_of_another_unit_score_alike(table, y, tmp_path):
    model = make_pipeline(ONE_HOT, LogisticRegression()).fit(table[["day"]], y)
    for kind in ("datetime64[s]", "datetime64[ns]"):
        check_like_python(model, table[["day"]].astype(kind), tmp_path)


# Gaps.


@pytest.mark.parametrize("gap", [None, np.nan])
@pytest.mark.parametrize("imputed", [False, True])
def test_words_for_a_gap_count_where_training_had_gaps(
    gap, imputed, table, y, tmp_path
):
    X = table[["city"]].astype(object)
    X.loc[::4, "city"] = gap
    steps = [ONE_HOT, LogisticRegression()]
    if imputed:
        fill = SimpleImputer(missing_values=gap, strategy="constant", fill_value="?")
        steps = [fill, *steps]
    model = make_pipeline(*steps).fit(X, y)
    words = X.assign(city=[" NA" if i % 4 == 0 else c for i, c in enumerate(X["city"])])
    summary = check_like_python(model, words, tmp_path, expected=X)
    assert summary.columns == (ColumnShares("city", 0.0, 0.25, had_gaps=True),)


def test_words_for_a_gap_are_words_elsewhere(table, y, tmp_path):
    X = table[["city"]].replace("Bergen", "NA")
    model = make_pipeline(ONE_HOT, LogisticRegression())
    check_like_python(model.fit(X, y), X, tmp_path)
    model.fit(table[["city"]], y)
    words = table[["city"]].replace("Bergen", "none")
    summary = check_like_python(model, words, tmp_path)
    assert summary.columns[0].missing == 0
    assert summary.columns[0].unseen == (words["city"] == "none").mean()


@pytest.mark.parametrize(
    ("step", "had_gaps"),
    [
        (ONE_HOT, True),
        (make_pipeline(SimpleImputer(), ONE_HOT), None),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), True),
        (
            make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), ONE_HOT),
            True,
        ),
    ],
    ids=["encoder", "statistic", "indicator", "constant"],
)
def test_gaps_of_training_are_known_as_far_as_steps_tell(step, had_gaps, table, y):
    X = table[["grade"]].astype(float)
    model = make_pipeline(step, LogisticRegression())
    expected = {True: False, None: None}[had_gaps]
    assert input_columns(model.fit(X, y)).columns[0].had_gaps is expected
    X.loc[0, "grade"] = np.nan
    assert input_columns(model.fit(X, y)).columns[0].had_gaps is had_gaps


# What the model cannot tell is what the file says.


class Shout(TransformerMixin, BaseEstimator):
    """A step of another package that works on anything."""

    def fit(self, X, _y=None):
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X):
        return X.astype(str).astype(object)


@pytest.mark.parametrize("chunk", [5, 10**6])
@pytest.mark.parametrize("gap_at", [None, N_ROWS - 1])
@pytest.mark.parametrize(
    "step",
    [Shout(), FunctionTransformer(Shout().transform)],
    ids=["foreign", "function"],
)
def test_file_says_what_functions_see(
    step, gap_at, chunk, table, y, tmp_path, monkeypatch
):
    monkeypatch.setattr(parquet_file, "PARQUET_CHUNK_CELLS", chunk)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64 if chunk < N_ROWS else 1 << 20)
    X = table[["grade", "member", "city", "x"]]
    if gap_at is not None:
        X = X.astype({"grade": float, "member": object})
        X.loc[gap_at, ["grade", "member", "city"]] = np.nan
    model = make_pipeline(step, ONE_HOT, LogisticRegression()).fit(X, y)
    summary = check_like_python(model, X, tmp_path)
    assert summary.as_file == tuple(X)
    assert input_columns(model).of_kind("file") == tuple(X)


def test_hashed_column_is_text(table, y, tmp_path):
    X = table[["city", "x"]].replace({"city": {"Oslo": "1 2"}})
    model = make_pipeline(
        make_column_transformer((HashingVectorizer(n_features=8), "city")),
        LogisticRegression(),
    ).fit(X, y)
    summary = check_like_python(model, X, tmp_path)
    assert summary.as_file == ()
    assert input_columns(model).of_kind("text") == ("city",)


def test_lists_and_times_reach_functions(table, y, tmp_path):
    def spread(X):
        return np.c_[X["day"].dt.year, [len(words) for words in X["words"]]]

    X = table[["day"]].assign(words=[["a"] * (i % 3) for i in range(N_ROWS)])
    model = make_pipeline(FunctionTransformer(spread), LogisticRegression()).fit(X, y)
    found, _ = scored(model, write(X, tmp_path / "new.parquet"))
    np.testing.assert_array_equal(found, model.predict_proba(X)[:, 1])


def test_other_steps_decide_before_the_file(table, y, tmp_path):
    X = table[["grade"]].astype(str)
    union = FeatureUnion(
        [("codes", ONE_HOT), ("length", FunctionTransformer(lambda X: X.map(len)))]
    )
    model = make_pipeline(union, LogisticRegression()).fit(X, y)
    assert input_columns(model).of_kind("text") == ("grade",)
    assert check_like_python(model, X, tmp_path).as_file == ()


def test_tablevectorizer_scores_as_in_python(table, y, tmp_path):
    skrub = pytest.importorskip("skrub")
    X = table[["grade", "city", "x"]]
    model = make_pipeline(skrub.TableVectorizer(), LogisticRegression()).fit(X, y)
    assert check_like_python(model, X, tmp_path).as_file == tuple(X)


# How far a table lies from the training table.


@pytest.fixture
def people(table, y):
    """Return a classifier of the table: codes, texts and imputed numbers."""
    return make_pipeline(
        make_column_transformer(
            (ONE_HOT, ["grade", "city"]),
            (make_pipeline(SimpleImputer(), StandardScaler()), ["x"]),
        ),
        LogisticRegression(),
    ).fit(table, y)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("chunk", [64, 1 << 20])
def test_shares_count_the_whole_file(
    people, table, tmp_path, monkeypatch, chunk, suffix
):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", chunk)
    monkeypatch.setattr(parquet_file, "PARQUET_CHUNK_CELLS", chunk)
    new = table.assign(city=table["city"].where(table.index % 2 == 0, "Rome"))
    new.loc[::4, "x"] = np.nan
    _, summary = scored(people, write(new, tmp_path / f"new{suffix}"))
    assert summary.columns == (
        ColumnShares("grade", 0.0, 0.0, had_gaps=False),
        ColumnShares("city", 0.5, 0.0, had_gaps=False),
        ColumnShares("x", 0.0, 0.25, had_gaps=None),
    )
    assert [c.is_strange for c in summary.columns] == [False, True, False]
    assert not any(column.is_lost for column in summary.columns)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"city": "Rome"}, "'city' has no cell that the model knows: 100% hold categ"),
        ({"grade": 9}, "got column 'grade' has no cell"),
        ({"x": np.nan}, r"100% are missing \(the model does not tell how many"),
        ({"city": None}, r"100% are missing \(in training none was missing"),
    ],
    ids=["texts", "codes", "numbers", "gaps"],
)
def test_columns_without_a_known_cell_are_drift(
    people, table, tmp_path, changes, match
):
    data = write(table.assign(**changes), tmp_path / "new.csv")
    out = tmp_path / "scores.csv"
    with pytest.raises(TableError, match=match):
        score_anew(people, data, out, fail_on_drift=True)
    assert not out.exists()
    summary = score_anew(people, data, out)
    assert [c.name for c in summary.columns if c.is_lost] == [*changes]
    assert out.exists()


def test_what_training_had_is_no_drift(people, table, y, tmp_path):
    data = write(table, tmp_path / "new.csv")
    assert (
        score_anew(people, data, tmp_path / "out.csv", fail_on_drift=True).n_rows
        == N_ROWS
    )
    table.loc[::3, "city"] = None
    people.fit(table, y)
    data = write(table.assign(city=None), tmp_path / "new.csv")
    assert (
        score_anew(people, data, tmp_path / "out.csv", fail_on_drift=True).n_rows
        == N_ROWS
    )


def test_table_without_rows_is_no_drift(people, table, tmp_path):
    data = write(table.iloc[:0], tmp_path / "new.csv")
    assert (
        score_anew(people, data, tmp_path / "out.csv", fail_on_drift=True).columns == ()
    )


def test_scores_without_pandas(people, table, tmp_path, monkeypatch):
    data = write(table, tmp_path / "new.csv")
    expected, _ = scored(people, data)
    monkeypatch.setattr(frames, "PANDAS", None)
    np.testing.assert_array_equal(scored(people, data)[0], expected)
