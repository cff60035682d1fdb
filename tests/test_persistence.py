"""Model files appear whole or not at all, and damaged ones are named as such."""

import errno
import os
import re
import stat
import subprocess
import sys
import types
from pathlib import Path

import joblib
import numpy as np
import pytest

from torch_binary_classifier.exceptions import (
    ModelFileError,
    ModelFileWarning,
    OutputError,
)
from torch_binary_classifier.persistence import (
    check_writable,
    load,
    replaced_file,
    save,
)

WEIGHTS = {"weights": np.arange(10_000.0), "label": "yes"}


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "model.joblib"
    save(WEIGHTS, path)
    return path


def raising(error):
    """Return a function that fails, whatever it is given."""

    def fail(*_args, **_kwargs):
        raise error

    return fail


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_save_writes_a_plain_joblib_file(model_path):
    loaded = joblib.load(model_path)
    np.testing.assert_array_equal(loaded["weights"], WEIGHTS["weights"])
    assert loaded["label"] == "yes"


def test_save_does_not_compress(model_path):
    mapped = joblib.load(model_path, mmap_mode="r")["weights"]
    assert isinstance(mapped, np.memmap)


def test_save_leaves_no_other_file(model_path):
    assert names_in(model_path.parent) == ["model.joblib"]


def test_load_returns_what_was_saved(model_path):
    np.testing.assert_array_equal(load(model_path)["weights"], WEIGHTS["weights"])


def test_save_replaces_a_file_and_keeps_its_permissions(model_path):
    model_path.chmod(0o640)
    save("new", model_path)
    assert load(model_path) == "new"
    assert stat.S_IMODE(model_path.stat().st_mode) == 0o640


def test_save_gives_a_new_file_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    save("new", tmp_path / "model.joblib")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_save_follows_a_link(model_path, tmp_path):
    link = tmp_path / "link.joblib"
    link.symlink_to(model_path)
    save("new", link)
    assert link.is_symlink()
    assert load(model_path) == "new"


@pytest.mark.parametrize(
    ("home", "name", "error"),
    [
        (os, "fsync", OSError(errno.EIO, "Input/output error")),
        (Path, "replace", OSError(errno.EDQUOT, "Disk quota exceeded")),
        (Path, "chmod", OSError(errno.EPERM, "Operation not permitted")),
        (Path, "open", OSError(errno.EROFS, "Read-only file system")),
    ],
    ids=["sync", "rename", "mode", "open"],
)
def test_failed_save_keeps_the_former_file(model_path, monkeypatch, home, name, error):
    before = model_path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(home, name, raising(error))
        with pytest.raises(
            OutputError, match=f"must be writable, got {error.strerror}"
        ):
            save("new", model_path)
    assert model_path.read_bytes() == before
    assert names_in(model_path.parent) == ["model.joblib"]


def test_interrupted_save_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", raising(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save("new", tmp_path / "model.joblib")
    assert names_in(tmp_path) == []


def test_output_errors_keep_their_own_words(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", raising(OutputError("own words")))
    with pytest.raises(OutputError, match=r"^own words$"):
        save("new", tmp_path / "model.joblib")


def test_file_is_not_at_its_path_before_the_end(tmp_path):
    path = tmp_path / "model.joblib"
    with replaced_file(path) as file:
        file.write(b"whole")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"whole"


def test_save_refuses_a_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="must lie in a folder that exists"):
        save("new", tmp_path / "absent" / "model.joblib")


def test_save_refuses_a_folder_as_file(tmp_path):
    with pytest.raises(OutputError, match="must be an ordinary file, got a folder"):
        save("new", tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_save_refuses_a_device(tmp_path):
    link = tmp_path / "model.joblib"
    link.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="must be an ordinary file, got a folder or"):
        save("new", link)
    assert Path("/dev/full").is_char_device()


def test_check_writable_refuses_a_read_only_folder(tmp_path, monkeypatch):
    # The superuser may write everywhere, so the mode of a folder would prove nothing.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="a folder open for writing, got a read-only"):
        check_writable(tmp_path / "model.joblib")


def test_check_writable_accepts_a_new_file(tmp_path):
    check_writable(tmp_path / "model.joblib")
    assert names_in(tmp_path) == []


