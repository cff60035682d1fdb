"""The commands, as their users meet them: files, streams and exit codes."""

import errno
import io
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from torch_binary_classifier import progress
from torch_binary_classifier.cli import inspect
from torch_binary_classifier.cli.main import main

N_ROWS = 80
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    """Return an empty working folder with a table of two classes."""
    monkeypatch.chdir(tmp_path)
    age = rng.normal(50, 10, size=N_ROWS)
    table = pd.DataFrame(
        {
            "age": age,
            "member": rng.choice([True, False], size=N_ROWS),
            "city": rng.choice(["Oslo", "Bergen", None], size=N_ROWS),
            "code": rng.choice([1, 2, 3], size=N_ROWS),
            "nothing": np.nan,
            "bought": np.where(age + rng.normal(size=N_ROWS) > 50, "yes", "no"),
        }
    )
    table.loc[3, "age"] = np.nan
    table.to_csv("people.csv", index=False)
    table.to_parquet("people.parquet", index=False)
    return tmp_path


@pytest.fixture
def model(folder):
    """Return the path of a model of the table's ages."""
    table = pd.read_csv("people.csv").dropna(subset=["age"])
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    joblib.dump(pipe.fit(table[["age"]], table["bought"]), "model.joblib")
    pd.DataFrame({"age": [40.0, 60.0]}).to_csv("new.csv", index=False)
    return folder / "model.joblib"


