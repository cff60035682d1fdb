"""Chunks of rows are scored as the model does in Python, each row for itself."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from tests.test_schemas_scoring import LOOK
from tests.test_scoring_property import models, options

from builders import network
from row_scoring import chunk_of
from torch_binary_classifier import schema
from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.preparation import TimesAsNumbers
from torch_binary_classifier.scoring import (
    RowScorer,
    expected_columns,
    merged_counts,
    row_scorer,
)
from torch_binary_classifier.scoring.expected import Expected
from torch_binary_classifier.scoring.file_types import FileColumn
from torch_binary_classifier.tables.bad_rows import BadRow

N_ROWS = 120
ONE_HOT = OneHotEncoder(handle_unknown="ignore")


def people(rng, n_rows=N_ROWS):
    """Return a table of two numbers, a whole number, a text, a truth and a date."""
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, size=n_rows),
            "income": rng.normal(3e4, 5e3, size=n_rows),
            "pets": rng.integers(0, 5, size=n_rows),
            "city": rng.choice(["Oslo", "Rome", "1"], size=n_rows).astype(object),
            "member": rng.random(n_rows) > 0.5,
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 9, size=n_rows), "D"),
        }
    )


def fitted(X, *, has_schema=True, clf=None):
    """Return a model of such a table, ours at the end, that imputes the income."""
    steps = make_column_transformer(
        (StandardScaler(), ["age", "pets"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["income"]),
        (ONE_HOT, ["city", "day"]),
        ("passthrough", ["member"]),
        sparse_threshold=0,
    )
    model = make_pipeline(steps, clf or network())
    model.fit(X, (X["age"] > 50) ^ X["member"])
    if has_schema:
        model._manifest = {"schema": schema(X).to_dict()}
    return model


@pytest.fixture
def X(rng):  # noqa: N802
    return people(rng)


@pytest.fixture
def model(X):
    """Return a model that takes no gap but in the income."""
    return fitted(X, clf=LogisticRegression())


def scorer_of(model, **chosen):
    """Return a scorer of tables of Arrow."""
    expected = expected_columns(model)
    names = expected.columns.of_kind("file")
    as_file = {name: FileColumn("typed", has_gaps=True) for name in names}
    return RowScorer(
        model, Expected(expected.columns, expected.is_positional, as_file), **chosen
    )


def arrow(X):
    """Return a frame as a table of Arrow."""
    return pa.Table.from_pandas(X, preserve_index=False)


def texts(X):
    """Return a frame as a table of texts, as a CSV file has it."""
    return pa.table(
        {
            name: pa.array(
                [None if pd.isna(v) or v == "" else str(v) for v in X[name]],
                pa.string(),
            )
            for name in X
        }
    )


def check_as_in_python(scored, model, X):
    """Compare scores with the model's own, bit by bit."""
    probabilities = model.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(scored.probabilities, probabilities)
    np.testing.assert_array_equal(scored.predictions, model.predict(X))


# Scores.


@pytest.mark.parametrize("has_schema", [True, False])
@pytest.mark.parametrize("of", [arrow, texts])
def test_scores_are_those_of_the_model(X, has_schema, of):
    model = fitted(X, has_schema=has_schema)
    X.loc[::7, "income"] = np.nan
    scored = scorer_of(model).score(chunk_of(of(X)))
    check_as_in_python(scored, model, X)
    assert scored.bad == []
    assert scored.chunk.n_rows == N_ROWS
    assert scored.logits is None


def numbers(rng, n_rows=N_ROWS):
    """Return a table of nothing but numbers, and a model of it that is ours."""
    X = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=["a", "b", "c"])
    model = make_pipeline(StandardScaler(), network()).fit(X, X["a"] > 0)
    return X, model


