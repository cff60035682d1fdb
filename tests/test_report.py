"""The page of a report: what is on it, that it is whole, and that it needs no other."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from matplotlib import style
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from builders import pipe
from torch_binary_classifier import OutputError, load, report, save
from torch_binary_classifier.positive import PositiveClassifier, with_positive
from torch_binary_classifier.report_page import parts, scores
from torch_binary_classifier.report_page.measures import (
    Counts,
    counts_of,
    importances_of,
    metrics_of,
    metrics_on,
    tuned_threshold,
)
from torch_binary_classifier.report_page.subject import LOGISTIC, PRIOR, subject_of

VOID = {"meta", "link"}
ALL = [
    "Scores",
    "Ranking",
    "Calibration",
    "Decisions",
    "Importance of columns",
    "Data",
    "Input scale",
    "Training",
]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)


class Page(HTMLParser):
    """The headings, tables, ids, links and words of a page that is well formed."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.open, self.headings, self.rows = [], [], []
        self.ids, self.links, self.words = Counter(), [], []
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        for name, value in attributes:
            if name == "id":
                self.ids[value] += 1
            elif name in ("href", "src", "xlink:href", "action", "data"):
                self.links.append(value)
            self.links += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        place = self.open[-1] if self.open else ""
        if place == "h2":
            self.headings.append(data)
        elif place in ("td", "th"):
            self.rows[-1].append(data)
        if place not in ("style", "title"):
            self.words.append(data)

    @property
    def shown(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(160, 3)), columns=["age", "$ <b>", "dose"])
    noise = generator.normal(size=160)
    return X, np.where(X["age"] + noise > 0, "yes", "no")


@pytest.fixture(scope="module")
def network(table):
    return pipe(early_stopping=True).fit(table[0][:100], table[1][:100])


