"""Whole inputs, scored once: values, columns, parts and threads."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from scored_tables import people, scored
from torch_binary_classifier import OutputError, TableError, score_table
from torch_binary_classifier.inference import forward

INPUTS = ["age", "pulse", "city"]


@pytest.mark.parametrize("name", ["scored.csv", "scored.parquet", "scored"])
def test_scores_are_those_of_the_model(model, data, frame, tmp_path, name):
    out = tmp_path / name
    summary = score_table(model, data, out)
    assert (summary.n_rows, summary.n_scored) == (1_000, 1_000)
    assert summary.ignored == ("id",)
    found = scored(out)
    assert list(found) == ["_row", "probability", "prediction"]
    np.testing.assert_array_equal(found._row, np.arange(1_000))
    expected = model.predict_proba(frame[INPUTS])[:, 1]
    np.testing.assert_array_equal(found.probability, expected)
    np.testing.assert_array_equal(found.prediction, model.predict(frame[INPUTS]))


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("part_bytes", [64, 5_000, 1 << 20])
def test_parts_and_threads_change_nothing(
    model, data, frame, tmp_path, part_bytes, n_threads
):
    out = tmp_path / "scored"
    score_table(model, data, out, part_bytes=part_bytes, n_threads=n_threads)
    found = scored(out)
    expected = model.predict_proba(frame[INPUTS])[:, 1]
    np.testing.assert_array_equal(found.probability, expected)
    np.testing.assert_array_equal(found._row, np.arange(1_000))


@pytest.mark.parametrize("name", ["scored.csv", "scored.parquet", "scored"])
def test_number_of_threads_leaves_the_same_bytes(model, data, tmp_path, name):
    def written(n_threads):
        out = tmp_path / str(n_threads) / name
        out.parent.mkdir()
        score_table(model, data, out, part_bytes=2_000, n_threads=n_threads)
        files = [out] if out.is_file() else sorted(out.iterdir())
        return [path.read_bytes() for path in files]

    assert written(1) == written(3)


@pytest.mark.parametrize(("n_threads", "expected"), [(2, set()), (1, {2})])
def test_threads_of_a_job_start_none_of_their_own(
    model, data, tmp_path, monkeypatch, n_threads, expected
):
    """Two threads for each of two parts would be in each other's way."""
    started = []

    class Pool(forward.ThreadPoolExecutor):
        def __init__(self, n_threads):
            started.append(n_threads)
            super().__init__(n_threads)

    monkeypatch.setattr(forward, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(forward, "CHUNK_BYTES", 1)
    monkeypatch.setattr(forward, "TASK_WORK", 1)
    with threadpool_limits(2, user_api="blas"):
        score_table(
            model, data, tmp_path / "out", part_bytes=1 << 14, n_threads=n_threads
        )
    assert len(list((tmp_path / "out").glob("part-*"))) > 1
    assert set(started) == expected


def test_several_files_say_where_a_row_is_of(model, tmp_path):
    frames = [people(n, seed=n) for n in (30, 20)]
    folder = tmp_path / "in"
    (folder / "day=2").mkdir(parents=True)
    frames[0].to_csv(folder / "a.csv", index=False)
    frames[1].to_csv(folder / "day=2" / "b.csv", index=False)
    score_table(model, folder, tmp_path / "out", keep=["id"])
    found = scored(tmp_path / "out")
    assert list(found) == ["id", "_file", "_row", "probability", "prediction"]
    assert found._row.tolist() == [*range(30), *range(20)]
    assert set(found._file[:30]) == {str(folder / "a.csv")}
    assert found.id.tolist() == [*frames[0].id, *frames[1].id]
    both = np.concatenate([model.predict_proba(f[INPUTS])[:, 1] for f in frames])
    np.testing.assert_array_equal(found.probability, both)
    with pytest.raises(TableError, match="must name each file once"):
        score_table(model, [folder, folder / "a.csv"], tmp_path / "twice")


def test_keep_all_threshold_and_logit(model, data, frame, tmp_path):
    out = tmp_path / "scored.parquet"
    score_table(model, data, out, keep="all", threshold=0.3, logit=True)
    found = scored(out)
    added = ["_row", "probability", "logit", "prediction"]
    assert list(found) == [*frame.columns, *added]
    assert found.id.tolist() == frame.id.tolist()
    probabilities = model.predict_proba(frame[INPUTS])
    expected = model.classes_[(probabilities[:, 1] >= 0.3).astype(int)]
    np.testing.assert_array_equal(found.prediction, expected)
    odds = np.log(probabilities[:, 1] / probabilities[:, 0])
    np.testing.assert_allclose(found.logit, odds, rtol=1e-9)


def test_standard_input_is_scored_and_resumed(model, data, tmp_path, monkeypatch):
    if data.suffix != ".csv":
        pytest.skip("is no text")

    class Stdin:
        def __init__(self):
            self.buffer = io.BytesIO(data.read_bytes())

    monkeypatch.setattr("sys.stdin", Stdin())
    out = tmp_path / "scored"
    assert score_table(model, "-", out, part_bytes=5_000).n_rows == 1_000
    monkeypatch.setattr("sys.stdin", Stdin())
    assert score_table(model, "-", out, part_bytes=5_000).was_finished


def test_table_without_rows(model, tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("age,pulse,city\n")
    for name in ("out", "out.csv", "out.parquet"):
        out = tmp_path / name
        assert score_table(model, path, out).n_rows == 0
        assert list(scored(out)) == ["_row", "probability", "prediction"]
        assert len(scored(out)) == 0
        assert score_table(model, path, out).was_finished


def test_model_of_arrays_takes_columns_by_position(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    path = tmp_path / "rows.csv"
    pd.DataFrame(X, columns=["c", "a", "b"]).assign(id=range(50)).to_csv(
        path, index=False
    )
    out = tmp_path / "out.parquet"
    summary = score_table(model, path, out, keep=["id"])
    np.testing.assert_allclose(
        scored(out).probability, model.predict_proba(X)[:, 1], rtol=1e-14
    )
    assert any("in the order of the table" in note for note in summary.notes)
    with pytest.raises(TableError, match=r"must have 3 columns.*got 4"):
        score_table(model, path, tmp_path / "more.parquet")


def test_success_file_tells_what_is_there(model, data, tmp_path):
    out = tmp_path / "scored"
    score_table(model, data, out)
    told = json.loads((out / "_SUCCESS.json").read_text())
    assert (told["rows_in"], told["rows_scored"], told["rows_rejected"]) == (
        1_000,
        1_000,
        0,
    )
    assert told["plan"]["inputs"][0]["path"] == str(data)
    names = {file["name"] for file in told["files"]}
    assert names | {"_SUCCESS.json"} == {path.name for path in out.iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == [data.name, "scored"]
    # Readers of folders leave out what begins with an underscore.
    assert pq.ParquetDataset(out).read().num_rows == 1_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unseen": "no"}, r"unseen must be one of \['fail', 'ignore', 'warn'\]"),
        ({"types": "no"}, "types must be one of"),
        ({"engine": "no"}, "engine must be one of"),
        ({"threshold": 2}, "threshold must be between 0 and 1, got 2"),
        ({"n_threads": 0}, "n_threads must be at least 1, got 0"),
        ({"part_bytes": 0}, "part_bytes must be at least 1, got 0"),
        ({"scheduler": "tcp://x"}, "scheduler must be None unless engine is 'dask'"),
        ({"max_bad_records": "x"}, "max_bad_records must be a whole number from 0 on"),
        ({"max_bad_records": True}, "max_bad_records must be"),
        ({"max_bad_records": "101%"}, "max_bad_records must be"),
        ({"keep": ["id", "id"]}, "keep must be columns of other names"),
        ({"separator": ",,"}, "separator must be one ASCII character"),
    ],
)
def test_bad_parameters_are_refused_before_work(model, data, tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        score_table(model, data, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.parts").exists()


def test_keep_of_an_added_name_is_refused(model, tmp_path, frame):
    path = tmp_path / "rows.csv"
    table = pa.Table.from_pandas(frame.assign(_row=1), preserve_index=False)
    pa_csv.write_csv(table, path)
    with pytest.raises(ValueError, match=r"keep must be .* got '_row'"):
        score_table(model, path, tmp_path / "out", keep="all")


@pytest.mark.parametrize("name", ["out.txt", "out.tsv", "out.csv.gz", "out.arrow"])
def test_other_endings_are_no_folders(model, data, tmp_path, name):
    with pytest.raises(ValueError, match=r"out must end in .csv, .parquet, .pq, or be"):
        score_table(model, data, tmp_path / name)


def test_output_that_is_there_is_not_replaced(model, data, tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("mine")
    with pytest.raises(OutputError, match="must not be there yet, got a file"):
        score_table(model, data, file)
    assert file.read_text() == "mine"
    score_table(model, data, file, restart=True)
    assert len(scored(file)) == 1_000
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(OutputError, match=r"must (be a new|hold nothing but)"):
            score_table(model, data, folder, restart=restart)
    assert (folder / "mine.txt").read_text() == "mine"
    file = tmp_path / "plain"
    file.write_text("mine")
    with pytest.raises(OutputError, match="must be a folder or end in"):
        score_table(model, data, file)


def test_empty_folder_is_taken(model, data, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    score_table(model, data, out)
    assert len(scored(out)) == 1_000