@pytest.mark.parametrize("slice_rows", [7, 50, N_ROWS, 1000])
@pytest.mark.parametrize("make", [numbers, lambda rng: (X := people(rng), fitted(X))])
def test_slices_change_nothing(rng, monkeypatch, slice_rows, make):
    X, model = make(rng)
    monkeypatch.setattr(row_scorer, "SLICE_ROWS", slice_rows)
    scored = scorer_of(model, with_logits=True).score(chunk_of(arrow(X)))
    check_as_in_python(scored, model, X)
    np.testing.assert_array_equal(scored.logits, model.decision_function(X))
    assert scored.chunk.n_rows == len(scored.logits) == N_ROWS
    assert scored.counts[X.columns[0]].n == N_ROWS


def test_wide_tables_have_shorter_slices(rng, monkeypatch):
    X, model = numbers(rng)
    monkeypatch.setattr(row_scorer, "SLICE_CELLS", 3 * 50)
    seen = []
    predict = model.decision_function
    model.decision_function = lambda X: seen.append(len(X)) or predict(X)
    scorer_of(model).score(chunk_of(arrow(X)))
    assert seen == [50, 50, 20]


def test_numbers_reach_the_model_in_one_block_without_a_copy(rng):
    X, model = numbers(rng)
    scorer = scorer_of(model)
    seen = []
    predict = model.decision_function
    model.decision_function = lambda X: seen.append(X) or predict(X)
    scorer.score(chunk_of(arrow(X)))
    memory = scorer.blocks.memory
    assert all(np.shares_memory(seen[0][name].to_numpy(), memory) for name in X)


def test_scores_outlive_the_next_chunk(rng):
    X, _ = numbers(rng)
    # Its probabilities are the very cells that it is given.
    model = LogisticRegression().fit(X[["a", "b"]], X["a"] > 0)
    model.predict_proba = lambda X: X.to_numpy(copy=False)
    model.predict = lambda X: X["a"].to_numpy(copy=False)
    scorer = scorer_of(model)
    scorer.predictor._is_probable = False
    scored = scorer.score(chunk_of(arrow(X)))
    scorer.score(chunk_of(arrow(X * 0)))
    np.testing.assert_array_equal(scored.probabilities, X["b"])
    np.testing.assert_array_equal(scored.predictions, X["a"])


def test_no_rows_give_no_scores(X, model):
    scored = scorer_of(model, with_logits=True).score(chunk_of(arrow(X[:0])))
    assert len(scored.probabilities) == len(scored.predictions) == 0
    assert len(scored.logits) == 0
    assert scored.counts["age"].n == 0


def test_models_of_arrays_are_given_arrays(rng):
    X, _ = numbers(rng)
    seen = []
    model = make_pipeline(
        FunctionTransformer(lambda X: seen.append(X) or X), StandardScaler(), network()
    ).fit(X.to_numpy(), X["a"] > 0)
    expected = expected_columns(model)
    assert (expected.is_positional, expected.columns.names) == (
        True,
        ("x0", "x1", "x2"),
    )
    for new in (X, X.astype({"b": np.float32}), X.round()):
        table = arrow(new).rename_columns(["x0", "x1", "x2"])
        scored = RowScorer(model, expected).score(chunk_of(table))
        check_as_in_python(scored, model, new.to_numpy())
    assert all(type(x) is np.ndarray and x.dtype == np.float64 for x in seen)


def test_models_of_arrays_may_take_texts(rng):
    X = people(rng)[["city", "age"]]
    model = make_pipeline(
        make_column_transformer((ONE_HOT, [0]), (StandardScaler(), [1])), network()
    ).fit(X.to_numpy(), X["age"] > 50)
    table = arrow(X).rename_columns(["x0", "x1"])
    scored = RowScorer(model, expected_columns(model)).score(chunk_of(table))
    check_as_in_python(scored, model, X.to_numpy())


def test_dropped_columns_need_not_be_there(X):
    steps = make_column_transformer((StandardScaler(), ["age"]))
    model = make_pipeline(steps, network()).fit(X, X["age"] > 50)
    scorer = scorer_of(model)
    assert scorer.names() == ("age",)
    check_as_in_python(scorer.score(chunk_of(arrow(X[["age"]]))), model, X)


