"""A job whose disk fails, at whatever operation, leaves nothing that is partial."""

import errno
import os

import pytest

from failing_disk import FailingDisk
from scored_tables import digest, people
from torch_binary_classifier import OutputError, score_table
from torch_binary_classifier.cli.main import main

OPERATIONS = (
    "open",
    "fsync",
    "replace",
    "rename",
    "mkdir",
    "unlink",
    "rmdir",
    "scandir",
    "listdir",
)


@pytest.fixture
def data(tmp_path):
    """Return a file of two parts, one of them with bad records."""
    frame = people(200, seed=4).astype({"age": object})
    frame.loc[[3, 5], "age"] = "x"
    path = tmp_path / "in.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("name", ["scored", "scored.csv", "scored.parquet"])
@pytest.mark.parametrize(
    "is_there",
    [
        pytest.param(True, marks=pytest.mark.slow, id="replaced"),
        pytest.param(False, id="new"),
    ],
)
def test_nth_operation_fails(
    model, data, tmp_path, monkeypatch, number, name, is_there
):
    whole, out, former = (tmp_path / folder / name for folder in "abc")
    for path in (whole, out, former):
        path.parent.mkdir()

    def score(path, **options):
        given = {"max_bad_records": "5%", "part_bytes": 5_000, "n_threads": 1}
        score_table(model, data, path, **given | options)

    score(whole)
    score(former, logit=True)
    seen = [content(whole), content(former), None]
    failed, n = [], 0
    while True:
        n += 1
        remove(out)
        if is_there:
            score(out, logit=True)
        disk = FailingDisk(n, number, OPERATIONS)
        with monkeypatch.context() as patch:
            disk.install(patch)
            message = error_of(lambda: score(out, restart=is_there))
        if len(disk.done) < n:
            break
        failed.append(disk.done[n - 1])
        # To tidy up may fail in silence.
        assert message is None or os.strerror(number) in message
        assert message is None or str(tmp_path) in message
        assert content(out) in seen
        score(out, restart=is_there and message is not None)
        assert digest(out) == digest(whole)
    assert message is None
    assert set(failed) >= {"open", "write", "fsync", "replace", "mkdir"}


def error_of(work):
    """Return the message of the error that some work ends with; None if with none."""
    try:
        work()
    except (OutputError, ValueError) as error:
        return str(error)
    return None


def content(out):
    """Return what readers of an output see; None if there is none."""
    if not out.exists():
        return None
    if out.is_file():
        return out.read_bytes()
    return {path.name: path.read_bytes() for path in out.iterdir()}


def remove(out):
    """Remove an output and what lies beside it."""
    import shutil

    for path in out.parent.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_exit_code_of_a_full_disk(trained, data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "scored.csv"
    disk = FailingDisk(0, errno.ENOSPC)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert disk.done == []
    monkeypatch.setattr(os, "fsync", full)
    arguments = ["score", str(trained), str(data), "--out", str(out)]
    assert main([*arguments, "--max-bad-records", "100%"]) == 4
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert str(out) in message
    assert not out.exists()