@pytest.fixture
def run(capsys):
    """Return a function that runs a command: exit code, output, errors."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def held_out_table(out):
    """Return the held-out metrics of a report, by name of the classifier."""
    lines = out.splitlines()
    start = next(n for n, line in enumerate(lines) if "log-loss       AUC" in line)
    rows = [line.rsplit(maxsplit=3) for line in lines[start + 1 : start + 4]]
    return {name.strip(): [float(value) for value in values] for name, *values in rows}


def models_in(folder):
    return sorted(path.name for path in (folder / "models").iterdir())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_train_saves_a_pipeline_that_scores_its_table(folder, run, suffix):
    code, out, err = run("train", f"people.{suffix}", "--target", "bought")
    assert (code, err) == (0, "")
    assert models_in(folder) == ["people.joblib"]
    assert out.splitlines()[-1] == (
        f"Saved {Path('models/people.joblib')}, "
        "fitted on the 60 rows that were not held out"
    )
    code, out, err = run("score", "models/people.joblib", f"people.{suffix}",
                         "--out", "scored.csv")  # fmt: skip
    assert (code, err) == (0, "")
    assert "Ignored columns: 'nothing', 'bought'" in out
    scored = pd.read_csv("scored.csv")
    right = scored["prediction"] == pd.read_csv("people.csv")["bought"]
    assert right.mean() > 0.8


@pytest.mark.usefixtures("folder")
def test_train_reports_what_it_read(run):
    _, out, _ = run("train", "people.csv", "--target", "bought")
    assert "Read 80 rows of people.csv (" in out
    assert "3 numeric and 1 categorical columns" in out


@pytest.mark.usefixtures("folder")
def test_train_sets_its_metrics_beside_baselines(run):
    _, out, _ = run("train", "people.csv", "--target", "bought")
    metrics = held_out_table(out)
    assert list(metrics) == ["this pipeline", "logistic regression", "prior only"]
    assert metrics["prior only"][1] == 0.5
    assert metrics["this pipeline"][0] < 0.8 * metrics["prior only"][0]
    assert "On 20 rows held out" in out


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.usefixtures("folder")
def test_train_holds_out_the_same_share_of_each_class(run, seed):
    table = pd.read_csv("people.csv")
    table["bought"] = ["yes"] * 12 + ["no"] * (N_ROWS - 12)
    table.to_csv("people.csv", index=False)
    _, out, _ = run("train", "people.csv", "--target", "bought", "--seed", seed)
    accuracy = held_out_table(out)["prior only"][2]
    assert accuracy == pytest.approx(17 / 20)


@pytest.mark.usefixtures("folder")
def test_train_takes_codes_as_texts_and_leaves_columns_out(run):
    code, out, _ = run("train", "people.csv", "--target", "bought",
                       "--categorical", "code", "--drop", "member", "--drop", "city",
                       "--out", "other.joblib")  # fmt: skip
    assert code == 0
    assert "1 numeric and 1 categorical columns" in out
    names = joblib.load("other.joblib").feature_names_in_.tolist()
    assert names == ["age", "code"]


@pytest.mark.usefixtures("folder")
def test_train_gives_the_same_bits_for_the_same_seed(run):
    outs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("train", "people.csv", "--target", "bought", "--seed", seed,
            "--out", f"{name}.joblib")  # fmt: skip
        outs.append(joblib.load(f"{name}.joblib")["clf"].coefs_[0])
    np.testing.assert_array_equal(outs[0], outs[1])
    assert not np.array_equal(outs[0], outs[2])


@pytest.mark.usefixtures("folder")
def test_train_searches_a_grid(run, monkeypatch):
    grid = {"clf__alpha": [0.01, 100.0], "clf__max_iter": [20]}
    monkeypatch.setattr(
        "torch_binary_classifier.cli.training.default_grid", lambda: grid
    )
    code, out, err = run("train", "people.csv", "--target", "bought", "--grid")
    assert (code, err) == (0, "")
    assert "Best: alpha=0.01, max_iter=20" in out
    assert joblib.load("models/people.joblib")["clf"].alpha == 0.01


@pytest.mark.usefixtures("folder")
def test_train_names_columns_that_may_not_be_meant_as_texts(run):
    table = pd.read_csv("people.csv")
    table["id"] = [f"person {number}" for number in range(N_ROWS)]
    table["code"] = ["?", *table["code"].astype(str)[1:]]
    table.to_csv("people.csv", index=False)
    _, out, _ = run("train", "people.csv", "--target", "bought")
    assert "column 'id' holds 80 different texts, of which the 63 most frequent" in out
    assert "column 'code' is taken for text, because row 0" in out
    assert "'city'" not in out


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("absent", [], "--target must be a column of people.csv, got 'absent'"),
        (
            "age",
            [],
            "column 'age' of people.csv must have a label in every row, got no",
        ),
        ("code", [], "must hold two classes, got 3: 1, 2, 3."),
        ("bought", ["--drop", "x"], "--drop must be a column of people.csv, got 'x'"),
        ("bought", ["--categorical", "x"], "--categorical must be a column of"),
        (
            "bought",
            [f"--drop={name}" for name in ("age", "member", "city", "code")],
            "people.csv must have a column to learn from, got none with values",
        ),
    ],
    ids=["unknown", "empty", "three", "drop", "categorical", "none"],
)
def test_train_refuses_unfit_tables(folder, run, target, options, message):
    code, _, err = run("train", "people.csv", "--target", target, *options)
    assert code == 3
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (folder / "models").exists()


@pytest.mark.usefixtures("folder")
def test_train_refuses_a_rare_class(run):
    table = pd.read_csv("people.csv")
    table["bought"] = ["yes"] * 9 + ["no"] * (N_ROWS - 9)
    table.to_csv("people.csv", index=False)
    code, _, err = run("train", "people.csv", "--target", "bought")
    assert code == 3
    assert "must hold each class in at least 10 rows, got 9 of 'yes'." in err


@pytest.mark.usefixtures("folder")
def test_train_looks_at_its_folder_before_it_works(run):
    code, out, err = run("train", "people.csv", "--target", "bought",
                         "--out", "absent/model.joblib")  # fmt: skip
    assert (code, out) == (4, "")
    assert "absent/model.joblib must lie in a folder that exists" in err


def test_train_reports_a_models_folder_that_cannot_be(folder, run):
    (folder / "models").write_text("a file")
    code, _, err = run("train", "people.csv", "--target", "bought")
    assert code == 4
    assert "models must be a folder, got File exists." in err


def test_score_writes_rows_probabilities_and_predictions(model, run):
    code, out, err = run("score", model, "new.csv", "--out", "scored.csv")
    assert (code, err) == (0, "")
    assert out == "Scored 2 rows of new.csv into scored.csv\n"
    scored = pd.read_csv("scored.csv")
    expected = joblib.load(model).predict_proba(pd.read_csv("new.csv"))[:, 1]
    np.testing.assert_array_equal(scored["probability"], expected)
    assert scored["_row"].tolist() == [0, 1]
    assert scored["prediction"].tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["absent.joblib", "new.csv"],
            "absent.joblib must be a model file, got no file",
        ),
        (["new.csv", "new.csv"], "new.csv must be a joblib file, got one of another"),
        (["model.joblib", "absent.csv"], "absent.csv must be a file, got no file"),
        (
            ["model.joblib", "bad.csv"],
            "column 'age' of bad.csv must hold numbers, got 'x'",
        ),
        (["model.joblib", "model.joblib"], "model.joblib must end in .csv, .csv.gz"),
    ],
    ids=["no model", "not a model", "no table", "bad cell", "not a table"],
)
def test_score_refuses_unfit_input(model, run, arguments, message):
    model.with_name("bad.csv").write_text("age\nx\n")
    code, out, err = run("score", *arguments, "--out", "scored.csv")
    assert (code, out) == (3, "")
    assert err.startswith(f"torch-binary-classifier: error: {message}")
    assert len(err.splitlines()) == 1
    assert not model.with_name("scored.csv").exists()


def test_score_reports_a_missing_folder(model, run):
    code, _, err = run("score", model, "new.csv", "--out", "absent/scored.csv")
    assert code == 4
    assert "absent/scored.csv must lie in a folder that exists" in err


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.usefixtures("folder")
def test_train_does_not_overwrite_its_input(run, link):
    link(Path("link.joblib"), "people.csv")
    before = Path("people.csv").read_bytes()
    code, _, err = run("train", "people.csv", "--target", "bought",
                       "--out", "link.joblib")  # fmt: skip
    assert code == 2
    assert "argument --out: must be no input, got 'link.joblib'" in err
    assert Path("people.csv").read_bytes() == before


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("target", ["model.joblib", "new.csv"])
@pytest.mark.usefixtures("model")
def test_score_does_not_overwrite_what_a_link_leads_to(run, link, target):
    link(Path("link.csv"), target)
    code, _, err = run("score", "model.joblib", "new.csv", "--out", "link.csv")
    assert code == 2
    assert "argument --out: must be no input, got 'link.csv'" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("loop", "new.csv", "--out", "scored.csv"), 3),
        (("model.joblib", "loop.csv", "--out", "scored.csv"), 3),
        (("model.joblib", "new.csv", "--out", "loop.csv"), 4),
    ],
)
@pytest.mark.usefixtures("model")
def test_links_that_lead_nowhere_are_told(run, arguments, code):
    for name in ("loop", "loop.csv"):
        Path(name).symlink_to(name)
    found, out, err = run("score", *arguments)
    assert (found, out) == (code, "")
    assert "got Too many levels of symbolic links." in err


def test_score_does_not_overwrite_its_input(model, run):
    before = Path("new.csv").read_bytes()
    code, _, err = run("score", model, "new.csv", "--out", "./new.csv")
    assert code == 2
    assert "argument --out: must be no input, got 'new.csv'" in err
    assert Path("new.csv").read_bytes() == before


@pytest.fixture
def city_model(folder):
    """Return the path of a model of cities, whose function sees the code."""
    table = pd.read_csv("people.csv").fillna({"city": "Oslo"})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (FunctionTransformer(np.sqrt), ["code"]),
    )
    pipe = make_pipeline(columns, LogisticRegression())
    joblib.dump(pipe.fit(table, table["bought"]), "model.joblib")
    return folder / "model.joblib"


def test_score_warns_of_cells_that_training_never_saw(city_model, run):
    Path("new.csv").write_text("city,code,\nOslo,1,0\nRome,4,0\n,9,0\nOslo,1,0\n")
    code, out, err = run("score", city_model, "new.csv", "--out", "s.csv", "--strict")
    assert code == 0
    assert out == (
        "Ignored columns: ''\n"
        "Note: read as the file says, because the model does not tell: 'code'\n"
        "Scored 4 rows of new.csv into s.csv\n"
    )
    assert err == (
        "torch-binary-classifier: warning: column 'city' has cells new to the model: "
        "25% hold categories never seen in training, 25% are missing "
        "(in training none was missing).\n"
    )


def test_score_refuses_a_strange_table_if_strict(city_model, run):
    Path("new.csv").write_text("city,code\nRome,1\nPisa,1\n")
    code, out, err = run("score", city_model, "new.csv", "--out", "s.csv", "--strict")
    assert (code, out) == (3, "")
    assert "new.csv must hold cells that the model knows in every column" in err
    assert "column 'city' has no cell that the model knows: 100% hold" in err
    assert not Path("s.csv").exists()
    code, _, warning = run("score", city_model, "new.csv", "--out", "s.csv")
    assert code == 0
    assert "warning: column 'city' has no cell that the model knows" in warning
    assert Path("s.csv").exists()


def test_inspect_tells_how_each_column_is_read(city_model, run):
    _, out, _ = run("inspect", city_model)
    assert (
        "columns    6: age (dropped), member (dropped), city (text), "
        "code (as the file says), nothing (dropped), bought (dropped)\n"
    ) in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["train", "people.csv"], "the following arguments are required: --target"),
        (["score", "m.joblib", "new.csv"], "arguments are required: --out"),
        (
            ["score", "m.joblib", "new.csv", "--out", "s.xlsx"],
            "must end in .csv, .parq",
        ),
        (["train", "d.csv", "--target=y", "--out=d.csv"], "must end in .joblib, got"),
        (
            ["train", "d.csv", "--target=y", "--seed=-1"],
            "must be a whole number from 0",
        ),
        (["train", "d.csv", "--target=y", "--seed=4294967296"], "to 2**32 - 1, got"),
        (["inspect"], "the following arguments are required: MODEL"),
    ],
    ids=lambda value: " ".join(value)[:25] if isinstance(value, list) else "",
)
def test_unfit_arguments_end_with_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: torch-binary-classifier")
    assert message in err


@pytest.mark.usefixtures("folder")
def test_inspect_describes_a_network(run):
    run("train", "people.csv", "--target", "bought")
    code, out, err = run("inspect", "models/people.joblib")
    assert (code, err) == (0, "")
    facts = {line[:16].strip(): line[16:].strip() for line in out.splitlines()}
    size = Path("models/people.joblib").stat().st_size
    assert facts["file"] == f"{Path('models/people.joblib')}, {size} bytes"
    assert facts["steps"] == "columns (ColumnTransformer), clf (TorchBinaryClassifier)"
    assert facts["classes"] == "'no', 'yes'; probability of 'yes'"
    assert facts["columns"] == "4: age, member, city (text), code"
    assert facts["layers"] == "6-100-1"
    assert facts["members"] == "5"
    clf = joblib.load("models/people.joblib")["clf"]
    assert facts["epochs"] == str(clf.n_iter_)
    assert facts["best loss"] == f"{clf.best_loss_:.4f}"
    assert facts["validation loss"].startswith(f"{clf.validation_loss_curve_[-1]:.4f}")
    assert f"numpy {np.__version__}" in facts["installed"]


def test_inspect_describes_other_models(model, run):
    code, out, _ = run("inspect", model)
    assert code == 0
    assert "logisticregression (LogisticRegression)" in out
    assert "layers" not in out


def test_inspect_describes_a_search(model, run):
    from sklearn.model_selection import GridSearchCV

    table = pd.read_csv("people.csv").dropna(subset=["age"])
    search = GridSearchCV(joblib.load(model), {"logisticregression__C": [1.0]}, cv=2)
    joblib.dump(search.fit(table[["age"]], table["bought"]), model)
    _, out, _ = run("inspect", model)
    assert "holds      GridSearchCV" in out
    assert "best       C=1.0" in out


def test_inspect_copes_with_what_is_no_classifier(model, run):
    joblib.dump({"a": 1}, model)
    code, out, _ = run("inspect", model)
    assert code == 0
    assert "holds      dict" in out
    assert "columns    unknown: model must be a fitted binary classifier" in out


def test_inspect_refuses_a_damaged_file(model, run):
    model.write_bytes(model.read_bytes()[:100])
    code, out, err = run("inspect", model)
    assert (code, out) == (3, "")
    assert "model.joblib must be a whole joblib file" in err


def test_demo_trains_saves_and_scores_in_another_process(folder, monkeypatch, run):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    saved, held_out, scored = out.splitlines()[-3:]
    model_path, scored_path = saved.split()[-1], scored.split()[-1]
    assert held_out.startswith("Held out: log-loss 0.0")
    metrics = held_out_table(out)
    assert metrics["this pipeline"][1] > 0.98
    assert list(metrics) == ["this pipeline", "logistic regression", "prior only"]
    assert "Same scores as in this process, bit for bit: True" in out
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
    code, _, err = run("demo")
    assert code == 4
    assert "error: the other process must end with code 0, got 3: first second\n" in err


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_progress_rewrites_a_line_on_a_terminal(model, monkeypatch):
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0.0)
    stream = Terminal()
    assert main(["score", str(model), "new.csv", "--out", "out.csv"], stream) == 0
    drawn, report = stream.getvalue().rsplit("\x1b[2K", 1)
    assert "\r\x1b[2K2 rows scored, 100% of the file" in drawn
    assert report == "Scored 2 rows of new.csv into out.csv\n"


def test_progress_in_a_log_is_plain_lines(model, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    stream = io.StringIO()
    assert main(["score", str(model), "new.csv", "--out", "out.csv"], stream) == 0
    assert stream.getvalue() == (
        "2 rows scored, 100% of the file\nScored 2 rows of new.csv into out.csv\n"
    )


def failing_stream(error):
    """Return a stream that cannot be written to."""

    class Full(io.StringIO):
        def write(self, _text):
            raise error

    return Full()


def test_full_output_stream_is_code_4(model, capsys):
    stream = failing_stream(OSError(errno.ENOSPC, "No space left on device"))
    assert main(["inspect", str(model)], stream) == 4
    expected = "error: the output must be writable, got No space left on device."
    assert expected in capsys.readouterr().err


def test_closed_pipe_is_code_4_without_a_word(model, capsys):
    assert main(["inspect", str(model)], failing_stream(BrokenPipeError())) == 4
    assert capsys.readouterr().err == ""


def test_interruption_is_code_130(model, monkeypatch, run):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "run", interrupt)
    assert run("inspect", model) == (
        130, "", "torch-binary-classifier: error: Interrupted.\n",
    )  # fmt: skip


def test_warnings_take_one_line(model, monkeypatch, run):
    def warn(*_, **__):
        warnings.simplefilter("always")
        warnings.warn("first\nsecond", stacklevel=1)

    monkeypatch.setattr(inspect, "run", warn)
    expected = "torch-binary-classifier: warning: first second\n"
    assert run("inspect", model) == (0, "", expected)


def in_new_process(code, **options):
    """Run code with the package importable and the usual buffers."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        check=False,
        **options,
    )