def test_scorers_can_be_pickled_and_shared_by_threads(X, model, monkeypatch):
    monkeypatch.setattr(row_scorer, "SLICE_ROWS", 40)
    scorer = pickle.loads(pickle.dumps(scorer_of(model)))
    X.loc[5, "age"] = np.nan
    chunks = [chunk_of(arrow(X.sample(frac=1, random_state=i))) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(scorer.score, chunks))
    for chunk, scored in zip(chunks, together, strict=True):
        alone = scorer_of(model).score(chunk)
        np.testing.assert_array_equal(scored.probabilities, alone.probabilities)
        assert scored.bad == alone.bad
        assert scored.counts == alone.counts


def test_pickles_leave_the_memory_out(rng):
    X, model = numbers(rng, n_rows=5000)
    scorer = scorer_of(model)
    before = len(pickle.dumps(scorer))
    scorer.score(chunk_of(arrow(X)))
    assert len(pickle.dumps(scorer)) == before


# Which columns a CSV file may be read as numbers at once.


def test_types_are_those_of_columns_of_numbers(X):
    X["large"] = np.uint64(2**63)
    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["age", "pets", "large"]),
            (ONE_HOT, ["city"]),
            ("passthrough", ["member"]),
        ),
        network(),
    ).fit(X, X["age"] > 50)
    assert scorer_of(model).types == dict.fromkeys(
        ["age", "pets", "large", "member"], pa.float64()
    )
    model._manifest = {"schema": schema(X).to_dict()}
    assert scorer_of(model).types == {"age": pa.float64(), "pets": pa.int64()}


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [-1.0, 2.0], ["b", "a"]])
def test_label_type_is_that_of_the_classes(rng, labels):
    X, _ = numbers(rng)
    y = np.asarray(labels)[(X["a"] > 0).to_numpy().astype(int)]
    model = make_pipeline(StandardScaler(), network()).fit(X, y)
    scorer = scorer_of(model)
    scored = scorer.score(chunk_of(arrow(X)))
    assert pa.array(scored.predictions).type == scorer.label_type
    assert scored.predictions.tolist() == model.predict(X).tolist()


# Bad rows.

GOOD = {
    "age": "50",
    "income": "30000",
    "pets": "2",
    "city": "Oslo",
    "member": "True",
    "day": "2020-01-03",
}
RANGE = "numbers between -3.4e+38 and 3.4e+38"
BAD_CELLS = [
    ("age", "abc", "cast", "numbers, got 'abc'"),
    ("age", "0x10", "cast", "numbers, got '0x10'"),
    ("age", "inf", "non-finite", f"{RANGE}, got inf"),
    ("age", "-1e999", "non-finite", f"{RANGE}, got -inf"),
    ("age", "1e39", "non-finite", f"{RANGE}, got 1e+39"),
    ("age", None, "missing", "a number in every row, got none"),
    ("age", " NA", "missing", "a number in every row, got none"),
    ("pets", "two", "cast", "numbers, got 'two'"),
    ("pets", "nat", "cast", "numbers, got 'nat'"),
    ("income", "a lot", "cast", "numbers, got 'a lot'"),
    ("member", "maybe", "cast", "truth values, got 'maybe'"),
    ("member", "2", "cast", "truth values, got '2'"),
    ("member", "inf", "cast", "truth values, got 'inf'"),
    ("member", None, "missing", "a number in every row, got none"),
    ("day", "soon", "cast", "dates written year-month-day, got 'soon'"),
    ("day", "2020-02-30", "cast", "dates written year-month-day, got '2020-02-30'"),
]