def test_load_refuses_a_missing_file(tmp_path):
    with pytest.raises(
        ModelFileError, match=r"absent\.joblib must be a model file, got no"
    ):
        load(tmp_path / "absent.joblib")


@pytest.mark.parametrize("kept_fraction", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "xz"])
@pytest.mark.filterwarnings("ignore::torch_binary_classifier.ModelFileWarning")
def test_load_refuses_a_file_cut_short(tmp_path, kept_fraction, compress):
    path = tmp_path / "model.joblib"
    joblib.dump(WEIGHTS, path, compress=compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept_fraction * len(content))])
    with pytest.raises(
        ModelFileError, match=r"joblib must be a whole joblib file, got"
    ):
        load(path)


def test_load_refuses_an_empty_file(tmp_path):
    (tmp_path / "model.joblib").touch()
    with pytest.raises(ModelFileError, match="a whole joblib file, got an empty one"):
        load(tmp_path / "model.joblib")


@pytest.mark.parametrize("content", [b"hello\n", b"a,b\n1,2\n", b"PAR1"])
def test_load_refuses_another_kind_of_file(tmp_path, content):
    path = tmp_path / "model.joblib"
    path.write_bytes(content)
    expected = f"must be a joblib file, got one of another kind.* begins with {content}"
    with pytest.raises(
        ModelFileError, match=re.escape(expected).replace(r"\.\*", ".*")
    ):
        load(path)


def test_load_refuses_a_damaged_file(tmp_path):
    path = tmp_path / "model.joblib"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(
        ModelFileError, match=r"whole joblib file, got .* It is damaged"
    ):
        load(path)


def test_load_refuses_a_folder(tmp_path):
    with pytest.raises(ModelFileError, match="must be a model file, got a folder"):
        load(tmp_path)


def test_load_refuses_links_that_lead_nowhere(tmp_path):
    path = tmp_path / "model.joblib"
    path.symlink_to(path)
    with pytest.raises(ModelFileError, match="that can be read, got Too many levels"):
        load(path)


def test_load_refuses_an_unreadable_file(model_path, monkeypatch):
    # The superuser may read everything.
    denied = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(Path, "read_bytes", raising(denied))
    with pytest.raises(ModelFileError, match="can be read, got Permission denied"):
        load(model_path)


@pytest.mark.parametrize("compress", ["zlib", "gzip", "bz2", "lzma", "xz"])
def test_load_reads_compressed_files(tmp_path, compress):
    joblib.dump("content", tmp_path / "model.joblib", compress=compress)
    with pytest.warns(ModelFileWarning, match=r"joblib could not be verified: it has"):
        assert load(tmp_path / "model.joblib") == "content"


def test_load_names_a_module_that_is_not_installed(tmp_path, monkeypatch):
    module = types.ModuleType("absent_module")
    module.Thing = type("Thing", (), {"__module__": "absent_module"})
    monkeypatch.setitem(sys.modules, "absent_module", module)
    path = tmp_path / "model.joblib"
    save(module.Thing(), path)
    monkeypatch.delitem(sys.modules, "absent_module")
    with pytest.raises(ModelFileError, match="are installed here, got No module named"):
        load(path)
    monkeypatch.setitem(sys.modules, "absent_module", types.ModuleType("absent_module"))
    with pytest.raises(ModelFileError, match="installed here, got Can't get attribute"):
        load(path)


def test_load_names_what_a_script_defined(tmp_path):
    path = tmp_path / "model.joblib"
    source = (
        "from torch_binary_classifier.persistence import save\n"
        "def half(X):\n    return X / 2\n"
        f"save(half, {str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", source], check=True)
    with pytest.raises(
        ModelFileError,
        match="must be free of what a script or a notebook defines, got Can't get "
        r"attribute 'half'.* Move that into a module that can be imported",
    ):
        load(path)


def test_save_says_what_does_not_pickle(tmp_path):
    expected = r"model\.joblib must be of a model that pickles, got .*lambda"
    with pytest.raises(ModelFileError, match=expected):
        save({"function": lambda: 1}, tmp_path / "model.joblib")
    assert names_in(tmp_path) == []
