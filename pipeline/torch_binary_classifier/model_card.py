"""What a model file says of itself, as Markdown; knows manifests and no tables.

Names, categories and notes come from files. They stand in code spans, or with a
backslash before whatever Markdown would read, so they can neither leave their place nor
bring in HTML, an image, or a link behind other words.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch_binary_classifier import wording
from torch_binary_classifier.classifier import TorchBinaryClassifier
from torch_binary_classifier.exceptions import ModelFileError
from torch_binary_classifier.persistence import ModelFile, read_model_file
from torch_binary_classifier.persistence.manifest import describe_model
from torch_binary_classifier.schemas import ColumnSchema, TableSchema

__all__ = ["card"]

# Of a table, of one of its columns, and of a text.
MOST_COLUMNS = 100
MOST_CATEGORIES = 5
MOST_CHARACTERS = 60
OURS = "TorchBinaryClassifier"
# What Markdown reads anywhere, and at the start of a line.
ANYWHERE = re.compile(r"([\\`*_{}\[\]<>|~&$#!@])")
AT_START = re.compile(r"^(\s*\d*)([-+=.)])")
# What a manifest of another structure raises while it is read.
MISFIT = (AttributeError, IndexError, KeyError, TypeError, ValueError)

INTENDED_USE = (
    "For whom and for which decision the probability is meant, and what it must not "
    "be used for."
)
LIMITS = (
    "Where the rows come from and whom they leave out; on what the model was seen to "
    "fail; when it has to be trained anew."
)


def card(model: Any) -> str:
    r"""Return a model card: what is known of a model, as Markdown.

    Parameters
    ----------
    model : path or object
        A file that `save` wrote, of which nothing is loaded; a model that `load`
        returned; or a fitted model that is in no file yet.

    Returns
    -------
    str
        Markdown with tables as GitHub reads them. The sections "Intended use" and
        "Limits" have a hint in italics in place of what only its author knows.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, not written by `save`, or has a manifest of
        another structure.
    ValueError
        If the model is neither loaded nor fitted.

    See Also
    --------
    save : Its ``X``, ``metrics`` and ``notes`` are most of what a card tells.

    Notes
    -----
    One file has one card. A card names values of the training table, as far as the
    schema does: the most frequent categories of each column and its range. It shows
    no row of it.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fitted = LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
    >>> print("\n".join(card(fitted).splitlines()[:7]))
    # Model card
    <BLANKLINE>
    A LogisticRegression that tells two classes apart.
    <BLANKLINE>
    ## What it predicts
    <BLANKLINE>
    - Classes: `'no'`, `'yes'`
    """
    if not isinstance(model, str | os.PathLike):
        return _page(*_of_object(model))
    file = read_model_file(model)
    if file.manifest is None:
        msg = (
            f"{model} must be a file that torch_binary_classifier.save wrote, got one "
            "that says nothing of itself. Load it and save it again."
        )
        raise ModelFileError(msg)
    try:
        return _page(file.manifest, Path(model).name, _of_file(file))
    except MISFIT as error:
        msg = (
            f"{model} must have a manifest of the structure of its format, got "
            f"{type(error).__name__}: {wording.one_line(error).rstrip('.')}."
        )
        raise ModelFileError(msg) from error


def _of_object(model: Any) -> tuple[Mapping[str, Any], str, list[str]]:
    """Return the manifest of a model, no name, and what is known of its file."""
    kept: Mapping[str, Any] | None = getattr(model, "_manifest", None)
    if kept is not None:
        return kept, "", [_saved(kept)]
    if not hasattr(model, "classes_"):
        msg = (
            "model must be the path of a model file or a fitted classifier, got "
            f"{type(model).__name__}."
        )
        raise ValueError(msg)
    return describe_model(model), "", ["In no file yet."]


def _of_file(file: ModelFile) -> list[str]:
    """Return what a file's own bytes tell."""
    manifest: Mapping[str, Any] = file.manifest or {}
    signature = (
        "Signed; this card has not checked by whom."
        if file.is_signed
        else "Not signed: whoever could write the file could change it."
    )
    return [
        f"{_saved(manifest)}, as a {file.kind} file of {len(file.data):,} bytes.",
        f"Whole: {_code(hashlib.sha256(file.data).hexdigest(), 64)} is its SHA-256, "
        "and the digest in it fits.",
        signature,
    ]


