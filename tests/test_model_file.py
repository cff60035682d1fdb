"""A model file is what was saved, or it is refused before anything of it is loaded."""

import json
import pickle
import random
import sys
import zipfile

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import TunedThresholdClassifierCV

from builders import network, pipe
from torch_binary_classifier import (
    CorruptModelError,
    ModelFileError,
    ModelFileWarning,
    NewerFormatError,
    UntrustedModelError,
    load,
    save,
)
from torch_binary_classifier.persistence import joblib_file, model_file, seal

KEY = b"a key of more than 16 bytes"
SUFFIXES = (".joblib", ".skops")
N_FLIPS = 1_000


@pytest.fixture(scope="module")
def model():
    """A fitted pipeline and its rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    fitted = pipe(max_iter=5, random_state=0).fit(X, (X[:, 0] > 0).astype(int))
    return fitted, X


@pytest.fixture(params=SUFFIXES)
def saved(request, model, tmp_path):
    """A file of the model with examples."""
    fitted, X = model
    path = tmp_path / f"model{request.param}"
    save(fitted, path, examples=X[:4], notes="night run")
    return path


UNPICKLED = []


def _watch(event, arguments):
    """Keep what a pickle looks up; an audit hook cannot be removed again."""
    if event == "pickle.find_class":
        UNPICKLED.append(arguments)


sys.addaudithook(_watch)


def refuse(path, kind=CorruptModelError):
    """Check that a file is refused, and nothing of it looked up."""
    UNPICKLED.clear()
    with pytest.raises(kind):
        load(path)
    assert UNPICKLED == []


def test_hook_sees_what_is_unpickled(model, tmp_path):
    save(model[0], tmp_path / "model.joblib")
    UNPICKLED.clear()
    load(tmp_path / "model.joblib")
    assert ("torch_binary_classifier.classifier", "TorchBinaryClassifier") in UNPICKLED


def test_model_comes_back(saved, model):
    fitted, X = model
    np.testing.assert_array_equal(load(saved).predict_proba(X), fitted.predict_proba(X))


def test_files_are_those_of_joblib_and_skops(model, tmp_path):
    fitted, X = model
    save(fitted, tmp_path / "model.joblib")
    save(fitted, tmp_path / "model.skops")
    expected = fitted.predict_proba(X)
    loaded = joblib.load(tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    (ours,) = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert ours == "torch_binary_classifier.classifier.TorchBinaryClassifier"
    safe = skops.io.load(tmp_path / "model.skops", trusted=[ours])
    for other in (loaded, mapped, safe):
        np.testing.assert_array_equal(other.predict_proba(X), expected)
    assert isinstance(mapped[-1].coefs_[0], np.memmap)


def test_every_bit_counts(saved):
    whole = saved.read_bytes()
    draws = random.Random(0)
    for _ in range(N_FLIPS):
        damaged = bytearray(whole)
        damaged[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
        saved.write_bytes(damaged)
        refuse(saved)


def test_every_bit_of_beginning_and_end_counts(saved):
    whole = saved.read_bytes()
    n_ends = 60
    for place in [*range(n_ends), *range(-seal.N_BYTES - 30, 0)]:
        damaged = bytearray(whole)
        damaged[place] ^= 16
        saved.write_bytes(damaged)
        refuse(saved)


def test_every_byte_must_be_there(saved):
    whole = saved.read_bytes()
    lengths = [len(whole) * percent // 100 for percent in range(100)]
    for length in [*lengths, *range(len(whole) - 64, len(whole))]:
        saved.write_bytes(whole[:length])
        refuse(saved)


def test_no_byte_may_be_more(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    refuse(saved)


def run(word):
    """Leave a trace."""
    UNPICKLED.append(word)


class Malice:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (run, ("ran",))


def test_pickle_runs_when_it_may(tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(Malice(), path)
    UNPICKLED.clear()
    with pytest.warns(ModelFileWarning, match="no digest"):
        load(path)
    assert "ran" in UNPICKLED


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"trust": "safe"}, "must be a skops file if trust is 'safe', got a pickle"),
        ({"verify_with": KEY}, "must be signed if verify_with is given, got"),
    ],
)
@pytest.mark.parametrize("name", ["model.joblib", "model.skops"])
@pytest.mark.parametrize("write", [joblib.dump, save])
def test_malice_never_runs(tmp_path, options, expected, name, write):
    path = tmp_path / "model.joblib"
    write(Malice(), path)
    path = path.rename(tmp_path / name)
    UNPICKLED.clear()
    with pytest.raises(UntrustedModelError, match=expected):
        load(path, **options)
    assert UNPICKLED == []


def test_archive_with_an_unknown_type_is_not_loaded(tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump(Malice(), path)
    UNPICKLED.clear()
    with pytest.raises(
        UntrustedModelError, match=r"known to run no code, got .*Malice"
    ):
        load(path, trust="safe")
    assert "ran" not in UNPICKLED


def test_model_of_unknown_types_is_no_skops_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"must be a \.joblib file, got .*Malice"):
        save(Malice(), tmp_path / "model.skops")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [CalibratedClassifierCV, TunedThresholdClassifierCV])
def test_what_scikit_learn_puts_around_a_network_is_loaded_safely(tmp_path, kind):
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = kind(network(max_iter=3, random_state=0), cv=2).fit(X, X[:, 0] > 0)
    path = tmp_path / "model.skops"
    save(model, path, X=X)
    loaded = load(path, trust="safe")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_trust_has_two_values(saved):
    with pytest.raises(ValueError, match="trust must be 'pickle' or 'safe', got 'no'"):
        load(saved, trust="no")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_signature(model, tmp_path, suffix):
    fitted, X = model
    path, other = tmp_path / f"model{suffix}", tmp_path / "key"
    save(fitted, path, sign_with=KEY)
    np.testing.assert_array_equal(
        load(path, verify_with=KEY).predict_proba(X), fitted.predict_proba(X)
    )
    load(path)  # who asks for no signature needs no key
    other.write_bytes(b"another key of enough bytes")
    with pytest.raises(UntrustedModelError, match="got one signed with another"):
        load(path, verify_with=other)
    save(fitted, path)
    with pytest.raises(UntrustedModelError, match="got an unsigned one"):
        load(path, verify_with=KEY)


def test_new_digest_is_no_new_signature(model, tmp_path):
    """Who changes a file can seal it anew, but not sign it."""
    path = tmp_path / "model.joblib"
    save(model[0], path, sign_with=KEY, notes="good")
    data = path.read_bytes()
    sealed = seal.unseal(data)
    content, manifest = bytes(sealed.content), bytes(sealed.manifest)
    changed = manifest.replace(b"good", b"evil")
    assert changed != manifest
    forged = bytearray(seal.seal(content, changed))
    path.write_bytes(content + changed + forged)
    with pytest.raises(UntrustedModelError, match="got an unsigned one"):
        load(path, verify_with=KEY)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"short", r"sign_with must be a key of at least 16 bytes, got 5"),
        (
            "absent",
            "sign_with must be a key or a file that holds one, got 'absent': No",
        ),
    ],
)
def test_keys_that_are_none(tmp_path, key, expected):
    with pytest.raises(ValueError, match=expected):
        save({}, tmp_path / "model.joblib", sign_with=key)
    assert list(tmp_path.iterdir()) == []


def test_newer_format_names_who_can_read_it(model, tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    with monkeypatch.context() as patch:
        patch.setattr("torch_binary_classifier.persistence.manifest.FORMAT", 2)
        patch.setattr(
            "torch_binary_classifier.persistence.manifest.READABLE_SINCE", "3.2.0"
        )
        save(model[0], path)
    UNPICKLED.clear()
    with pytest.raises(
        NewerFormatError,
        match=r"must be of a format up to 1, got format 2\. "
        r"Install torch-binary-classifier>=3\.2\.0",
    ):
        load(path)
    assert UNPICKLED == []


def test_seal_without_manifest_is_refused(tmp_path):
    path = tmp_path / "model.joblib"
    content = joblib_file.dump({})
    for manifest in (b"", b"[]", b'{"format": 1}'):
        path.write_bytes(content + manifest + seal.seal(content, manifest))
        with pytest.raises(CorruptModelError, match="with a manifest, got a seal"):
            load(path)


def test_mark_is_nothing_to_a_pickle():
    assert pickle.loads(joblib_file.MARK + pickle.dumps([1, 2])) == [1, 2]


def test_reading_loads_nothing(saved):
    UNPICKLED.clear()
    file = model_file.read_model_file(saved)
    assert file.manifest["notes"] == "night run"
    assert file.is_signed is False
    assert UNPICKLED == []


def test_archive_holds_its_manifest(model, tmp_path):
    save(model[0], tmp_path / "model.skops", notes="kept")
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("torch-binary-classifier.json"))
    assert manifest["notes"] == "kept"


def test_skops_must_be_installed(saved, model, monkeypatch, tmp_path):
    if saved.suffix != ".skops":
        pytest.skip("joblib is always there")
    monkeypatch.setattr(
        "torch_binary_classifier.persistence.skops_file.find_spec", lambda _name: None
    )
    for attempt in (lambda: load(saved), lambda: save(model[0], tmp_path / "b.skops")):
        with pytest.raises(ModelFileError, match=r"Install .*classifier\[skops\]"):
            attempt()
