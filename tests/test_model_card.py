"""A model card tells what is in the file, and nothing in it escapes from its place."""

import json
from hashlib import sha256
from html.parser import HTMLParser

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from builders import network, pipe
from torch_binary_classifier import ModelFileError, card, load, save
from torch_binary_classifier.persistence import joblib_file, seal
from torch_binary_classifier.positive import with_positive

HEADINGS = [
    "What it predicts",
    "Intended use",
    "Limits",
    "Metrics",
    "Data",
    "Training",
    "Parameters",
    "Examples",
    "Notes",
    "File",
]


class Page(HTMLParser):
    """The headings, the rows of tables and the tags of a rendered card."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.rows, self.tags, self.words = [], [], [], []
        self.place = None
        self.feed(MarkdownIt("commonmark").enable("table").render(text))

    def handle_starttag(self, tag, _attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("h2", "td", "th"):
            self.place = self.headings if tag == "h2" else self.rows[-1]
            self.place.append("")

    def handle_endtag(self, tag):
        self.tags.append(f"/{tag}")
        if tag in ("h2", "td", "th"):
            self.place = None

    def handle_data(self, data):
        self.words.append(data)
        if self.place is not None:
            self.place[-1] += data

    @property
    def text(self):
        """All words."""
        return "".join(self.words)

    def row(self, first):
        """Return the row of a table that begins with a text."""
        (found,) = [row for row in self.rows if row[0] == first]
        return found[1:]


@pytest.fixture(scope="module")
def table():
    """Columns of every kind."""
    rng = np.random.default_rng(0)
    n_rows = 60
    frame = pd.DataFrame(
        {
            "age": rng.normal(50, 10, n_rows).round(1),
            "city": rng.choice(["Oslo", "Rome"], n_rows),
            "mail": [f"user{row}@example.org" for row in range(n_rows)],
            "size": pd.Categorical(
                rng.choice(["S", "M"], n_rows), ["S", "M", "L"], ordered=True
            ),
            "day": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 90, n_rows), "D"),
            "one": np.ones(n_rows),
            "many": rng.choice([*"abcdefg"], n_rows),
        }
    )
    frame.loc[:14, "age"] = None
    return frame


@pytest.fixture(scope="module")
def fitted():
    """A pipeline on arrays."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    return pipe(max_iter=5).fit(X, np.where(X[:, 0] > 0, "yes", "no")), X


def test_card_has_its_sections_once(fitted, tmp_path):
    model, X = fitted
    save(model, tmp_path / "a.joblib", X=X)
    for text in (card(model), card(tmp_path / "a.joblib")):
        assert Page(text).headings == HEADINGS
        assert text.startswith("# Model card")
        assert text.endswith("|\n")


def test_what_only_the_author_knows_is_left_in_italics(fitted):
    text = card(fitted[0])
    for heading in ("Intended use", "Limits"):
        _, _, after = text.partition(f"## {heading}\n\n*")
        assert after.partition("\n\n## ")[0].endswith(".*")


def test_schema_is_a_table(table, tmp_path):
    model = DummyClassifier().fit(table, np.arange(len(table)) % 2)
    save(model, tmp_path / "a.joblib", X=table)
    page = Page(card(tmp_path / "a.joblib"))
    assert "60 rows and 7 columns (pandas)" in page.text
    kind, dtype, missing, different, values = page.row("age")
    assert (kind, dtype, missing) == ("number", "float64", "25 %")
    assert different == str(table["age"].nunique())
    low, high, median = table["age"].agg(["min", "max", "median"])
    assert values.startswith(f"{low:g} to {high:g}, median ")
    assert float(values.rpartition(" ")[2]) == pytest.approx(median, abs=1)
    assert page.row("one")[-1] == "1"
    share = f"{100 * table['city'].value_counts(normalize=True)['Oslo']:.2g} %"
    assert f"Oslo {share}" in page.row("city")[-1]
    assert page.row("size")[-1] == "S < M < L"
    day = page.row("day")
    assert day[0] == "moment"
    assert day[-1].startswith(str(table["day"].min())[:10])
    assert day[-1].endswith("(UTC)")
    assert page.row("many")[-1].endswith(" and 2 more")