@pytest.mark.parametrize(("column", "cell", "kind", "words"), BAD_CELLS)
def test_a_bad_cell_takes_its_row_out(model, column, cell, kind, words):
    good = pa.Table.from_pylist([GOOD] * 3)
    rows = pa.Table.from_pylist([GOOD, GOOD | {column: cell}, GOOD])
    scored = scorer_of(model).score(chunk_of(rows, first_row=40))
    message = f"column {column!r} must hold {words}"
    assert scored.bad == [BadRow(41, kind, message, column)]
    assert scored.chunk.all_rows.tolist() == [40, 42]
    assert scored.counts["age"].n == 2
    whole = scorer_of(model).score(chunk_of(good))
    np.testing.assert_array_equal(scored.probabilities, whole.probabilities[:2])


def test_all_bad_rows_are_found_at_once(model, monkeypatch):
    monkeypatch.setattr(row_scorer, "SLICE_ROWS", 10)
    rows = [row for name, cell, *_ in BAD_CELLS for row in (GOOD, GOOD | {name: cell})]
    scored = scorer_of(model).score(chunk_of(pa.Table.from_pylist(rows)))
    assert [bad.row for bad in scored.bad] == list(range(1, len(rows), 2))
    assert [bad.kind for bad in scored.bad] == [kind for _, _, kind, _ in BAD_CELLS]
    assert scored.chunk.all_rows.tolist() == list(range(0, len(rows), 2))
    assert scored.chunk.columns["age"].to_pylist() == ["50"] * len(BAD_CELLS)


def test_the_first_column_of_a_row_counts(model):
    rows = [GOOD | {"day": "soon", "pets": "two"}, GOOD | {"day": "soon", "age": "inf"}]
    scored = scorer_of(model).score(chunk_of(pa.Table.from_pylist(rows)))
    assert [(bad.column, bad.kind) for bad in scored.bad] == [
        ("pets", "cast"),
        ("age", "non-finite"),
    ]
    assert len(scored.probabilities) == 0


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39, -1e300])
def test_numbers_by_type_may_be_beyond_the_range_as_well(rng, value):
    X, model = numbers(rng)
    X.loc[3, "b"] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored = scorer_of(model).score(chunk_of(arrow(X)))
    (bad,) = scored.bad
    assert bad == BadRow(
        3, "non-finite", f"column 'b' must hold {RANGE}, got {value!r}", "b"
    )
    check_as_in_python(scored, model, X.drop(index=3))


def test_large_numbers_within_the_range_are_scored(rng):
    X, model = numbers(rng)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X["a"] > 0)
    X.loc[3] = 3e38
    scored = scorer_of(model).score(chunk_of(arrow(X)))
    check_as_in_python(scored, model, X)


def test_columns_that_cannot_be_what_the_model_needs_are_refused_whole(X, model):
    chunk = chunk_of(arrow(X.assign(age=[[1.0]] * N_ROWS)))
    with pytest.raises(
        TableError, match="'age' of new must hold numbers, got cells of"
    ):
        scorer_of(model).score(chunk)
    chunk = chunk_of(arrow(X.assign(day=1.0)))
    with pytest.raises(TableError, match=r"'day' of new must hold dates .* got 1"):
        scorer_of(model).score(chunk)


def test_dates_by_a_step_of_ours_are_read_as_it_reads_them(rng):
    X = people(rng)[["day", "age"]]
    X["day"] = X["day"].dt.strftime("%d/%m/%Y").where(X.index > 0, "31/01/2020")
    X["span"] = "1 days 02:00:00"
    steps = make_column_transformer(
        (TimesAsNumbers(), ["day", "span"]), (StandardScaler(), ["age"])
    )
    clf = RandomForestClassifier(5, random_state=0)
    model = make_pipeline(steps, clf).fit(X, X["age"] > 50)
    row = {"day": "03/01/2020", "age": "50", "span": "02:00"}
    rows = [
        row,
        row | {"day": "2020-01-03"},
        row | {"day": "01/13/2020"},
        row | {"span": "long"},
    ]
    for has_schema in (False, True):
        if has_schema:
            model._manifest = {"schema": schema(X).to_dict()}
        scored = scorer_of(model).score(chunk_of(pa.Table.from_pylist(rows)))
        wanted = "dates written day-month-year, got '01/13/2020'"
        assert scored.bad == [
            BadRow(2, "cast", f"column 'day' must hold {wanted}", "day"),
            BadRow(3, "cast", "column 'span' must hold durations, got 'long'", "span"),
        ]
        assert scored.probabilities[0] == scored.probabilities[1]


