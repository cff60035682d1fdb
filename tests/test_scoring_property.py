"""Any table, any encoders: a file scores as the table does in Python."""

import datetime
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from builders import mlp
from row_scoring import score_file
from torch_binary_classifier.tables import parquet_parts

N_ROWS = 24
TOLERANCE = 1e-9

# Cells that are easily taken for others: digits, truth values, dates, gaps.
WORDS = st.sampled_from(
    ["a", "b", "Oslo", "1", "01", "1.0", "2", " x", "True", "true", "false", "0",
     "NA", "nan", "None", "2020-01-01", "1e3", 'say "hi"', "a,b", "é", "-", "+1"]
)  # fmt: skip
CELLS = {
    "whole": st.sampled_from([-1, 0, 1, 2, 3, 10**6, 2**53 - 1]),
    "decimal": st.sampled_from([0.1, 0.5, 1.0, 2.0, -3.25, 1e-7, 1 / 3]),
    "single": st.sampled_from([0.1, 0.5, 1.0, 2.0]).map(np.float32),
    "truth": st.booleans(),
    "text": WORDS,
    "digits": st.sampled_from(["1", "2", "3", "10"]),
    "truth words": st.sampled_from(["True", "False"]),
    "date": st.sampled_from([datetime.date(2020, 1, day) for day in (1, 2, 3)]),
    "moment": st.sampled_from(
        [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01 12:30:00.5")]
    ),
    "code": st.sampled_from(["a", "b", "c"]),
}
TYPED = {"code": "category", "single": np.float32, "moment": "datetime64[us]"}
# Without "single": CSV does not tell that a step has to reckon in single precision.
NUMERIC = ("whole", "decimal", "truth")


@st.composite
def columns(draw):
    """Draw a kind and a column of that kind, perhaps with gaps."""
    kind = draw(st.sampled_from(sorted(CELLS)))
    pool = draw(st.lists(CELLS[kind], min_size=1, max_size=5))
    cells = draw(st.lists(st.sampled_from(pool), min_size=N_ROWS, max_size=N_ROWS))
    if draw(st.booleans()):
        share = draw(st.integers(2, 8))
        cells = [None if i % share == 0 else cell for i, cell in enumerate(cells)]
    if None in cells and kind not in TYPED:
        gap = None if kind in NUMERIC else draw(st.sampled_from([None, np.nan]))
        cells = [gap if cell is None else cell for cell in cells]
        dtype = float if kind in ("whole", "decimal") else object
        return kind, pd.Series(cells, dtype=dtype)
    return kind, pd.Series(cells, dtype=TYPED.get(kind))


@st.composite
def encoders(draw, kinds, has_gaps):
    """Draw steps that turn columns of some kinds into numbers."""
    ignored = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    kept = [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2),
        OrdinalEncoder(encoded_missing_value=-2, **ignored),
        TargetEncoder(cv=2),
    ]
    encoder = draw(st.sampled_from(kept))
    if "moment" in kinds:
        return kept[0]
    if set(kinds) <= set(NUMERIC) and draw(st.booleans()):
        if "truth" in kinds and has_gaps:
            return encoder
        imputer = SimpleImputer(strategy=draw(st.sampled_from(["mean", "constant"])))
        last = draw(st.sampled_from([StandardScaler(), kept[0], kept[2]]))
        return make_pipeline(imputer, last)
    if set(kinds) <= {"text", "digits", "truth words", "code"} and draw(st.booleans()):
        fill = draw(st.sampled_from(["(missing)", "a"]))
        imputers = [
            SimpleImputer(missing_values=gap, strategy="constant", fill_value=fill)
            for gap in (np.nan, None)
        ]
        return make_pipeline(*imputers, encoder)
    if draw(st.integers(0, 3)) == 0:
        return make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    if draw(st.integers(0, 3)) == 0:
        branches = [("one_hot", kept[0]), ("ordinal", kept[2])]
        return FeatureUnion(branches)
    return encoder


@st.composite
def models(draw):
    """Draw a table and a classifier fitted to it."""
    drawn = draw(st.lists(columns(), min_size=1, max_size=4))
    kinds = [kind for kind, _ in drawn]
    X = pd.DataFrame({f"c{i}": column for i, (_, column) in enumerate(drawn)})
    y = np.array([0, 1] * (N_ROWS // 2))
    classifier = LogisticRegression()
    if draw(st.integers(0, 4)) == 0:
        classifier = mlp(
            hidden_layer_sizes=(4,),
            max_iter=2,
            learning_rate="cosine",
            random_state=0,
            unscaled_input="ignore",
        )
    n_first = draw(st.integers(0, len(kinds)))
    blocks = []
    for names in ([*X][:n_first], [*X][n_first:]):
        if names and draw(st.integers(0, 5)):
            of_block = [kinds[[*X].index(name)] for name in names]
            has_gaps = bool(X[names].isna().any(axis=None))
            step = draw(encoders(of_block, has_gaps))
            blocks.append((f"block{len(blocks)}", step, names))
    if not blocks:
        blocks = [("codes", OneHotEncoder(handle_unknown="ignore"), [*X])]
    if len(blocks) == 1 and len(blocks[0][2]) == len(kinds) and draw(st.booleans()):
        first = blocks[0][1]
    else:
        named = {name for _, _, names in blocks for name in names}
        rest = [kind for name, kind in zip(X, kinds, strict=True) if name not in named]
        is_plain = set(rest) <= {"whole", "decimal"} and not X.isna().any(axis=None)
        remainder = "passthrough" if is_plain and draw(st.booleans()) else "drop"
        first = ColumnTransformer(blocks, remainder=remainder, sparse_threshold=0)
    if draw(st.integers(0, 4)) == 0:
        return X, make_pipeline(FunctionTransformer(), first, classifier), y
    return X, make_pipeline(first, classifier), y


def check_files_score_as_the_table(drawn, chunk_size):
    """Score a table in Python and from files; return whether it can be scored."""
    X, model, y = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # From the fit of absurd tables.
        try:
            expected = model.fit(X, y).predict_proba(X)[:, 1]
        except (TypeError, ValueError):
            return False  # scikit-learn does not take the table either.
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(parquet_parts, "CHUNK_CELLS", chunk_size)
        csv, parquet = Path(folder) / "new.csv", Path(folder) / "new.parquet"
        X.to_csv(csv, index=False)
        X.to_parquet(parquet, index=False)
        for path in (csv, parquet):
            scored = score_file(model, path, part_bytes=chunk_size)
            found = scored.frame["probability"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
            assert not scored.bad
            assert not any(column.unseen for column in scored.columns)
    return True


options = {
    "derandomize": True,
    "deadline": None,
    # The others trace every line, which takes ten times as long.
    "phases": [Phase.explicit, Phase.generate, Phase.shrink],
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@given(drawn=models(), chunk_size=st.sampled_from([7, 40, 10**6]))
@settings(max_examples=40, **options)
def test_files_score_as_the_table(drawn, chunk_size):
    check_files_score_as_the_table(drawn, chunk_size)


@pytest.mark.slow
@given(drawn=models(), chunk_size=st.sampled_from([7, 40, 10**6]))
@settings(max_examples=300, **options)
def test_many_files_score_as_the_tables(drawn, chunk_size):
    check_files_score_as_the_table(drawn, chunk_size)