@pytest.mark.usefixtures("folder")
def test_what_needs_no_torch_imports_none(run):
    run("train", "people.csv", "--target", "bought", "--out", "model.joblib")
    code = """
        import sys
        from torch_binary_classifier.cli.main import main

        for arguments in (["--help"], ["score", "--help"], ["train"]):
            try:
                main(arguments)
            except SystemExit:
                pass
        assert not {"numpy", "sklearn", "torch"} & set(sys.modules)
        assert main(["score", "model.joblib", "people.csv", "--out", "s.csv"]) == 0
        assert main(["inspect", "model.joblib"]) == 0
        assert "sklearn" in sys.modules
        assert "torch" not in sys.modules
    """
    done = in_new_process(code, stdout=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs /dev/full and rlimits"
)
def test_full_disk_is_code_4(model):
    code = f"""
        import resource, sys
        from torch_binary_classifier import persistence, scoring
        from torch_binary_classifier.cli.main import main

        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
        assert main(["score", {str(model)!r}, "new.csv", "--out", "scored.csv"]) == 4
        sys.exit(main(["inspect", {str(model)!r}]))
    """
    with Path("/dev/full").open("w") as full:
        done = in_new_process(code, stdout=full)
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        "torch-binary-classifier: error: scored.csv must be writable, "
        "got File too large.",
        "torch-binary-classifier: error: the output must be writable, "
        "got No space left on device.",
    ]
    assert not model.with_name("scored.csv").exists()
    assert not list(model.parent.glob(".*"))