def test_values_of_single_rows_are_not_shown(table, tmp_path):
    model = DummyClassifier().fit(table, np.arange(len(table)) % 2)
    save(model, tmp_path / "a.joblib", X=table)
    text = card(tmp_path / "a.joblib")
    assert Page(text).row("mail")[-1] == "no value twice"
    assert "example.org" not in text
    save(model, tmp_path / "a.joblib", X=pd.concat([table, table]))
    assert "user0@example.org" in Page(card(tmp_path / "a.joblib")).row("mail")[-1]


def test_wide_tables_are_cut(tmp_path):
    X = np.zeros((2, 103))
    save(DummyClassifier().fit(X, [0, 1]), tmp_path / "a.joblib", X=X)
    page = Page(card(tmp_path / "a.joblib"))
    assert "And 3 more columns." in page.text
    assert page.row("x99")
    assert "x100" not in page.text


def test_positive_class_is_the_second(fitted):
    model, _ = fitted
    assert "is reported: 'yes'" in Page(card(model)).text
    assert "is reported: 'no'" in Page(card(with_positive(model, "no"))).text


def test_training_is_told(fitted, tmp_path):
    model, X = fitted
    save(model, tmp_path / "a.joblib", X=X)
    text = Page(card(tmp_path / "a.joblib")).text
    assert "1 of 3-8-1" in text
    assert "Epochs: 5" in text
    assert f"Loss of the last epoch: {model[-1].loss_curve_[-1]:.6g}" in text
    assert "3 numbers per row" in text


def test_parameters_that_were_set_come_first(fitted):
    page = Page(card(fitted[0]))
    assert page.row("clf__max_iter") == ["5", "200"]
    assert page.row("clf__hidden_layer_sizes") == ["[8]", "'auto'"]
    assert page.row("clf__solver") == ["'adam'"]  # without a default: among the others
    text = card(fitted[0])
    assert text.index("`clf__max_iter`") < text.index("<details>")
    assert text.index("`clf__solver`") > text.index("<details>")


def test_parameters_of_the_classifier_alone():
    X = [[0.0], [1.0], [0.0], [1.0]]
    page = Page(card(network().fit(X, [0, 1, 0, 1])))
    assert page.row("max_iter") == ["4", "200"]


def test_defaults_are_said_to_be_such(tmp_path):
    save(network(), tmp_path / "a.joblib")
    file = bytearray((tmp_path / "a.joblib").read_bytes())
    manifest = dict(json.loads(bytes(seal.unseal(bytes(file)).manifest)))
    manifest["parameters"] = {"solver": "adam"}
    write(tmp_path / "a.joblib", manifest)
    assert "are its defaults" in Page(card(tmp_path / "a.joblib")).text


def test_parameters_of_a_search_are_those_it_chose(fitted):
    _, X = fitted
    search = GridSearchCV(pipe(), {"clf__max_iter": [3]}, cv=2)
    page = Page(card(search.fit(X, X[:, 0] > 0)))
    assert page.row("estimator__clf__max_iter") == ["3", "200"]
    assert "Found by a search: max_iter=3" in page.text
    assert f"that search: {search.best_score_:.6g}" in page.text


def test_other_classifiers_have_cards():
    page = Page(card(LogisticRegression(C=2.0).fit([[0.0], [1.0]], [0, 1])))
    assert page.row("C") == ["2"]
    assert "no network of ours" in page.text


def test_metrics_and_notes(fitted, tmp_path):
    path = tmp_path / "a.joblib"
    notes = "first *line*\n# second\n\n- third <b> &lt;"
    save(fitted[0], path, metrics={"log_loss": 0.25, "a_b": 1.0}, notes=notes)
    page = Page(card(path))
    assert page.rows[1:3] == [["a_b", "1"], ["log_loss", "0.25"]]
    assert "first *line*\n# second\n" in page.text
    assert "- third <b> &lt;" in page.text
    assert "b" not in page.tags
    assert page.tags.count("br") == 1
    assert page.tags.count("h1") == 1


def test_file_is_told(fitted, tmp_path):
    path = tmp_path / "a.skops"
    save(fitted[0], path, sign_with=b"a key of enough bytes")
    text = Page(card(path)).text
    assert sha256(path.read_bytes()).hexdigest() in text
    assert f"as a skops file of {path.stat().st_size:,} bytes" in text
    assert "Signed; this card has not checked by whom" in text
    save(fitted[0], path)
    assert "Not signed" in Page(card(path)).text
    assert "In no file yet" in card(fitted[0])
    loaded = load(path)
    assert loaded._manifest["created"] in card(loaded)