# Categories never seen.


@pytest.mark.parametrize("has_schema", [True, False])
def test_unseen_categories_fail_if_they_are_to(X, has_schema):
    model = fitted(X, has_schema=has_schema)
    rows = pa.Table.from_pylist([GOOD, GOOD | {"city": "Paris"}, GOOD])
    for unseen in ("warn", "ignore"):
        scored = scorer_of(model, unseen=unseen).score(chunk_of(rows))
        assert (scored.bad, scored.counts["city"].n_unseen) == ([], 1)
    scored = scorer_of(model, unseen="fail").score(chunk_of(rows))
    message = "column 'city' must hold a category of training, got 'Paris'"
    assert scored.bad == [BadRow(1, "unseen", message, "city")]
    assert (scored.counts["city"].n_unseen, scored.counts["city"].n) == (0, 2)


# What the model refuses.


def asked(model):
    """Return how many rows a model is asked for at a time."""
    calls = []
    predict = model.predict_proba
    model.predict_proba = lambda X: calls.append(len(X)) or predict(X)
    return calls


def test_gaps_are_asked_for_column_by_column(rng):
    X = people(rng)[["age", "income", "pets"]]
    steps = make_column_transformer(
        (StandardScaler(), ["age", "pets"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["income"]),
    )
    model = make_pipeline(steps, LogisticRegression()).fit(X, X["age"] > 50)
    X.loc[4, ["age", "income"]] = np.nan
    X.loc[5, "income"] = np.nan
    X.loc[6, ["pets", "income", "age"]] = np.nan
    X.loc[40:, "pets"] = np.nan
    calls = asked(model)
    scored = scorer_of(model).score(chunk_of(arrow(X)))
    assert [(bad.row, bad.kind, bad.column) for bad in scored.bad[:3]] == [
        (4, "missing", "age"),
        (6, "missing", "age"),
        (40, "missing", "pets"),
    ]
    assert scored.chunk.n_rows == 38
    assert calls[0] == N_ROWS
    assert len(calls) < 12  # for each column with gaps, and for the rest


@pytest.mark.parametrize("n_unseen", [2, N_ROWS])
def test_categories_that_a_model_refuses_are_asked_for_by_column(X, n_unseen):
    steps = make_column_transformer(
        (SimpleImputer(), ["age"]), (OneHotEncoder(), ["city", "pets"])
    )
    model = make_pipeline(steps, LogisticRegression(max_iter=1000))
    model.fit(X, X["age"] > 50)
    rows = np.arange(N_ROWS)[-n_unseen:]
    X.loc[rows, "city"] = "Tokyo"
    X.loc[rows[0], "pets"] = 7
    calls = asked(model)
    scored = scorer_of(model).score(chunk_of(arrow(X)))
    assert [bad.row for bad in scored.bad] == rows.tolist()
    assert {bad.kind for bad in scored.bad} == {"unseen"}
    assert [bad.message for bad in scored.bad[:2]] == [
        "column 'pets' must hold a category of training, got 7",
        "column 'city' must hold a category of training, got 'Tokyo'",
    ]
    assert len(calls) < 12
    if n_unseen < N_ROWS:
        check_as_in_python(scored, model, X.drop(index=rows))


def test_rows_that_a_model_refuses_are_found_by_halving(rng):
    X, _ = numbers(rng)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X["a"] > 0)
    X.loc[[3, 77], "b"] = [9.0, 10.0]
    predict = model.predict_proba

    def fussy(X):
        if (X["b"] > 8).any():
            msg = f"no b of {X['b'].max()}, please.\n"
            raise ValueError(msg)
        return predict(X)

    model.predict_proba = fussy
    scored = scorer_of(model).score(chunk_of(arrow(X)))
    words = "the row must fit the model, got: no b of"
    assert scored.bad == [
        BadRow(3, "refused", f"{words} 9.0, please"),
        BadRow(77, "refused", f"{words} 10.0, please"),
    ]
    model.predict_proba = predict
    check_as_in_python(scored, model, X.drop(index=[3, 77]))


