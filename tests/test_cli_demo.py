"""The command `demo`: the whole way in two processes."""

import io
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.cli import demonstration

ROOT = Path(__file__).resolve().parents[1]


def test_demo_trains_saves_and_scores_in_another_process(folder, monkeypatch, run):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    held_out = " ".join(out[out.index("Held out: ") :].split())
    (saved,) = re.findall("^Saved: .+$", out, re.MULTILINE)
    scored = out.splitlines()[-1]
    model_path, scored_path = saved.split()[-1], scored.split()[-1]
    assert held_out.startswith("Held out: log-loss 0.0")
    assert float(re.search(r"AUC (\S+),", held_out)[1]) > 0.98
    losses = dict(re.findall(r"^  ([a-z ]+[a-z]) +(0\.\d+)$", out, re.MULTILINE))
    assert list(losses) == [
        "this pipeline",
        "boosted trees",
        "logistic regression",
        "prior only",
    ]
    assert min(losses, key=lambda name: float(losses[name])) == "this pipeline"
    assert "\n  logistic regression " in out
    assert "\n  prior only " in out
    assert "Same scores as in this process, bit for bit: True" in out
    (page,) = re.findall(r"^Report:   (.+)$", out, re.MULTILINE)
    assert ">Saved model</h2>" in Path(page).read_text(encoding="utf-8")
    pipe = joblib.load(folder / model_path)
    assert [name for name, _ in pipe.steps] == ["scale", "clf"]
    new = pd.read_csv("models/demo/new.csv")
    assert "diagnosis" not in new
    np.testing.assert_array_equal(
        pd.read_csv(scored_path)["probability"], pipe.predict_proba(new)[:, 1]
    )


@pytest.mark.usefixtures("folder")
def test_demo_reports_the_failure_of_the_other_process(monkeypatch, run):
    failed = subprocess.CompletedProcess([], 3, stdout="", stderr="first\nsecond\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    quick = StandardScaler(), TorchBinaryClassifier(n_members=2, max_iter=2)
    monkeypatch.setattr(
        demonstration, "_demo_candidates", lambda: (make_pipeline(*quick), [{}])
    )
    code, _, err = run("demo")
    assert code == 4
    assert "error: the other process must end with code 0, got 3: first second\n" in err


def test_demo_goes_on_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    stream = io.StringIO()
    files = demonstration._DemoFiles(tmp_path)
    monkeypatch.setattr(demonstration, "load", lambda _: None)
    demonstration._write_report(files, [], [], {}, stream)
    assert stream.getvalue() == (
        "No report: report must have matplotlib, got none. Run "
        "`pip install matplotlib`.\n"
    )
