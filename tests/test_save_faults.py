"""A save that fails, at whatever operation, leaves the former file as it was."""

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from failing_disk import FailingDisk
from torch_binary_classifier import OutputError, load, save

OLD, NEW = {"weights": np.zeros(1_000)}, {"weights": np.ones(1_000)}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def first(model):
    """Return what tells the models apart."""
    return float(model["weights"][0])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("is_there", [True, False], ids=["replaced", "new"])
def test_nth_operation_fails(tmp_path, monkeypatch, number, is_there):
    path = tmp_path / "model.joblib"
    failed, in_doubt = [], []
    for n in range(1, 100):
        path.unlink(missing_ok=True)
        if is_there:
            save(OLD, path)
        before = path.read_bytes() if is_there else None
        disk = FailingDisk(n, number)
        with monkeypatch.context() as patch:
            disk.install(patch)
            try:
                save(NEW, path)
            except OutputError as error:
                message = str(error)
            else:
                break
        failed.append(disk.done[n - 1])
        if "The new file is in place" in message:  # the folder alone is in doubt
            in_doubt.append(disk.done[n - 1])
            assert first(load(path)) == 1
        else:
            assert os.strerror(number) in message
            assert (path.read_bytes() if path.exists() else None) == before
        assert set(names_in(tmp_path)) <= {"model.joblib"}
        save(NEW, path)  # the next attempt
        assert first(load(path)) == 1
    assert in_doubt == ["open", "fsync"]
    assert set(failed) >= {"open", "write", "flush", "fsync", "replace"}
    assert first(load(path)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no limits")
def test_limit_of_file_size(tmp_path):
    path = tmp_path / "model.joblib"
    save(OLD, path)
    before = path.read_bytes()
    source = (
        "import resource, sys\n"
        "import numpy as np\n"
        "from torch_binary_classifier import OutputError, save\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    save({'weights': np.ones(100_000)}, sys.argv[1])\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "must be writable, got File too large" in done.stdout
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["model.joblib"]


def test_full_disk_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage(10**6, 10**6, 5))
    with pytest.raises(OutputError, match=r"disk with \d+ bytes free, got 5\. A file"):
        save(NEW, path)
    assert names_in(tmp_path) == []
