"""Every model in models/compatibility, of whatever age, loads and scores as it did."""

import copy
import io
import json
import pickle
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from models.compatibility import make
from tests.table_files import score_anew

from torch_binary_classifier import UntrustedModelError, load
from torch_binary_classifier.persistence.model_file import FORMAT, read_model_file

HOME = Path(make.__file__).parent
FILES = sorted(path for path in HOME.glob("format_*/*") if path.suffix in make.SUFFIXES)
SEALED = [path for path in FILES if path.parent.name != "format_0"]
LARGEST_BYTES = 60_000
OUR_MODULES = {"classifier", "positive", "preparation"}

pytestmark = [
    # Another scikit-learn than the one that saved them.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning"),
    # Those that are older than the seal, and those of other versions.
    pytest.mark.filterwarnings("ignore::torch_binary_classifier.ModelFileWarning"),
]


def name_of(path):
    """Return which of the models a file holds."""
    return path.stem.rpartition("_")[0]


def each(paths):
    """Return a mark that runs a test for each file that can be read here."""
    marks = {".skops": pytest.mark.skipif(not find_spec("skops"), reason="no skops")}
    found = [pytest.param(path, marks=marks.get(path.suffix, ())) for path in paths]
    names = [f"{path.parent.name[-1]}-{path.name}" for path in paths]
    return pytest.mark.parametrize("path", found, ids=names)


def table_of(path):
    """Return the rows beside a model, and their probabilities."""
    table = pd.read_csv(path.with_suffix(".csv"))
    return table.drop(columns="probability"), table["probability"]


def raw_manifest(path):
    """Return what a file says of itself, in the words of its own format."""
    if path.suffix == ".skops":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("torch-binary-classifier.json"))
    data = path.read_bytes()
    length = int.from_bytes(data[-16:-8], "big")
    return json.loads(data[-80 - length : -80])


def outline_of(path):
    """Return the outline of a file's format."""
    return json.loads((path.parent / "outline.json").read_text())


def test_there_are_files_of_every_format():
    folders = {path.parent.name for path in FILES}
    assert folders == {f"format_{number}" for number in range(FORMAT + 1)}


@pytest.mark.parametrize("suffix", make.SUFFIXES)
def test_there_are_all_models_in_the_format_that_is_written(suffix):
    folder = HOME / f"format_{FORMAT}"
    assert {name_of(path) for path in folder.glob(f"*{suffix}")} == set(make.MAKERS)


@each(FILES)
@pytest.mark.parametrize("trust", ["pickle", "safe"])
def test_probabilities_are_those_of_the_day_of_saving(path, trust):
    if (path.suffix, trust) == (".joblib", "safe"):
        with pytest.raises(UntrustedModelError, match="must be a skops file if trust"):
            load(path, trust=trust)
        return
    X, expected = table_of(path)
    rows = make.as_trained(name_of(path), X)
    model = load(path, trust=trust)
    np.testing.assert_allclose(model.predict_proba(rows)[:, 1], expected, atol=1e-6)


@each([path for path in FILES if name_of(path) not in ("arrays", "float32")])
def test_files_are_scored_alike(path, tmp_path):
    out = tmp_path / "scored.csv"
    summary = score_anew(load(path), path.with_suffix(".csv"), out)
    assert summary.ignored == ("probability",)
    expected = table_of(path)[1]
    np.testing.assert_allclose(pd.read_csv(out)["probability"], expected, atol=1e-6)


@each(SEALED)
def test_signature_is_still_read(path):
    is_signed = name_of(path) in make.SIGNED
    assert read_model_file(path).is_signed == is_signed
    if is_signed:
        load(path, verify_with=make.KEY)
        with pytest.raises(UntrustedModelError, match="signed with another"):
            load(path, verify_with=make.KEY[::-1])


@each(SEALED)
def test_manifest_is_the_one_of_its_format(path):
    manifest, known = raw_manifest(path), outline_of(path)["manifest"]
    assert f"format_{manifest['format']}" == path.parent.name
    assert unknown(make.outline([manifest]), known) == []
    assert len(manifest["examples"]["scores"]) == 16
    assert manifest["schema"]["n_rows"] == make.N_ROWS
    assert manifest["notes"] == make.MAKERS[name_of(path)].__doc__


def unknown(found, known):
    """Return the places of an outline that another does not have, or not so."""
    return [
        place
        for place, kinds in found.items()
        if not set(kinds) <= {*known.get(place, ())}
    ]


@pytest.fixture(scope="module")
def written_now():
    """What a file of this version is like."""
    return make.written_now()


def test_format_that_is_written_has_not_changed_under_its_number(written_now):
    """Else: a new FORMAT, a reader of this one, new files; see docs/model-files.md."""
    known = json.loads((HOME / f"format_{FORMAT}" / "outline.json").read_text())
    assert written_now == known


@pytest.mark.parametrize(
    ("change", "places"),
    [
        (lambda m: m.update(new=1), [".new"]),
        (lambda m: m.update(created=1), [".created"]),
        (lambda m: m.update(classes=None), [".classes"]),
        (lambda m: m["training"].update(loss="low"), [".training.loss"]),
        (
            lambda m: m["schema"]["columns"][0].update(numbers={"mode": 1}),
            [".schema.columns[].numbers.mode"],
        ),
        (lambda m: m["examples"].update(scores=[0.5]), [".examples.scores[]"]),
    ],
)
def test_outline_notices_a_change(written_now, change, places):
    path = HOME / f"format_{FORMAT}" / "arrays_1.joblib"
    manifest = raw_manifest(path)
    before = make.outline([manifest])
    changed = copy.deepcopy(manifest)
    change(changed)
    assert unknown(make.outline([changed]), before) == places
    assert unknown(make.outline([changed]), written_now["manifest"]) == places


class Finder(pickle.Unpickler):
    """Remembers from which modules of ours a pickle takes its classes."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.modules = set()

    def find_class(self, module, name):
        package, _, inner = module.partition(".")
        if package == "torch_binary_classifier":
            self.modules.add(inner)
        return super().find_class(module, name)


@each(FILES)
def test_files_are_small_and_name_few_modules_of_ours(path):
    assert path.stat().st_size < LARGEST_BYTES
    finder = Finder(pickle.dumps(load(path)))
    finder.load()
    assert "classifier" in finder.modules
    assert finder.modules <= OUR_MODULES