def test_rows_that_are_refused_together_alone_are_an_error(rng):
    X, _ = numbers(rng)

    def few(X):
        if len(X) > 3:
            msg = "too many rows."
            raise ValueError(msg)
        return predict(X)

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X["a"] > 0)
    predict, model.predict_proba = model.predict_proba, few
    match = "new must fit the model, which refuses rows together .*: too many rows"
    with pytest.raises(TableError, match=match):
        scorer_of(model).score(chunk_of(arrow(X)))


def test_scores_that_are_no_numbers_are_bad(rng):
    X, _ = numbers(rng)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X["a"] > 0)
    predict = model.predict_proba
    model.predict_proba = lambda X: np.where(X[["a"]] > 1, np.nan, predict(X))
    scored = scorer_of(model, with_logits=True).score(chunk_of(arrow(X)))
    rows = np.flatnonzero(X["a"] > 1).tolist()
    message = "the model must give a finite probability, got nan"
    assert scored.bad == [BadRow(row, "non-finite", message) for row in rows]
    n_good = N_ROWS - len(rows)
    assert scored.chunk.n_rows == len(scored.logits) == scored.counts["a"].n == n_good
    assert len(scored.predictions) == n_good


# Types.


def test_strict_types_take_no_words_for_numbers(model):
    rows = pa.Table.from_pylist([GOOD, GOOD | {"pets": "True"}, GOOD | {"age": "abc"}])
    assert [b.row for b in scorer_of(model).score(chunk_of(rows)).bad] == [2]
    strict = scorer_of(model, types="strict")
    assert strict.score(chunk_of(rows)).bad == [
        BadRow(1, "cast", "column 'pets' must hold numbers, got 'True'", "pets"),
        BadRow(2, "cast", "column 'age' must hold numbers, got 'abc'", "age"),
    ]


# What is said of a row, whatever the others.

STRANGE = st.sampled_from(
    ["abc", "inf", "1e39", "nan", "NA", "", "nat", "true", "2", "1.5", "Paris", " 1 ",
     "2020-01-01", "2020-01-01 12:00Z", "2020-02-30", "1600-01-01", "9007199254740993",
     "2020-01-01T00:00:00.123456789", "-0", "18446744073709551615", "a"]
)  # fmt: skip


def check_rows_alone(drawn, strange, has_schema, unseen, looks=False):
    """Compare what is said of rows together with what is said of each alone."""
    X, model, y = drawn
    if looks:
        model = make_pipeline(LOOK, LogisticRegression())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # From the fit of absurd tables.
        try:
            model.fit(X, y)
        except (TypeError, ValueError):
            return
        if has_schema:
            model._manifest = {"schema": schema(X).to_dict()}
        cells = {name: texts(X).column(name).to_pylist() for name in X}
        for row, column, cell in strange:
            cells[X.columns[column % X.shape[1]]][row] = cell or None
        columns = {
            name: pa.array(column, pa.string()) for name, column in cells.items()
        }
        chunk = chunk_of(pa.table(columns))
        expected = expected_columns(model)
        names = expected.columns.of_kind("file")
        as_file = {name: FileColumn("text", has_gaps=True) for name in names}
        scorer = RowScorer(
            model, Expected(expected.columns, as_file=as_file), unseen=unseen
        )
        scored = scorer.score(chunk)
        # The others are like these, and scikit-learn is slow for single rows.
        chosen = sorted({0, 1, 2, *(row for row, *_ in strange)})
        alone = [scorer.score(chunk.taken(slice(i, i + 1))) for i in chosen]
    bad = [bad for bad in scored.bad if bad.row in chosen]
    assert bad == [bad for one in alone for bad in one.bad]
    together = dict(zip(scored.chunk.all_rows, scored.probabilities, strict=True))
    np.testing.assert_allclose(
        [together[row] for row in chosen if row in together],
        np.concatenate([one.probabilities for one in alone]),
        rtol=0,
        atol=1e-12,  # scikit-learn's own products differ by the number of rows
    )


