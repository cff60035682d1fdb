"""Jobs that end before they are done, and those that come after them."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scored_tables import digest, people, scored
from torch_binary_classifier import OutputError, TableError, load, score_table
from torch_binary_classifier.jobs.place import OutputPlace

NAMES = ["scored.csv", "scored.parquet", "scored"]
PARTS = {"part_bytes": 4_000, "n_threads": 2}


class Killed(BaseException):
    """What a kill would do, from within."""


def end_after(n_parts):
    """Return a report that ends a job when some parts are done."""
    seen = []

    def report(n_rows, _fraction):
        seen.append(n_rows)
        if len(seen) == n_parts:
            raise Killed

    return report


def begin(model, data, out, **options):
    """Let a job end in the middle."""
    with pytest.raises(Killed):
        score_table(model, data, out, report=end_after(3), **PARTS | options)
    assert not out.exists()


@pytest.mark.parametrize("name", NAMES)
def test_ended_job_is_continued_to_the_same_bytes(model, data, tmp_path, name):
    whole, out = tmp_path / "a" / name, tmp_path / "b" / name
    whole.parent.mkdir()
    out.parent.mkdir()
    score_table(model, data, whole, **PARTS)
    begin(model, data, out)
    done = list((OutputPlace(out).work / "records").iterdir())
    summary = score_table(model, data, out, **PARTS)
    assert 3 <= summary.n_kept_parts <= len(done) + 1
    assert digest(out) == digest(whole)
    again = score_table(model, data, out, **PARTS)
    assert again.was_finished
    assert again.n_rows == 1_000
    assert digest(out) == digest(whole)


def test_parts_that_were_damaged_are_scored_anew(model, data, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "scored"
    score_table(model, data, whole, **PARTS)
    begin(model, data, out)
    part = OutputPlace(out).part(1)
    part.write_bytes(part.read_bytes()[:-1])
    OutputPlace(out).part_record(2).write_text("{")
    score_table(model, data, out, **PARTS)
    for path in whole.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_what_a_kill_left_beside_the_output_is_removed(model, data, tmp_path):
    out = tmp_path / "scored.csv"
    begin(model, data, out)
    success = OutputPlace(out).success.name
    left = [
        tmp_path / f".{name}.{'0' * 16}.tmp" for name in (out.name, success, "other")
    ]
    for path in left:
        path.touch()
    score_table(model, data, out, **PARTS)
    assert [path.exists() for path in left] == [False, False, True]


@pytest.mark.parametrize("read", ["read_bytes", "open"])
def test_part_that_cannot_be_read_is_told_so(model, data, tmp_path, monkeypatch, read):
    out = tmp_path / "scored"
    begin(model, data, out)
    record = OutputPlace(out).part_record(1)
    unreadable = record if read == "read_bytes" else OutputPlace(out).part(1)
    found = getattr(Path, read)

    def fail(path, *given, **named):
        if path == unreadable:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return found(path, *given, **named)

    monkeypatch.setattr(Path, read, fail)
    with pytest.raises(OutputError, match=r"must be readable, got Input/output error"):
        score_table(model, data, out, **PARTS)


@pytest.mark.parametrize("is_finished", [False, True])
def test_other_job_at_the_same_place_is_refused(model, data, tmp_path, is_finished):
    out = tmp_path / "scored"
    if is_finished:
        score_table(model, data, out, **PARTS)
    else:
        begin(model, data, out)

    def refused(match, model=model, data=data, **options):
        with pytest.raises(OutputError, match=match):
            score_table(model, data, out, **PARTS | options)

    refused("logit True instead of False", logit=True)
    refused("threshold 0.25 instead of None", threshold=0.25)
    refused("part_bytes 3000 instead of 4000", part_bytes=3_000)
    other = load_other(model)
    refused("got another model", model=other)
    stamp = data.stat()
    os.utime(data, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    refused(f"modified of {data}")
    os.utime(data, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    summary = score_table(model, data, out, **PARTS)
    assert summary.was_finished == is_finished
    other_options = PARTS | {"logit": True, "restart": True}
    score_table(model, data, out, **other_options)
    assert "logit" in scored(out)


def load_other(model):
    """Return a model that differs in one weight."""
    from copy import deepcopy

    other = deepcopy(model)
    other[-1].intercepts_[-1][0] += 1e-6
    return other


def test_changed_bytes_of_the_same_time_and_size_are_found(model, data, tmp_path):
    if data.suffix != ".csv":
        pytest.skip("its pages are not read for that")
    out = tmp_path / "scored"
    begin(model, data, out)
    stamp = data.stat()
    content = data.read_bytes()
    place = content.index(b"\n") + 5
    data.write_bytes(content[:place] + b"9" + content[place + 1 :])
    os.utime(data, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(OutputError, match="must be as it was when it was scored"):
        score_table(model, data, out, **PARTS)


@pytest.mark.parametrize("name", NAMES)
def test_output_that_was_changed_is_found(model, data, tmp_path, name):
    out = tmp_path / name
    score_table(model, data, out)
    file = out if out.is_file() else out / "part-00000.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(OutputError, match=r"must be as it was written.*restart"):
        score_table(model, data, out)
    score_table(model, data, out, restart=True)
    assert len(scored(out)) == 1_000


def test_ended_restart_leaves_the_former_output(model, data, tmp_path):
    out = tmp_path / "scored.parquet"
    score_table(model, data, out, **PARTS)
    before = out.read_bytes()
    with pytest.raises(Killed):
        score_table(
            model, data, out, logit=True, restart=True, report=end_after(2), **PARTS
        )
    assert out.read_bytes() == before
    score_table(model, data, out, logit=True, **PARTS)  # goes on
    assert "logit" in scored(out)


def test_second_run_is_refused_until_the_first_is_killed(model, data, tmp_path):
    out = tmp_path / "scored"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from torch_binary_classifier.jobs.place import OutputPlace, locked\n"
        "with locked(OutputPlace(Path(sys.argv[1]))):\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"locked\n"
        with pytest.raises(OutputError, match="must be written by one run at a time"):
            score_table(model, data, out)
        first.kill()
    score_table(model, data, out)
    assert not out.with_name("scored.lock").exists()


class TestRejects:
    @pytest.fixture
    def bad(self, tmp_path):
        frame = people(1_000, seed=2).astype({"age": object})
        frame.loc[[17, 500, 990], "age"] = ["young", "old", "inf"]
        path = tmp_path / "bad.csv"
        frame.to_csv(path, index=False)
        return path

    def test_none_is_allowed_by_default(self, model, bad, tmp_path):
        out = tmp_path / "scored"
        message = r"column 'age' must hold numbers, got 'young' in row 17 .*line 19"
        with pytest.raises(TableError, match=message):
            score_table(model, bad, out)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("limit", [3, "0.3%", "100%"])
    def test_those_that_are_allowed_are_put_aside(
        self, model, bad, tmp_path, name, limit
    ):
        out = tmp_path / name
        summary = score_table(model, bad, out, max_bad_records=limit, **PARTS)
        assert (summary.n_rows, summary.n_scored, summary.n_rejected) == (1_000, 997, 3)
        assert summary.rejected == {"cast": 2, "non-finite": 1}
        path = OutputPlace(out).rejects
        rejects = [json.loads(line) for line in path.read_text().splitlines()]
        assert [one["row"] for one in rejects] == [17, 500, 990]
        assert [one["line"] for one in rejects] == [19, 502, 992]
        first = rejects[0]
        content = bad.read_bytes()
        assert content[first["byte_offset"] :].startswith(first["raw"].encode())
        assert (first["file"], first["column"], first["kind"]) == (
            str(bad),
            "age",
            "cast",
        )
        assert set(scored(out)._row) == set(range(1_000)) - {17, 500, 990}

    @pytest.mark.parametrize("limit", [2, "0.2%", "0%"])
    @pytest.mark.parametrize("parts", [PARTS, {}])
    def test_one_more_than_allowed_fails(self, model, bad, tmp_path, limit, parts):
        out = tmp_path / "scored"
        with pytest.raises(TableError, match=f"At most {limit} records may be bad"):
            score_table(model, bad, out, max_bad_records=limit, **parts)
        assert not out.exists()
        # What was done is kept for one who allows more.
        summary = score_table(model, bad, out, max_bad_records=3, **parts)
        assert summary.n_rejected == 3
        assert bool(summary.n_kept_parts) == bool(parts or limit == "0.2%")


def test_drift_may_fail_the_job(model, tmp_path):
    path = tmp_path / "rows.csv"
    people(200).assign(pulse=lambda t: (t.pulse - 92) / 15).to_csv(path, index=False)
    out = tmp_path / "scored"
    with pytest.raises(TableError, match="must be like those of training, got"):
        score_table(model, path, out, fail_on_drift=True)
    assert not out.exists()
    summary = score_table(model, path, out)
    assert summary.drift
    told = json.loads((out / "_SUCCESS.json").read_text())["drift"]
    assert [one["column"] for one in told] == [f.column for f in summary.drift]


class Watch(threading.Thread):
    """A reader that looks at an output again and again, and at all it finds there."""

    def __init__(self, out, whole):
        super().__init__()
        self.out, self.whole = out, read(whole)
        self.lock = threading.Lock()
        self.ended = False
        self.n_looks, self.n_whole, self.partial = 0, 0, []

    def run(self):
        while not self.ended:
            with self.lock:
                found = read(self.out) if self.out.exists() else None
            self.n_looks += 1
            self.n_whole += found == self.whole
            if found not in (None, self.whole):
                self.partial.append(found)
            time.sleep(0.005)

    def remove(self):
        """Remove the output, so that the next run begins anew."""
        with self.lock:
            if self.out.is_dir():
                shutil.rmtree(self.out)
            else:
                self.out.unlink(missing_ok=True)
            OutputPlace(self.out).success.unlink(missing_ok=True)


def read(out):
    """Return digests of all that a reader of an output sees."""
    files = sorted(out.iterdir()) if out.is_dir() else [out]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"),
    [("csv", "scored"), ("parquet", "scored.parquet"), ("csv", "scored.csv")],
)
def test_million_rows_through_fifty_kills(trained, tmp_path, kind, name):
    """Output as of a run without kills, and nobody sees a part of it before."""
    n_rows = 1_000_000
    frame = people(n_rows, seed=3)
    data = tmp_path / f"people.{kind}"
    if kind == "csv":
        frame.to_csv(data, index=False)
    else:
        frame.to_parquet(data, index=False, row_group_size=20_000)
    whole, out = tmp_path / "a" / name, tmp_path / "b" / name
    whole.parent.mkdir()
    out.parent.mkdir()
    options = {"keep": ["id"], "part_bytes": 1 << 20, "n_threads": 2}
    start = time.monotonic()
    score_table(load(trained), data, whole, **options)
    seconds = time.monotonic() - start
    rng = np.random.default_rng(0)
    command = [sys.executable, "-c", KILLED_RUN, str(trained), str(data), str(out)]
    watch = Watch(out, whole)
    watch.start()
    n_kills = n_ended = 0
    try:
        while n_kills < 50 or n_ended < 3:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as run:
                assert run.stdout.readline() == b"begins\n", run.stderr.read().decode()
                try:
                    run.wait(rng.uniform(0, 0.7 * seconds))
                except subprocess.TimeoutExpired:
                    run.kill()
                    n_kills += 1
                    continue
                assert run.returncode == 0, run.stderr.read().decode()
            n_ended += 1
            assert read(out) == watch.whole
            assert not OutputPlace(out).work.exists()
            watch.remove()
    finally:
        watch.ended = True
        watch.join()
    assert watch.partial == []
    assert watch.n_looks > 1_000
    assert watch.n_whole > 0
    score_table(load(trained), data, out, **options)
    assert digest(out) == digest(whole)
    found = scored(out)
    assert found._row.tolist() == list(range(n_rows))
    assert found.id.tolist() == frame.id.tolist()


KILLED_RUN = """
import sys
from torch_binary_classifier import load, score_table
model = load(sys.argv[1])
print("begins", flush=True)
options = {"keep": ["id"], "part_bytes": 1 << 20, "n_threads": 2}
score_table(model, sys.argv[2], sys.argv[3], **options)
"""


def test_model_that_refuses_every_row_is_not_asked_of_each(tmp_path):
    asked = []

    class Refusing(LogisticRegression):
        def predict_proba(self, X):
            asked.append(len(X))
            msg = "it rains"
            raise ValueError(msg)

    rng = np.random.default_rng(0)
    X = people(5_000)[["age", "pulse"]]
    model = Refusing().fit(X, rng.random(5_000) < 0.5)
    X.to_csv(tmp_path / "rows.csv", index=False)
    message = r"must fit the model, got: it rains in row 0 .*line 2.*got 1 or more"
    with pytest.raises(TableError, match=message):
        score_table(model, tmp_path / "rows.csv", tmp_path / "out")
    assert len(asked) < 20
