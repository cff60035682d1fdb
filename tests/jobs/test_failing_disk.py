"""A job whose disk fails, at whatever operation, leaves nothing that is partial."""

import errno
import os

import pytest

from conftest import digest
from failing_disk import FailingDisk
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
def data(tmp_path, frame):
    path = tmp_path / "in.csv"
    frame.astype({"age": object}).replace({"age": {20: "x"}}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("name", ["scored", "scored.csv", "scored.parquet"])
@pytest.mark.parametrize("is_there", [True, False], ids=["replaced", "new"])
def test_nth_operation_fails(
    model, trained, data, tmp_path, monkeypatch, capsys, number, name, is_there
):
    options = {"max_bad_records": "5%", "part_bytes": 20_000, "n_threads": 1}
    whole, out = tmp_path / "a" / name, tmp_path / "b" / name
    former = tmp_path / "c" / name
    for path in (whole, out, former):
        path.parent.mkdir()
    score_table(model, data, whole, **options)
    score_table(model, data, former, logit=True, **options)
    expected, before = digest(whole), digest(former)
    failed = []
    for n in range(1, 1_000):
        if is_there:
            score_table(model, data, out, logit=True, restart=True, **options)
        disk = FailingDisk(n, number, OPERATIONS)
        with monkeypatch.context() as patch:
            disk.install(patch)
            try:
                score_table(model, data, out, restart=is_there, **options)
            except (OutputError, ValueError) as error:
                message = str(error)
            else:
                message = None
        if len(disk.done) < n:
            assert message is None
            break
        failed.append(disk.done[n - 1])
        if message is not None:  # tidying up may fail in silence
            assert os.strerror(number) in message
            assert str(tmp_path) in message
        if out.exists():
            assert content(out) in (content(whole), content(former))
        score_table(
            model,
            data,
            out,
            **options
            | ({"restart": True} if is_there and digest(out) == before else {}),
        )
        assert digest(out) == expected
        if not is_there:
            remove(out)
    assert set(failed) >= {"open", "write", "fsync", "replace", "mkdir"}


def content(out):
    """Return what readers of an output see."""
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