WHOLE = [1, 2, 9007199254740993, -9007199254740993, 2**62 + 1]
CELLS = [
    "7",
    "9007199254740993",
    "-9007199254740993",
    "1e17",
    "1.5",
    None,
    "3.0",
    " 4",
    str(2**62 + 1),
    str(2**63 - 1),
    str(2**63),
    "-0",
    "NA",
    "+12",
]


@pytest.mark.parametrize("dtype", ["int64", "Int64", "object", "int8"])
@pytest.mark.parametrize("typed", [False, True])
def test_whole_numbers_keep_their_digits_beside_others(dtype, typed):
    cells = WHOLE if dtype != "int8" else [1, 2, 3, 4, 5]
    X = pd.DataFrame({"c": pd.Series(cells * 6, dtype=dtype)})
    model = make_pipeline(LOOK, LogisticRegression()).fit(X, X.index % 5 < 2)
    model._manifest = {"schema": schema(X).to_dict()}
    new = pa.array([*WHOLE, None, 2**53]) if typed else pa.array(CELLS)
    chunk = chunk_of(pa.table({"c": new}))
    scorer = scorer_of(model)
    together = scorer.score(chunk)
    alone = [scorer.score(chunk.taken(slice(i, i + 1))) for i in range(len(new))]
    expected = np.concatenate([one.probabilities for one in alone])
    np.testing.assert_allclose(together.probabilities, expected, rtol=0, atol=1e-12)
    assert together.counts["c"].n_missing == sum(a.counts["c"].n_missing for a in alone)
    np.testing.assert_allclose(
        together.counts["c"].mean,
        merged_counts(one.counts for one in alone)["c"].mean,
    )


given_rows = given(
    drawn=models(),
    strange=st.lists(
        st.tuples(st.integers(0, 23), st.integers(0, 3), STRANGE), max_size=8
    ),
    has_schema=st.booleans(),
    unseen=st.sampled_from(["warn", "fail"]),
)


@given_rows
@settings(max_examples=10, **options)
def test_rows_are_scored_alone(drawn, strange, has_schema, unseen):
    check_rows_alone(drawn, strange, has_schema, unseen)


@given_rows
@settings(max_examples=10, **options)
def test_rows_are_looked_at_alone(drawn, strange, has_schema, unseen):
    check_rows_alone(drawn, strange, has_schema, unseen, looks=True)


@pytest.mark.slow
@given_rows
@settings(max_examples=400, **options)
def test_many_rows_are_scored_alone(drawn, strange, has_schema, unseen):
    check_rows_alone(drawn, strange, has_schema, unseen)
    check_rows_alone(drawn, strange, has_schema, unseen, looks=True)


# What cannot be.


@pytest.mark.parametrize(
    ("chosen", "match"),
    [
        ({"unseen": "no"}, "unseen must be one of warn, ignore, fail, got 'no'."),
        ({"types": "no"}, "types must be one of coerce, strict, got 'no'."),
        ({"threshold": 2}, "threshold must be a number from 0 to 1, got 2."),
    ],
)
def test_options_that_there_are_not(model, chosen, match):
    with pytest.raises(ValueError, match=match):
        scorer_of(model, **chosen)


def test_columns_of_which_nothing_is_known_must_be_told_of(X):
    step = FunctionTransformer(lambda X: X[["age"]])
    model = make_pipeline(step, LogisticRegression()).fit(X[["age"]], X["age"] > 50)
    with pytest.raises(ValueError, match=r"expected must say .* nothing of 'age'"):
        RowScorer(model, expected_columns(model))