def test_one_file_has_one_card(fitted, tmp_path):
    model, X = fitted
    path = tmp_path / "a.joblib"
    save(model, path, X=X, metrics={"b": 1.0, "a": 2.0})
    assert card(path) == card(str(path))
    loaded, of_file = card(load(path)), card(path)
    assert loaded.partition("## What")[2].partition("## File")[0] in of_file


def write(path, manifest):
    """Seal a file with another manifest."""
    content = joblib_file.dump({})
    described = json.dumps(manifest).encode()
    path.write_bytes(content + described + seal.seal(content, described))


@pytest.fixture(scope="module")
def manifest(fitted, tmp_path_factory):
    """What a file says of itself."""
    path = tmp_path_factory.mktemp("card") / "a.joblib"
    model, X = fitted
    save(model, path, X=X, metrics={"log_loss": 0.25}, notes="night run")
    return json.loads(bytes(seal.unseal(path.read_bytes()).manifest))


PIECES = [*"|`\\\n\r<>*_[]()!&#~-+=1. \x1b\u202e$é\"'", "<b>", "](x)", "&lt;"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_no_text_leaves_its_place(manifest, tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "hostile.joblib"
    plain = json.loads(json.dumps(manifest))
    plain["notes"], plain["metrics"] = text, {text: 0.5}
    plain["classes"], plain["steps"] = [text, "x"], [[text, text]]
    plain["holds"], plain["versions"] = text, plain["versions"] | {text: text}
    column = plain["schema"]["columns"][0]
    column["name"], column["dtype"], column["kind"] = text, text, "text"
    column["numbers"] = None
    column["categories"] = {"values": [text], "shares": [1.0], "is_whole": True}
    plain["parameters"] = {text: text}
    write(path, plain)
    found = card(path)
    assert all(character.isprintable() or character == "\n" for character in found)
    page = Page(found)
    assert page.headings == HEADINGS
    assert {len(row) for row in page.rows} <= {2, 3, 6}
    allowed = "h1 h2 p em code ul li table thead tbody tr th td blockquote br"
    names = {tag.removeprefix("/") for tag in page.tags}
    assert names <= {*allowed.split(), "details", "summary"}
    assert page.tags.count("details") == page.tags.count("/details") == 1


def test_hostile_column_name_is_readable(tmp_path):
    table = pd.DataFrame({"a|b`c": [1.0, 2.0], "<b>": [1.0, 2.0], "e\x1b[2J": 0.0})
    save({}, tmp_path / "a.joblib", X=table)
    page = Page(card(tmp_path / "a.joblib"))
    assert page.row("a|b`c")[0] == "number"
    assert page.row("<b>")[0] == "number"
    assert page.row(r"'e\x1b[2J'")[0] == "number"


def test_long_texts_are_cut(tmp_path):
    table = pd.DataFrame({"a" * 100: [1.0, 2.0]})
    save({}, tmp_path / "a.joblib", X=table)
    assert Page(card(tmp_path / "a.joblib")).row("a" * 59 + "…")


def test_nothing_is_loaded(tmp_path, monkeypatch):
    save(make_pipeline(OneHotEncoder()), tmp_path / "a.joblib")

    def refuse(*_arguments):
        raise AssertionError

    for name in ("joblib_file", "skops_file"):
        monkeypatch.setattr(f"torch_binary_classifier.persistence.{name}.load", refuse)
    assert "OneHotEncoder" in card(tmp_path / "a.joblib")
    with pytest.raises(ModelFileError):
        load(tmp_path / "a.joblib")


@pytest.mark.parametrize("model", [3, {}, network()], ids=["int", "dict", "unfitted"])
def test_what_has_no_card(model):
    with pytest.raises(ValueError, match="model must be the path of a model file or"):
        card(model)


def test_file_without_a_manifest_has_no_card(tmp_path):
    joblib.dump({}, tmp_path / "a.joblib")
    with pytest.raises(ModelFileError, match=r"classifier\.save wrote, got one that"):
        card(tmp_path / "a.joblib")


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", {}), ("steps", 3), ("training", {}), ("examples", {"scores": [1]})],
)
def test_manifest_of_another_structure_is_refused(tmp_path, manifest, key, value):
    write(tmp_path / "a.joblib", manifest | {key: value})
    with pytest.raises(ModelFileError, match=r"a\.joblib must have a manifest of the"):
        card(tmp_path / "a.joblib")