@pytest.fixture(scope="module")
def written(table, network, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    report(network, table[0][100:], table[1][100:], path)
    return path


@pytest.fixture
def undrawn(monkeypatch):
    """Leave pictures out, which take most of the time."""
    for module in (parts, scores):
        monkeypatch.setattr(module, "drawn", lambda *_, **__: "<svg></svg>")


@pytest.fixture
def unseen(table):
    return table[0][100:], table[1][100:]


def test_page_has_all_parts_of_a_network(written):
    page = Page(written)
    assert page.headings == ALL
    assert page.text.count("<svg ") == 7
    assert "How it tells yes from no on 60 rows." in page.shown
    assert "This holds only if these rows had no part in its training" in page.shown


def test_page_needs_nothing_beside_itself(written):
    page = Page(written)
    assert not re.findall(r"https?:|//|@import|<script|xmlns", page.text.lower())
    outward = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert outward == []
    assert {link[1:] for link in page.links if link[0] == "#"} <= set(page.ids)
    assert set(page.ids.values()) == {1}
    assert page.text.count("<style") == 1


def test_page_has_no_colour_that_a_dark_screen_hides(written):
    text = Page(written).text
    pictures = "".join(re.findall(r"<svg .*?</svg>", text, re.DOTALL))
    assert "var(--ink)" in pictures
    colours = set(re.findall(r"#[0-9a-f]{6}\b", pictures))
    assert colours == {"#808080"}
    assert "prefers-color-scheme: dark" in text


def test_names_are_shown_and_not_obeyed(written):
    page = Page(written)
    assert "<b>" not in page.text
    assert ["$ <b>", "number", "none", "60"] in [row[:4] for row in page.rows]
    assert "$ &lt;b&gt;" in re.findall(r"<text[^>]*>([^<]*)</text>", page.text)


def test_same_page_for_the_same_rows_in_any_style(written, network, unseen, tmp_path):
    with style.context(["dark_background", "ggplot"]):
        report(network, *unseen, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == written.read_bytes()
    report(network, unseen[0][1:], unseen[1][1:], tmp_path / "other.html")
    assert (tmp_path / "other.html").read_bytes() != written.read_bytes()


def test_scores_are_those_of_scikit_learn(written, network, unseen):
    X, y = unseen
    shares, truth = network.predict_proba(X)[:, 1], y == "yes"
    expected = [log_loss(truth, shares), brier_score_loss(truth, shares)]
    expected += [roc_auc_score(truth, shares)]
    rows = {row[0]: row[1:] for row in Page(written).rows if len(row) == 8}
    assert rows["this model"][:3] == [f"{value:.4f}" for value in expected]
    assert list(rows) == ["this model", LOGISTIC, PRIOR]


def test_rivals_of_these_rows_have_not_seen_the_row_they_score(network, unseen):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=unseen[0].columns)
    subject = subject_of(network, X, unseen[1], None)  # nothing to learn
    assert roc_auc_score(subject.is_positive, subject.rivals[LOGISTIC]) < 0.7
    prior = subject.rivals[PRIOR]
    np.testing.assert_allclose(prior, subject.is_positive.mean(), atol=0.02)


@pytest.mark.usefixtures("undrawn")
def test_given_rivals_are_compared_with(network, table, unseen, tmp_path):
    X, y = table[0][:100], table[1][:100]
    trees = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
    path = tmp_path / "report.html"
    report(network, *unseen, path, rivals={"<trees>": trees})
    page = Page(path)
    rows = {row[0]: row for row in page.rows if len(row) == 8}
    expected = log_loss(unseen[1] == "yes", trees.predict_proba(unseen[0])[:, 1])
    assert rows["<trees>"][1] == f"{expected:.4f}"
    assert rows["<trees>"][5] == f"{trees.score(*unseen):.4f}"
    assert LOGISTIC not in rows
    assert "were given, fitted, with the model" in page.shown


@pytest.mark.usefixtures("undrawn")
def test_a_model_worse_than_a_simple_one_is_told_so(unseen, tmp_path):
    X, y = unseen
    wrong = LogisticRegression().fit(X, y[::-1])
    report(wrong, X, y, tmp_path / "wrong.html")
    warning = "On these rows the lower log-loss is that of the class frequencies alone:"
    assert warning in Page(tmp_path / "wrong.html").shown
    report(LogisticRegression().fit(X, y), X, y, tmp_path / "right.html")
    assert "the lower log-loss is that of" not in Page(tmp_path / "right.html").shown


def test_decisions_are_those_of_the_model_and_of_the_best_threshold(
    written, network, unseen
):
    X, y = unseen
    truth, scores = y == "yes", network.predict_proba(X)[:, 1]
    own = counts_of(truth, network.predict(X) == "yes")
    best = counts_of(truth, scores >= tuned_threshold(truth, scores))
    rows = [row for row in Page(written).rows if len(row) == 3 and row[0] != "Rows of"]
    assert rows == [
        [label, *map(str, counts)]
        for one in (own, best)
        for label, counts in {
            "no": (one.rejections, one.false_alarms),
            "yes": (one.misses, one.hits),
        }.items()
    ]


def test_threshold_is_the_best_of_all_scores(rng):
    truth = rng.integers(0, 2, size=50).astype(bool)
    scores = rng.integers(0, 9, size=50) / 9 + 0.2 * truth

    def gain(threshold):
        return counts_of(truth, scores >= threshold).shares["Balanced accuracy"]

    assert gain(tuned_threshold(truth, scores)) == max(map(gain, scores))
    assert max(map(gain, scores)) > gain(np.median(scores))


def test_shares_of_counts():
    shares = Counts(hits=3, misses=1, false_alarms=1, rejections=4).shares
    assert shares == {
        "Recall": 0.75,
        "Specificity": 0.8,
        "Precision": 0.75,
        "Balanced accuracy": 0.775,
    }
    assert np.isnan(Counts(0, 1, 0, 1).shares["Precision"])


@pytest.mark.usefixtures("undrawn")
def test_a_tuned_threshold_is_named(table, unseen, tmp_path):
    model = TunedThresholdClassifierCV(LogisticRegression()).fit(*table)
    report(model, *unseen, tmp_path / "report.html")
    told = f"by its tuned threshold of {model.best_threshold_:.4g}"
    assert told in Page(tmp_path / "report.html").shown


def test_the_column_that_decides_is_the_most_important(network, table):
    found = importances_of(subject_of(network, *table, None))
    assert found.losses.shape == (3, 10)
    assert found.losses.mean(axis=1).argmax() == 0
    assert (found.n_rows, found.loss_name) == (160, "log-loss")


def test_the_most_important_column_is_on_top(written):
    text = written.read_text(encoding="utf-8")
    picture = text[text.index('aria-label="Permutation importance"') :]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture[: picture.index("</svg>")])
    assert next(one for one in texts if one in ("age", "dose", "$ &lt;b&gt;")) == "age"


