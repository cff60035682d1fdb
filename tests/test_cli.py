"""The commands, as their users meet them: arguments, streams and exit codes."""

import errno
import io
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from torch_binary_classifier.cli import inspect
from torch_binary_classifier.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
SCORE = ["score", "m.joblib", "new.csv", "--out", "s.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["train", "people.csv"], "the following arguments are required: --target"),
        (["score", "m.joblib", "new.csv"], "arguments are required: --out"),
        (
            ["score", "m.joblib", "new.csv", "--out", "s.xlsx"],
            "argument --out: must end in .csv, .parquet, .pq, or be the name",
        ),
        (
            ["train", "d.csv", "--target=y", "--out=d.csv"],
            "must end in .joblib, .skops, got",
        ),
        (
            ["train", "d.csv", "--target=y", "--seed=-1"],
            "must be a whole number from 0",
        ),
        (["train", "d.csv", "--target=y", "--seed=4294967296"], "to 2**32 - 1, got"),
        (
            [*SCORE, "--threshold", "2"],
            "argument --threshold: must be a number from 0 to 1, got '2'",
        ),
        (
            [*SCORE, "--max-bad-records", "some"],
            "argument --max-bad-records: must be a whole number from 0 on, or a share",
        ),
        (
            [*SCORE, "--threads", "0"],
            "argument --threads: must be a whole number from 1 on, got '0'",
        ),
        (
            [*SCORE, "--scheduler", "tcp://x:1"],
            "argument --scheduler: must come with --engine dask",
        ),
        (["inspect"], "the following arguments are required: MODEL"),
    ],
    ids=lambda value: " ".join(value)[:25] if isinstance(value, list) else "",
)
def test_unfit_arguments_end_with_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: torch-binary-classifier")
    assert message in err


def failing_stream(error):
    """Return a stream that cannot be written to."""

    class Full(io.StringIO):
        def write(self, _text):
            raise error

    return Full()


def test_full_output_stream_is_code_4(age_model, capsys):
    stream = failing_stream(OSError(errno.ENOSPC, "No space left on device"))
    assert main(["inspect", str(age_model)], stream) == 4
    expected = "error: the output must be writable, got No space left on device."
    assert expected in capsys.readouterr().err


def test_closed_pipe_is_code_4_without_a_word(age_model, capsys):
    assert main(["inspect", str(age_model)], failing_stream(BrokenPipeError())) == 4
    assert capsys.readouterr().err == ""


def test_interruption_is_code_130(age_model, monkeypatch, run):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "run", interrupt)
    assert run("inspect", age_model) == (
        130, "", "torch-binary-classifier: error: Interrupted.\n",
    )  # fmt: skip


def test_warnings_take_one_line(age_model, monkeypatch, run):
    def warn(*_, **__):
        warnings.simplefilter("always")
        warnings.warn("first\nsecond", stacklevel=1)

    monkeypatch.setattr(inspect, "run", warn)
    expected = "torch-binary-classifier: warning: first second\n"
    assert run("inspect", age_model) == (0, "", expected)


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
def test_full_disk_is_code_4(age_model):
    model = str(age_model)
    code = f"""
        import resource, sys
        from torch_binary_classifier import jobs, persistence
        from torch_binary_classifier.cli.main import main

        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
        assert main(["score", {model!r}, "new.csv", "--out", "scored.csv"]) == 4
        sys.exit(main(["inspect", {model!r}]))
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
    assert not age_model.with_name("scored.csv").exists()
    assert not list(age_model.parent.glob(".*"))