def _saved(manifest: Mapping[str, Any]) -> str:
    """Return when a model was saved, and in which format."""
    return f"Saved {_code(manifest['created'])} in format {manifest['format']:d}"


def _page(manifest: Mapping[str, Any], name: str, of_file: list[str]) -> str:
    """Return the card."""
    sections = {
        "What it predicts": _prediction(manifest),
        "Intended use": [f"*{INTENDED_USE}*"],
        "Limits": [f"*{LIMITS}*"],
        "Metrics": _metrics(manifest),
        "Data": _data(manifest),
        "Training": _training(manifest),
        "Parameters": _parameters(manifest),
        "Examples": _examples(manifest),
        "Notes": _notes(manifest["notes"]),
        "File": [*_items(of_file), "", *_versions(manifest["versions"])],
    }
    title = f"# Model card: {_code(name)}" if name else "# Model card"
    lines = [title, "", _summary(manifest)]
    for heading, body in sections.items():
        lines += ["", f"## {heading}", "", *body]
    return "\n".join(lines) + "\n"


def _summary(manifest: Mapping[str, Any]) -> str:
    """Return a sentence on what the model is."""
    steps = [f"{_escaped(kind)} {_code(name)}" for name, kind in manifest["steps"]]
    made = f" of {' and '.join(steps)}" if steps else ""
    aim = " that tells two classes apart" if manifest["classes"] else ""
    holds: str = manifest["holds"]
    article = "An" if holds[:1] in "AEIO" else "A"
    return f"{article} {_escaped(holds)}{made}{aim}."


