"""Scoring files of any size beside a plain script, and beside no model at all.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --rows 1000000 --repeats 1
    python benchmarks/scoring.py --memory
    python benchmarks/scoring.py --start

Ten million rows of 20 numbers, in CSV and in Parquet, are read, scored and written in
the format that they were read in:

    score_table     one member of (100,) behind a StandardScaler, one file out
    score_table, folder
                    the same, a folder of Parquet parts out
    pandas          pandas in chunks of 100,000 rows, MLPClassifier of (100,) behind a
                    StandardScaler, loaded by joblib
    no model        pyarrow reads all columns in a stream, as bounded in memory as
                    score_table, and writes a table of the same columns and rows
    no model, in memory
                    the same, but all rows at once

Every run is a process of its own; imports are not counted, loading the model is. Peak
memory is that of the process over what it held before.

``--default`` times the bare default model instead, beside its own predict_proba on all
rows in memory. ``--memory`` scores a file 20 times as large as the memory that the
process may take beyond what it has when it begins (RLIMIT_DATA). ``--start`` times
whole processes: the command line on 1,000 rows beside an import of scikit-learn and
pyarrow, in turns; the difference is that of each turn.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

SCRATCH = Path(__file__).parent / "scratch" / "scoring"
N_COLUMNS = 20
NAMES = [f"x{i}" for i in range(N_COLUMNS)]
BLOCK_ROWS = 500_000
PANDAS_ROWS = 100_000
HEADERS = ("rows in", "rows out", "contestant", "seconds", "rows/s", "peak MB", "ratio")
MB = 1 << 20
LIMIT_BYTES = 400 * MB
START_ROWS = 1_000
START_TURNS = 15


# ------------------------------------------------------------------------ inputs


def blocks(n_rows: int) -> Any:
    """Yield the rows as tables of pyarrow."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    for start in range(0, n_rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_rows - start)
        # Six digits, as measurements are written.
        values = rng.standard_normal((N_COLUMNS, n)).round(6)
        yield pa.table(dict(zip(NAMES, values, strict=True)))


def make_inputs(n_rows: int) -> dict[str, Path]:
    """Return the files to score, made once."""
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    SCRATCH.mkdir(parents=True, exist_ok=True)
    paths = {kind: SCRATCH / f"rows-{n_rows}.{kind}" for kind in ("csv", "parquet")}
    if all(path.exists() for path in paths.values()):
        return paths
    schema = next(blocks(1)).schema
    with (
        pa_csv.CSVWriter(paths["csv"], schema) as csv,
        pq.ParquetWriter(paths["parquet"], schema) as parquet,
    ):
        for table in blocks(n_rows):
            csv.write_table(table)
            parquet.write_table(table)
    return paths


