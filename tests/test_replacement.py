"""Files appear whole, as private as they end, and beside nothing that was left."""

import errno
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from torch_binary_classifier.exceptions import OutputError
from torch_binary_classifier.persistence import (
    check_writable,
    load,
    replaced_file,
    replacement,
    save,
)


def write(path, content):
    with replaced_file(path) as file:
        file.write(content)


needs_locks = pytest.mark.skipif(
    not replacement.HAS_LOCKS, reason="needs locks that end with their process"
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def temporary_in(folder, path):
    """Return the temporary file of a path."""
    (found,) = [one for one in folder.iterdir() if one != path]
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores.csv"


def leave(path, name=None):
    """Leave a temporary file as a killed process does; return its path."""
    left = path.with_name(f".{name or path.name}.0123456789abcdef.tmp")
    left.write_bytes(b"half")
    return left


@needs_locks
def test_what_a_dead_process_left_is_removed(path):
    leave(path)
    write(path, b"whole")
    assert names_in(path.parent) == ["scores.csv"]


@needs_locks
def test_what_a_dead_process_left_is_removed_behind_a_link(path, tmp_path):
    leave(path)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with replaced_file(link):
        pass
    assert names_in(path.parent) == ["link.csv", "scores.csv"]


@pytest.mark.parametrize(
    "name", ["other.csv", "scores.csv.csv", "scoresXcsv", "more.scores.csv"]
)
def test_what_belongs_to_another_path_stays(path, name):
    left = leave(path, name)
    with replaced_file(path):
        pass
    assert left.exists()


def test_what_a_living_writer_writes_stays(path):
    with replaced_file(path) as first:
        first.write(b"first")
        with replaced_file(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert names_in(path.parent) == ["scores.csv"]


WRITER = """
import sys
from torch_binary_classifier.persistence import replaced_file
with replaced_file(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@needs_locks
def test_another_process_is_alive_until_it_is_killed(path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout.readline() == b"writing\n"
        temporary = temporary_in(path.parent, path)
        with replaced_file(path):
            pass
        assert temporary.exists()
        writer.kill()
    assert temporary.exists()
    with replaced_file(path):
        pass
    assert names_in(path.parent) == ["scores.csv"]


@needs_locks
def test_file_removed_before_it_is_locked_is_made_again(path, monkeypatch):
    lock, made = replacement._lock, []

    def remove_once(descriptor):
        if not made:
            made.append(temporary_in(path.parent, path))
            replacement.remove_leftovers(path.parent)
        return lock(descriptor)

    monkeypatch.setattr(replacement, "_lock", remove_once)
    write(path, b"whole")
    assert made
    assert path.read_bytes() == b"whole"


def test_without_locks_nothing_is_removed(path, monkeypatch):
    monkeypatch.setattr(replacement, "HAS_LOCKS", False)
    left = leave(path)
    write(path, b"whole")
    assert left.exists()
    assert path.read_bytes() == b"whole"


def test_file_system_without_locks_will_do(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", refuse)
    left = leave(path)
    write(path, b"whole")
    assert left.exists()
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_content_is_never_more_open_than_what_it_replaces(path, mode):
    path.touch()
    path.chmod(mode)
    with replaced_file(path):
        assert mode_of(temporary_in(path.parent, path)) == mode
    assert mode_of(path) == mode


def test_new_file_has_the_usual_permissions_from_the_start(path):
    before = os.umask(0o027)
    try:
        with replaced_file(path):
            assert mode_of(temporary_in(path.parent, path)) == 0o640
    finally:
        os.umask(before)
    assert mode_of(path) == 0o640


def test_permissions_that_change_meanwhile_count(path):
    path.touch()
    path.chmod(0o644)
    with replaced_file(path):
        path.chmod(0o600)
    assert mode_of(path) == 0o600


def test_long_names_have_room(tmp_path):
    path = tmp_path / ("ø" * 125 + ".csv")
    left = path.with_name(f".{'ø' * 100}.0123456789abcdef.tmp")
    left.touch()
    write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert left.exists() != replacement.HAS_LOCKS


@pytest.mark.parametrize("function", [check_writable, lambda path: write(path, b"")])
def test_links_that_lead_nowhere_are_refused(path, function):
    path.symlink_to(path)
    with pytest.raises(OutputError, match="csv must be writable, got Too many levels"):
        function(path)


def test_names_that_are_too_long_are_refused(tmp_path):
    with pytest.raises(OutputError, match="must be writable, got File name too long"):
        check_writable(tmp_path / ("x" * 300))


def test_content_then_name_are_brought_to_the_disk(path, monkeypatch):
    path.write_bytes(b"old")
    synced = []

    def see(descriptor):
        status = os.fstat(descriptor)
        folder = stat.S_ISDIR(status.st_mode)
        synced.append(path.read_bytes() if folder else status.st_size)

    monkeypatch.setattr(os, "fsync", see)
    write(path, b"whole")
    assert synced == [len(b"whole"), b"whole"]


@pytest.fixture
def sync_folder(monkeypatch):
    """Return a function that has the sync of folders fail."""

    def fail_with(number):
        sync = os.fsync

        def fail(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", fail)

    return fail_with


def test_failed_sync_of_the_folder_says_that_the_file_is_in_place(path, sync_folder):
    path.write_bytes(b"old")
    sync_folder(errno.EIO)
    expected = (
        f"the folder of {path} must be brought to the disk, got Input/output error. "
        "The new file is in place, but may be lost with the power."
    )
    with pytest.raises(OutputError, match=re.escape(expected)):
        write(path, b"new")
    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == ["scores.csv"]


def test_folders_that_cannot_be_synced_are_not(path, sync_folder):
    sync_folder(errno.EINVAL)
    write(path, b"new")
    assert path.read_bytes() == b"new"


def test_folders_that_cannot_be_read_are_not_synced(path, monkeypatch):
    real = os.open

    def refuse(name, flags, *rest, **options):
        if Path(name).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    write(path, b"new")
    assert path.read_bytes() == b"new"


ENDLESS = """
import sys, time
from pathlib import Path
from torch_binary_classifier import persistence
from torch_binary_classifier.cli import inspect
from torch_binary_classifier.cli.main import main

def run(arguments, stream):
    with persistence.replaced_file(sys.argv[1]) as file:
        file.write(b"half")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)

inspect.run = run
sys.exit(main(["inspect", "any"]))
"""


@pytest.mark.parametrize(
    ("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)]
)
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_stopped_command_leaves_nothing_behind(path, name, code):
    path.write_bytes(b"old")
    command = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout.readline() == "writing\n"
    assert len(names_in(path.parent)) == 2
    command.send_signal(getattr(signal, name))
    _, errors = command.communicate(timeout=30)
    words = "Interrupted." if name == "SIGINT" else f"Stopped by {name}."
    assert (command.returncode, errors) == (
        code,
        f"torch-binary-classifier: error: {words}\n",
    )
    assert names_in(path.parent) == ["scores.csv"]
    assert path.read_bytes() == b"old"


SAVES = """
import sys
import numpy as np
from torch_binary_classifier.persistence import save
number = int(sys.argv[2])
print("saving", flush=True)
while True:
    number += 1
    save({"number": number, "weights": np.full(5_200_000, float(number))}, sys.argv[1])
"""
N_KILLS = 200


@pytest.mark.slow
@needs_locks
def test_killed_saves_leave_whole_files_and_one_leftover_at_most(tmp_path):
    """Of 41 MB each; at whatever moment the old model is there or the new one."""
    path = tmp_path / "model.joblib"
    save({"number": 0, "weights": np.zeros(5_200_000)}, path)
    draws, before, n_new = random.Random(0), 0, 0
    for _ in range(N_KILLS):
        command = subprocess.Popen(
            [sys.executable, "-c", SAVES, str(path), str(before)],
            stdout=subprocess.PIPE,
        )
        with command:
            assert command.stdout.readline() == b"saving\n"
            time.sleep(draws.uniform(0, 0.4))
            command.kill()
        model = load(path)
        assert (model["weights"] == model["number"]).all()
        assert model["number"] >= before
        n_new += model["number"] > before
        before = model["number"]
        assert len(names_in(tmp_path)) <= 2
    assert 0 < n_new < N_KILLS
    with replaced_file(path):
        pass
    assert names_in(tmp_path) == ["model.joblib"]