def test_importance_is_of_some_rows_of_both_classes(rng):
    X = rng.normal(size=(3000, 2))
    y = np.arange(3000) == 2999
    model = LogisticRegression().fit(X, y)
    found = importances_of(subject_of(model, X, y, {}))
    assert found.n_rows in (1000, 1001, 1002)


def test_importance_is_left_out_of_the_widest_tables_and_sparse_ones(rng):
    X = rng.normal(size=(40, 2001))
    y = np.arange(40) < 20
    model = LogisticRegression().fit(X, y)
    assert importances_of(subject_of(model, X, y, {})) is None
    sparse = scipy.sparse.csr_array(X[:, :2])
    model = LogisticRegression().fit(sparse, y)
    assert importances_of(subject_of(model, sparse, y, {})) is None
    assert importances_of(subject_of(model, X[:, :2], y, {})) is not None


@pytest.mark.parametrize(
    ("model", "left_out"),
    [
        (LogisticRegression(), {"Training"}),
        (LinearSVC(), {"Training", "Scores", "Calibration"}),
        (DummyClassifier(), {"Training"}),
    ],
)
def test_other_classifiers_have_the_parts_that_apply(unseen, tmp_path, model, left_out):
    model = make_pipeline(StandardScaler(), model).fit(*unseen)
    report(model, *unseen, tmp_path / "report.html")
    found = Page(tmp_path / "report.html").headings
    assert found == [part for part in ALL if part not in left_out]