def make_models(is_default: bool) -> dict[str, Path]:
    """Return the models' files, fitted briefly: how well does not matter here."""
    import joblib
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from torch_binary_classifier import TorchBinaryClassifier, save

    X = next(blocks(5_000)).to_pandas()
    y = (X.x0 * X.x1 + X.x2 > 0).astype(int)
    one = {} if is_default else {"n_members": 1, "encoding": None}
    ours = make_pipeline(StandardScaler(), TorchBinaryClassifier(max_iter=20, **one))
    paths = {name: SCRATCH / f"{name}.joblib" for name in ("ours", "pandas")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(ours.fit(X, y), paths["ours"], X=X)
        peer = make_pipeline(StandardScaler(), MLPClassifier((100,), max_iter=20))
        joblib.dump(peer.fit(X, y), paths["pandas"])
    return paths


# ------------------------------------------------------------------- contestants


def score_with_ours(data: Path, out: Path, model: Path) -> None:
    """Score a file as the command line does."""
    from torch_binary_classifier import load, score_table

    score_table(load(model), data, out, restart=True)


def score_with_pandas(data: Path, out: Path, model: Path) -> None:
    """Score a file as a careful script does."""
    import joblib
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    pipeline = joblib.load(model)
    first, writer = 0, None
    for chunk in pandas_chunks(data):
        probability = pipeline.predict_proba(chunk)[:, 1]
        scored = pd.DataFrame(
            {
                "_row": np.arange(first, first + len(chunk)),
                "probability": probability,
                "prediction": pipeline.classes_[(probability > 0.5).astype(int)],
            }
        )
        if out.suffix == ".csv":
            scored.to_csv(
                out, mode="a" if first else "w", header=not first, index=False
            )
        else:
            table = pa.Table.from_pandas(scored, preserve_index=False)
            writer = writer or pq.ParquetWriter(out, table.schema)
            writer.write_table(table)
        first += len(chunk)
    if writer is not None:
        writer.close()


def pandas_chunks(data: Path) -> Any:
    """Yield the rows as frames."""
    import pandas as pd
    import pyarrow.parquet as pq

    if data.suffix == ".csv":
        yield from pd.read_csv(data, chunksize=PANDAS_ROWS)
    else:
        for batch in pq.ParquetFile(data).iter_batches(PANDAS_ROWS):
            yield batch.to_pandas()


def copy_without_model(data: Path, out: Path, _: Path) -> None:
    """Read all columns, and write three of as many rows."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    if data.suffix == ".csv":
        batches = pa_csv.open_csv(data, pa_csv.ReadOptions(block_size=1 << 24))
    else:
        batches = pq.ParquetFile(data).iter_batches(1 << 16)
    schema = pa.schema(
        [
            ("_row", pa.int64()),
            ("probability", pa.float64()),
            ("prediction", pa.int64()),
        ]
    )
    kind = pa_csv.CSVWriter if out.suffix == ".csv" else pq.ParquetWriter
    first = 0
    with kind(out, schema) as writer:
        for batch in batches:
            rows = np.arange(first, first + batch.num_rows)
            # A column read stands for the probabilities: digits of the same length.
            columns = [rows, batch.column(0), rows % 2]
            writer.write_table(pa.table(columns, schema=schema))
            first += batch.num_rows


def copy_in_memory(data: Path, out: Path, _: Path) -> None:
    """Read all columns at once, and write three of as many rows."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    table = pa_csv.read_csv(data) if data.suffix == ".csv" else pq.read_table(data)
    rows = np.arange(table.num_rows)
    names = ["_row", "probability", "prediction"]
    copied = pa.table([rows, table.column(0), rows % 2], names=names)
    write = pa_csv.write_csv if out.suffix == ".csv" else pq.write_table
    write(copied, out)


def predict_in_memory(data: Path, _: Path, model: Path) -> float:
    """Score a table that is in memory already; return how long that alone takes."""
    import pyarrow.parquet as pq

    from torch_binary_classifier import load

    loaded = load(model)
    rows = pq.read_table(data.with_suffix(".parquet")).to_pandas()
    start = time.perf_counter()
    loaded.predict_proba(rows)
    return time.perf_counter() - start


CONTESTANTS: dict[str, Callable[[Path, Path, Path], float | None]] = {
    "score_table": score_with_ours,
    "score_table, folder": score_with_ours,
    "pandas": score_with_pandas,
    "no model": copy_without_model,
    "no model, in memory": copy_in_memory,
    "predict_proba": predict_in_memory,
}


# -------------------------------------------------------------------------- runs


def memory(field: str) -> int:
    """Return a figure of this process's memory in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def run_child(arguments: Sequence[str]) -> None:
    """Run one contestant in this process, and print what it took."""
    name, data, out, model, limit = arguments
    import joblib
    import pandas
    import pyarrow.csv
    import pyarrow.parquet
    import sklearn.neural_network

    import torch_binary_classifier.jobs
    from torch_binary_classifier import load

    load(SCRATCH / "ours.joblib")  # imports, once more, of what models need
    before = memory("VmRSS")
    if int(limit):
        allowed = memory("VmData") + int(limit)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start = time.perf_counter()
    inner = CONTESTANTS[name](Path(data), Path(out), Path(model))
    seconds = time.perf_counter() - start if inner is None else inner
    used = joblib, pandas, pyarrow, sklearn, torch_binary_classifier
    assert all(used)
    peak = memory("VmHWM") - before
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


def run(
    name: str, data: Path, out: Path, model: Path, limit: int = 0
) -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    remove(out)
    command = [sys.executable, __file__, "--child", name]
    command += [str(data), str(out), str(model), str(limit)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    remove(out)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def remove(out: Path) -> None:
    """Remove an output and what lies beside it."""
    for path in out.parent.glob(f"{out.name}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def out_of(name: str, data: Path) -> Path:
    """Return where a contestant writes."""
    if name == "score_table, folder":
        return SCRATCH / f"scored-{data.suffix[1:]}"
    return SCRATCH / f"scored{data.suffix}"


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all contestants in turns."""
    import contestants as arena

    paths, models = make_inputs(options.rows), make_models(options.default)
    names = ["score_table", "score_table, folder"]
    names += (
        ["predict_proba"]
        if options.default
        else ["pandas", "no model", "no model, in memory"]
    )
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for repeat in range(options.repeats):
        for kind, data in paths.items():
            for name in arena.shuffled(names, repeat):
                model = models["pandas" if name == "pandas" else "ours"]
                found = run(name, data, out_of(name, data), model)
                runs.setdefault((kind, name), []).append(found)
                print(kind, name, found, file=sys.stderr)
    base = "predict_proba" if options.default else "no model"
    return [
        record(kind, name, runs[kind, name], runs[kind, base], options.rows)
        for kind in paths
        for name in names
    ]


def record(
    kind: str, name: str, own: list[Any], base: list[Any], n_rows: int
) -> dict[str, Any]:
    """Return the medians of a contestant's runs."""
    seconds = median(one["seconds"] for one in own)
    return {
        "rows in": kind,
        "rows out": "-"
        if name == "predict_proba"
        else out_of(name, Path(f"a.{kind}")).suffix[1:] or "folder",
        "contestant": name,
        "seconds": seconds,
        "rows_per_second": n_rows / seconds,
        "peak_bytes": median(one["peak_bytes"] for one in own),
        "ratio": seconds / median(one["seconds"] for one in base),
        "runs": own,
    }


def score_under_limit(n_times: int) -> dict[str, Any]:
    """Score a CSV file so many times as large as the memory that may be taken."""
    make_models(is_default=False)
    large = SCRATCH / "large.csv"
    lines = make_inputs(BLOCK_ROWS)["csv"].read_bytes()
    header, _, rows = lines.partition(b"\n")
    with large.open("wb") as file:
        file.write(header + b"\n")
        while file.tell() < n_times * LIMIT_BYTES:
            file.write(rows)
    found = run(
        "score_table",
        large,
        SCRATCH / "large-scored",
        SCRATCH / "ours.joblib",
        LIMIT_BYTES,
    )
    found |= {"file_bytes": large.stat().st_size, "limit_bytes": LIMIT_BYTES}
    large.unlink()
    return found


def keep_limit(found: dict[str, Any], options: argparse.Namespace) -> None:
    """Print what scoring took under a limit, and keep it."""
    import contestants as arena

    facts = arena.machine_facts()
    text = (
        "# Scoring a file larger than memory\n\n"
        f"{arena.facts_line(facts)}\n\n"
        f"CSV of {found['file_bytes'] / MB:,.0f} MB, with at most "
        f"{found['limit_bytes'] / MB:.0f} MB beyond what the process had before "
        f"(RLIMIT_DATA): {found['seconds']:.0f} s, and {found['peak_bytes'] / MB:.0f} "
        "MB resident at most beyond that.\n"
    )
    keep("scoring_memory", text, {"machine": facts} | found, options)


def time_start(n_turns: int) -> dict[str, Any]:
    """Time the command line on a small file beside the imports that it needs."""
    make_models(is_default=False)
    data, out = make_inputs(START_ROWS)["csv"], SCRATCH / "start.csv"
    ours = ["-m", "torch_binary_classifier", "score", "--quiet", "--out"]
    commands = {
        "imports": ["-c", "import sklearn, pyarrow"],
        "score": [*ours, str(out), str(SCRATCH / "ours.joblib"), str(data)],
    }
    # As an installed package has it; the first run writes it.
    cache = {"PYTHONPYCACHEPREFIX": str(SCRATCH / "bytecode")}
    settings = {**os.environ, **cache}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(1 + n_turns):
        for name, command in commands.items():
            remove(out)
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, env=settings)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    remove(out)
    more = [b - a for a, b in zip(seconds["imports"], seconds["score"], strict=True)]
    return {"n_rows": START_ROWS, "seconds": seconds, "more_seconds": more}