def _prediction(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the labels are, and of which the probability is."""
    if not manifest["classes"]:
        return ["*It has no classes.*"]
    known = [_code(wording.shown(label)) for label in manifest["classes"]]
    items = [
        f"Classes: {', '.join(known)}",
        f"Positive class, the one whose probability is reported: {known[-1]}",
    ]
    if manifest.get("threshold") is not None:
        items.append(
            f"It is predicted from a probability of {_shown(manifest['threshold'])} on"
        )
    return _items(items)


def _metrics(manifest: Mapping[str, Any]) -> list[str]:
    """Return what was measured."""
    measured = (manifest["metrics"] or {}).items()
    rows = [[_code(name), _code(_shown(value))] for name, value in measured]
    how = _items(_measured(manifest.get("evaluation") or {}))
    return [*_table(["metric", "value:"], rows), *([""] if how else []), *how] or [
        "*None in the file. Measured on rows that training has not seen; `save` takes "
        "them as `metrics`.*"
    ]


def _measured(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the metrics were measured."""
    words = {"data": "Trained on", "held_out": "Measured on", "date": "Measured"}
    for key, word in words.items():
        if evaluation.get(key):
            yield f"{word}: {_code(evaluation[key])}"
    if evaluation.get("refitted_on_all_rows"):
        yield "Fitted anew on all rows after it was measured"


def _data(manifest: Mapping[str, Any]) -> list[str]:
    """Return the schema of the training table."""
    if manifest["schema"] is None:
        n_columns = manifest["n_columns"]
        known = "" if n_columns is None else f"{n_columns:,} columns. "
        hint = "*No schema in the file: `save` takes it from the training table, `X`.*"
        return [known + hint]
    table = TableSchema.from_dict(manifest["schema"])
    shown = table.columns[:MOST_COLUMNS]
    titles = ["column", "kind", "type", "missing:", "different:", "values"]
    rows = [_column(column, table.n_rows) for column in shown]
    n_more = len(table.columns) - len(shown)
    more = ["", f"And {n_more:,} more columns."] if n_more else []
    names = "" if table.is_named else ", without names"
    size = f"{table.n_rows:,} rows and {len(table.columns):,} columns{names}"
    return [f"{size} ({table.container}).", "", *_table(titles, rows), *more]


def _column(column: ColumnSchema, n_rows: int) -> list[str]:
    """Return what one column holds, cell by cell."""
    share = column.missing_share
    return [
        _code(wording.name(column.name)),
        column.times.what if column.times else column.kind,
        _code(column.dtype),
        f"{100 * share:.3g} %" if share else "none",
        "" if column.n_distinct is None else f"{column.n_distinct:,}",
        _values(column, n_rows),
    ]


def _values(column: ColumnSchema, n_rows: int) -> str:
    """Return the range of a column, or its categories."""
    levels, numbers, times = column.levels, column.numbers, column.times
    if levels and levels.is_ordered:
        first = [_category(value) for value in levels.values[:MOST_CATEGORIES]]
        return " < ".join(first) + _and_more(len(levels.values), len(first))
    if numbers and not levels:
        low, *_, high = (f"{value:.6g}" for value in numbers.quantiles)
        median = f"{numbers.quantiles[len(numbers.quantiles) // 2]:.6g}"
        return low if low == high else f"{low} to {high}, median {median}"
    if times and times.earliest is not None:
        zone = f" ({_code(times.zone)})" if times.zone else ""
        return f"{_code(times.earliest)} to {_code(times.latest)}{zone}"
    return _frequent(column, n_rows) if column.categories else ""


def _frequent(column: ColumnSchema, n_rows: int) -> str:
    """Return the most frequent categories, none that names a single row."""
    known = column.categories
    assert known is not None
    n_present = n_rows * (1 - column.missing_share)
    shares = zip(known.values, known.shares, strict=True)
    shared = [(value, share) for value, share in shares if share * n_present > 1.5]
    first = [
        f"{_category(value)} {100 * share:.2g} %"
        for value, share in shared[:MOST_CATEGORIES]
    ]
    n_values = column.n_distinct or len(known.values)
    return (
        ", ".join(first) + _and_more(n_values, len(first))
        if first
        else "no value twice"
    )


def _and_more(n_values: int, n_shown: int) -> str:
    """Return how many values are not shown, if any."""
    n_more = n_values - n_shown
    return f" and {n_more:,} more" if n_more > 0 else ""


def _category(value: Any) -> str:
    """Return one category."""
    return _code(wording.name(value) if isinstance(value, str) else _shown(value))


def _training(manifest: Mapping[str, Any]) -> list[str]:
    """Return how the networks were trained, and what a search has found."""
    items = [*_networks(manifest["training"]), *_scale(manifest["input_scale"])]
    found = manifest["search"] or {}
    if "best_params_" in found:
        chosen = wording.parameters(found["best_params_"])
        items.append(f"Found by a search: {_code(chosen, 200)}")
    if "best_score_" in found:
        items.append(
            f"Score of the best in that search: {_shown(found['best_score_'])}"
        )
    return _items(items) or ["*Nothing in the file: it holds no network of ours.*"]


def _networks(training: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what is known of the networks."""
    if training is None:
        return
    kinds = zip(training["n_members"], training["layers"], strict=True)
    counted = [f"{n:d} of {'-'.join(f'{w:d}' for w in sizes)}" for n, sizes in kinds]
    yield f"Networks, by the widths of their layers: {', '.join(counted)}"
    words = {
        "n_rows": "Rows trained on",
        "epochs": "Epochs",
        "loss": "Loss of the last epoch",
        "validation_loss": "Loss of the last epoch on rows held out",
        "best_loss": "Best loss",
    }
    for key, word in words.items():
        if training[key] is not None:
            yield f"{word}: {_shown(training[key])}"


def _scale(scale: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the scale of the networks' input."""
    if scale is not None:
        means, deviations = (
            " to ".join(f"{value:.3g}" for value in scale[key])
            for key in ("mean", "deviation")
        )
        yield (
            f"Input of the last step: {scale['n_inputs']:,} numbers per row, means "
            f"{means}, deviations {deviations}"
        )


def _parameters(manifest: Mapping[str, Any]) -> list[str]:
    """Return the parameters, those of our classifier that were set before the rest."""
    values = dict(manifest["parameters"])
    found = (manifest["search"] or {}).get("best_params_") or {}
    values |= {f"estimator__{name}": value for name, value in found.items()}
    defaults = _defaults(values, manifest["holds"])
    changed = {
        name: value
        for name, value in values.items()
        if name in defaults and value != defaults[name]
    }
    rest = [
        [_code(k), _code(_shown(v))]
        for k, v in sorted(values.items())
        if k not in changed
    ]
    titles = ["parameter", "value", "default"]
    rows = [
        [_code(k), _code(_shown(v)), _code(_shown(defaults[k]))]
        for k, v in sorted(changed.items())
    ]
    lines = _table(titles, rows)
    if defaults and not rows:
        lines = [f"All those of {OURS} are its defaults."]
    return [*lines, *([""] if lines else []), *_folded("All others", rest)]


def _defaults(values: Mapping[str, Any], holds: str) -> dict[str, Any]:
    """Return the defaults of the parameters of our classifier, wherever it stands."""
    prefixes = [f"{name}__" for name, value in values.items() if value == OURS]
    return {
        prefix + name: default
        for prefix in (["", *prefixes] if holds == OURS else prefixes)
        for name, default in TorchBinaryClassifier().get_params().items()
        if prefix + name in values
    }


def _folded(title: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table that is shown on a click."""
    table = _table(["parameter", "value"], rows)
    summary = f"<summary>{title} ({len(rows):,})</summary>"
    return ["<details>", summary, "", *table, "", "</details>"] if table else []


def _examples(manifest: Mapping[str, Any]) -> list[str]:
    """Return how many rows are scored when the file is loaded."""
    if manifest["examples"] is None:
        return ["*None in the file: `save` takes `examples`, or chooses rows of `X`.*"]
    scores = [float.fromhex(score) for score in manifest["examples"]["scores"]]
    return [
        f"{len(scores)} rows with probabilities of {min(scores):.3g} to "
        f"{max(scores):.3g} are in the file. Loading it scores them, and refuses a "
        "model that scores them otherwise."
    ]


def _notes(notes: str | None) -> list[str]:
    """Return the notes as a quotation."""
    lines = [_escaped(line.strip()) for line in (notes or "").strip().splitlines()]
    # A backslash at its end keeps a line from running into the next.
    ends = ["\\" if line and after else "" for line, after in pairwise([*lines, ""])]
    quoted = [f"> {line}{end}".strip() for line, end in zip(lines, ends, strict=True)]
    return quoted or ["*None in the file.*"]


def _versions(versions: Mapping[str, Any]) -> list[str]:
    """Return the versions that wrote the file."""
    rows = [[_escaped(name), _code(versions[name])] for name in sorted(versions)]
    return _table(["written with", "version"], rows)


def _items(lines: Iterable[str]) -> list[str]:
    """Return a list."""
    return [f"- {line}" for line in lines]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table, nothing without rows; a title's colon aligns to the right."""
    if not rows:
        return []
    rule = ["---:" if title.endswith(":") else "---" for title in titles]
    heads = [title.rstrip(":") for title in titles]
    # A table ends its cells before it looks for code in them.
    cells = [[cell.replace("|", r"\|") for cell in row] for row in (heads, rule, *rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _shown(value: Any) -> str:
    """Return a value of a manifest; numbers with six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return wording.shown(value)


def _code(value: object, most: int = MOST_CHARACTERS) -> str:
    """Return a text in a code span that nothing in it can close."""
    text = _short(wording.plain(str(value)), most)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str) -> str:
    """Return a line of words in which Markdown finds nothing to read."""
    return AT_START.sub(r"\1\\\2", ANYWHERE.sub(r"\\\1", wording.plain(text)))


def _short(text: str, most: int) -> str:
    """Return a text, its end left out if it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