@pytest.mark.usefixtures("undrawn")
def test_a_classifier_of_labels_alone_has_its_decisions(unseen, tmp_path):
    class Guess:
        classes_ = np.array(["no", "yes"])

        def predict(self, X):
            return np.where(X["age"] > 0, "yes", "no")

    report(Guess(), *unseen, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert page.headings == ["Decisions", "Data", "Input scale"]
    assert page.shown.startswith("Report on a Guess ")


@pytest.mark.usefixtures("undrawn")
def test_texts_and_lists_of_rows_are_scored_without_their_scale(tmp_path):
    class Words:
        classes_ = np.array([False, True])

        def predict(self, X):
            return np.array(["good" in text for text in X])

    texts = ["good", "bad", "not good", "so bad"]
    report(Words(), texts, [True, False, True, False], tmp_path / "report.html")
    assert Page(tmp_path / "report.html").headings == ["Decisions", "Data"]


@pytest.mark.usefixtures("undrawn")
def test_the_probability_is_that_of_the_second_class(network, unseen, tmp_path):
    turned = with_positive(network, "no")
    assert type(turned[-1]) is PositiveClassifier
    subject = subject_of(turned, *unseen, {"as it was": network})
    np.testing.assert_allclose(subject.scores, network.predict_proba(unseen[0])[:, 0])
    np.testing.assert_allclose(subject.rivals["as it was"], subject.scores)
    assert (subject.is_positive == (unseen[1] == "no")).all()
    report(turned, *unseen, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert "How it tells no from yes" in page.shown
    assert "Training" in page.headings


@pytest.mark.usefixtures("undrawn")
def test_a_search_has_its_candidates(unseen, tmp_path):
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(*unseen)
    report(search, *unseen, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert "Search" in page.headings
    assert f"The best: C={search.best_params_['C']}." in page.shown


@pytest.mark.usefixtures("undrawn")
def test_a_loaded_model_tells_what_its_file_says(network, unseen, tmp_path):
    save(network, tmp_path / "a.joblib", metrics={"AUC": 0.75}, notes="<of me>")
    loaded = load(tmp_path / "a.joblib")
    report(loaded, *unseen, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert page.headings == [*ALL, "Saved model"]
    for word in ("<of me>", "AUC in the file", "0.7500", loaded._manifest["created"]):
        assert word in page.words
    assert ["clf__max_iter", "4"] in page.rows


@pytest.mark.usefixtures("undrawn")
def test_findings_of_the_fit_are_shown(network, unseen, tmp_path):
    network[-1].fit_report_ = [
        {"what": what, "message": message, "figures": {}}
        for what, message in (("diverging", "The loss <rose>."), ("gap", "As text."))
    ]
    try:
        report(network, *unseen, tmp_path / "report.html")
    finally:
        del network[-1].fit_report_
    page = Page(tmp_path / "report.html")
    assert page.headings[1] == "Findings of the fit"
    assert {"The loss <rose>.", "As text."} <= set(page.words)


@pytest.mark.usefixtures("undrawn")
def test_gaps_categories_and_dates_are_told(tmp_path):
    X = pd.DataFrame(
        {
            "age": [1.0, None, 3.0, 4.0] * 10,
            "city": ["Oslo", "Rome"] * 20,
            "day": pd.date_range("2026-01-01", periods=40),
        }
    )
    model = DummyClassifier().fit(X, [0, 1] * 20)
    report(model, X, [0, 1] * 20, tmp_path / "report.html")
    rows = {row[0]: row[1:] for row in Page(tmp_path / "report.html").rows}
    assert rows["age"] == ["number", "25 %", "3", "1 to 4"]
    assert rows["city"] == ["text", "none", "2"]
    assert rows["day"][-1].startswith("2026-01-01")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(), "got LogisticRegression with none."),
        (
            LogisticRegression().fit(np.eye(3), [0, 1, 2]),
            "got LogisticRegression with 0, 1, 2.",
        ),
        (StandardScaler().fit(np.eye(3)), "got StandardScaler with none."),
    ],
)
def test_what_is_no_fitted_classifier_of_two_classes_is_refused(
    tmp_path, model, message
):
    rule = "model must be a fitted classifier of two classes, "
    with pytest.raises(ValueError, match=f"^{re.escape(rule + message)}$"):
        report(model, np.eye(3), [0, 1, 0], tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], "y must be 3 labels, one per row of X, got shape (2,)."),
        (
            [0, 0, 0],
            "y must hold both labels of the model, 0, 1, and no other, got 0.",
        ),
        (
            [0, 1, 2],
            "y must hold both labels of the model, 0, 1, and no other, got 0, 1, 2.",
        ),
    ],
)
def test_labels_must_be_those_of_the_model_for_each_row(tmp_path, y, message):
    model = LogisticRegression().fit(np.eye(3), [0, 1, 0])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        report(model, np.eye(3), y, tmp_path / "report.html")


def test_folder_is_looked_at_before_any_work(tmp_path):
    with pytest.raises(OutputError, match="must lie in a folder that exists"):
        report(None, None, None, tmp_path / "absent" / "report.html")


def test_a_failed_report_leaves_the_old_page(written, network, unseen, monkeypatch):
    before = written.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OutputError):
        report(network, *unseen, written)
    assert written.read_bytes() == before


def test_without_matplotlib_nothing_is_written(unseen, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError,
        match=r"^report must have matplotlib, got none\. Run "
        r"`pip install matplotlib`\.$",
    ):
        report(None, *unseen, tmp_path / "report.html")


def test_metrics_of_certain_probabilities():
    truth = np.array([False, True])
    metrics = metrics_of(truth, np.array([0.0, 1.0]), truth)
    perfect = {"AUC", "PR-AUC", "accuracy", "precision", "recall"}
    assert all(metrics[name] == 1 for name in perfect)
    assert metrics["Brier score"] == 0
    assert metrics["log-loss"] < 1e-10


def test_precision_is_not_told_where_no_row_is_taken_for_positive():
    truth = np.array([False, True])
    metrics = metrics_of(truth, np.array([0.1, 0.2]), np.array([False, False]))
    assert np.isnan(metrics["precision"])
    assert metrics["recall"] == 0