def keep_start(found: dict[str, Any], options: argparse.Namespace) -> None:
    """Print what a small file took, and keep it."""
    import contestants as arena

    facts = arena.machine_facts()
    imports, score = (median(found["seconds"][name]) for name in ("imports", "score"))
    more = sorted(found["more_seconds"])
    text = (
        "# Scoring a small file\n\n"
        f"{arena.facts_line(facts)}\n\n"
        f"CSV of {found['n_rows']:,} rows, medians of {len(more)} turns: `score` takes "
        f"{score:.2f} s as a process, `import sklearn, pyarrow` {imports:.2f} s. In a "
        f"turn {median(more):.2f} s more, {more[0]:.2f} to {more[-1]:.2f}.\n"
    )
    keep("scoring_start", text, {"machine": facts} | found, options)


def keep(
    name: str, text: str, figures: dict[str, Any], options: argparse.Namespace
) -> None:
    """Print what was found, and keep it with all its figures unless it was quick."""
    import contestants as arena

    print(text)
    if not options.quick:
        arena.RESULTS.joinpath(f"{name}.md").write_text(text)
        plain = json.dumps(figures, indent=1) + "\n"
        arena.RESULTS.joinpath(f"{name}.json").write_text(plain)


def table(records: Sequence[dict[str, Any]]) -> str:
    """Return the records as a Markdown table."""
    import contestants as arena

    lines = [
        (
            one["rows in"],
            one["rows out"],
            one["contestant"],
            f"{one['seconds']:.2f}",
            f"{one['rows_per_second']:,.0f}",
            f"{one['peak_bytes'] / MB:.0f}",
            f"{one['ratio']:.2f}",
        )
        for one in records
    ]
    return arena.markdown_table(HEADERS, lines)


def main() -> int:
    """Run the benchmark."""
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2:])
        return 0
    import contestants as arena

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arena.add_common_options(parser, n_repeats=5)
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--default", action="store_true", help="the default model")
    parser.add_argument("--memory", action="store_true", help="under a hard limit")
    parser.add_argument("--start", action="store_true", help="of a small file")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = 100_000, 1
    if options.memory:
        keep_limit(score_under_limit(1 if options.quick else 20), options)
        return 0
    if options.start:
        keep_start(time_start(1 if options.quick else START_TURNS), options)
        return 0
    facts = arena.machine_facts()
    records = compare(options)
    base = "predict_proba alone" if options.default else "no model"
    title = "# Scoring files" + (" with the default model" if options.default else "")
    head = f"{arena.facts_line(facts)}; {options.rows:,} rows, {options.repeats} rounds"
    note = f"Medians; ratio: seconds to those of {base}, in the same format."
    text = "\n\n".join([title, head, table(records), note]) + "\n"
    name = "scoring_default" if options.default else "scoring"
    keep(name, text, {"machine": facts, "records": records}, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