def test_metrics_are_those_of_the_positive_class(rng):
    x = rng.normal(size=200)
    y = np.where(x + rng.normal(size=200) > 0.5, "yes", "no")
    fitted = LogisticRegression().fit(x[:, None], y)
    probability = fitted.predict_proba(x[:, None])[:, 1]
    is_yes = y == "yes"
    metrics = metrics_on(fitted, x[:, None], y, "yes")
    losses = np.where(is_yes, -np.log(probability), -np.log1p(-probability))
    pairs = probability[is_yes][:, None] > probability[~is_yes]
    assert metrics["log-loss"] == pytest.approx(losses.mean())
    assert metrics["AUC"] == pytest.approx(pairs.mean())
    assert metrics["accuracy"] == pytest.approx(((probability > 0.5) == is_yes).mean())
    assert metrics["recall"] == pytest.approx((probability > 0.5)[is_yes].mean())
    other = metrics_on(fitted, x[:, None], y, "no", threshold=0.6)
    assert other["AUC"] == pytest.approx(metrics["AUC"])
    taken = 1 - probability >= 0.6
    assert other["recall"] == pytest.approx(taken[~is_yes].mean())
    assert other["precision"] == pytest.approx(~is_yes[taken] @ np.ones(taken.sum())
                                               / taken.sum())  # fmt: skip
    assert other["PR-AUC"] != pytest.approx(metrics["PR-AUC"])


@pytest.mark.usefixtures("folder")
def test_train_writes_a_report_of_the_rows_held_out(run):
    code, out, err = run("train", "people.csv", "--target", "bought",
                         "--report", "report.html")  # fmt: skip
    assert (code, err) == (0, "")
    assert "Wrote report.html\n" in out
    page = Page(Path("report.html"))
    assert "on 20 rows." in page.shown
    rows = {row[0]: row for row in page.rows if len(row) == 8}
    assert list(rows) == ["this model", "boosted trees", LOGISTIC, PRIOR]
    ours = re.search(r"^ +log-loss +(\S+)", out, re.MULTILINE)[1]
    assert rows["this model"][1] == ours


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--report", "a.txt"], 2, "argument --report: must end in .html, got 'a.txt'"),
        (["--report", "absent/a.html"], 4, "must lie in a folder that exists"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_train_refuses_unfit_reports(run, options, code, message):
    found, out, err = run("train", "people.csv", "--target", "bought", *options)
    assert (found, out) == (code, "")
    assert message in err


@pytest.mark.usefixtures("folder")
def test_train_asks_for_matplotlib_before_it_works(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = run("train", "people.csv", "--target", "bought",
                         "--report", "report.html")  # fmt: skip
    assert (code, out) == (2, "")
    assert "argument --report: must have matplotlib, got none." in err
    assert not Path("models").exists()


def browse(page, folder, *options):
    """Return what a browser printed, its errors, and the addresses it asked for."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-features=NetworkTimeServiceQuerying",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-first-run",
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--enable-logging=stderr",
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    events = [one.get("params", {}) for one in json.loads(log.read_text())["events"]]
    asked = {
        one["url"]
        for one in events
        # The browser's own requests have no page that they come from.
        if one.get("initiator", "not an origin") != "not an origin"
        and not one["url"].startswith(("file:", "data:"))
    }
    messages = re.findall(r"CONSOLE[^\n]*", done.stderr)
    return done.stdout, messages, asked


@pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium, or its path as CHROMIUM"
)
def test_a_browser_shows_the_page_without_errors_or_requests(written, tmp_path):
    shown, messages, asked = browse(written, tmp_path, "--dump-dom")
    assert (messages, asked) == ([], set())
    assert shown.count("<svg") == 7


@pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium, or its path as CHROMIUM"
)
def test_a_browser_tells_errors_and_requests(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<img src='http://127.0.0.1:9/x'><script>nothing()</script>")
    _, messages, asked = browse(page, tmp_path, "--dump-dom")
    assert any("nothing is not defined" in message for message in messages)
    assert "http://127.0.0.1:9/x" in asked
