"""The table of who may import whom, held against the code."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pipeline" / "torch_binary_classifier"


@dataclass(frozen=True)
class Room:
    """What a module may import of ours, and of others beside the standard library."""

    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


# From the bottom up. A module may import only what stands above it here.
TENSORS = ("numpy", "scipy", "torch")
TABLE = {
    "exceptions": Room(),
    "validation": Room(),
    "forks": Room(),
    "blas_threads": Room(ours=("forks",), others=("threadpoolctl",)),
    "training": Room(),
    "training.threads": Room(ours=("forks", "blas_threads"), others=TENSORS),
    "training.schedule": Room(),
    "training.products": Room(others=TENSORS),
    "training.network": Room(ours=("training.products",), others=TENSORS),
    "training.objective": Room(others=TENSORS),
    "training.optimizer": Room(
        ours=("training.products", "training.network"), others=TENSORS
    ),
    "training.recording": Room(others=TENSORS),
    "training.interruption": Room(),
    "training.standardisation": Room(others=("numpy", "scipy")),
    "training.minibatches": Room(
        ours=("training.network", "training.standardisation"), others=TENSORS
    ),
    "training.engine": Room(
        ours=(
            "training.threads",
            "training.schedule",
            "training.network",
            "training.objective",
            "training.optimizer",
            "training.recording",
            "training.interruption",
            "training.minibatches",
        ),
        others=TENSORS,
    ),
    "training.lbfgs": Room(
        ours=(
            "training.threads",
            "training.network",
            "training.objective",
            "training.interruption",
            "training.minibatches",
            "training.engine",
        ),
        others=TENSORS,
    ),
    "training.company": Room(ours=("forks",)),
    "training.diagnosis": Room(others=("numpy",)),
    "training.fitting": Room(
        ours=(
            "training.company",
            "training.diagnosis",
            "training.interruption",
            "training.network",
            "training.optimizer",
            "training.standardisation",
            "training.minibatches",
            "training.engine",
            "training.lbfgs",
        ),
        others=TENSORS,
    ),
    "training.together": Room(
        ours=("training.minibatches", "training.engine", "training.fitting"),
        others=TENSORS,
    ),
    "input_scale": Room(others=("numpy", "scipy")),
    "validation_scale": Room(ours=("input_scale",), others=("numpy", "scipy")),
    "forward": Room(ours=("blas_threads",), others=("numpy", "scipy")),
    "weights": Room(ours=("validation",), others=("numpy", "sklearn")),
    "rows": Room(ours=("weights",), others=("numpy", "sklearn")),
    "holdout": Room(others=("numpy", "scipy", "sklearn")),
    "classifier": Room(
        ours=(
            "exceptions",
            "validation",
            "training.fitting",
            "input_scale",
            "validation_scale",
            "forward",
            "weights",
            "rows",
            "holdout",
        ),
        others=("numpy", "scipy", "sklearn"),
    ),
    "progress": Room(ours=("training.fitting",)),
    "gathering": Room(
        ours=(
            "forks",
            "progress",
            "training.company",
            "training.engine",
            "training.fitting",
            "training.minibatches",
            "training.together",
        ),
    ),
    "batched": Room(ours=("gathering", "progress"), others=("joblib",)),
    "persistence.replacement": Room(ours=("exceptions",)),
    "persistence.artefact": Room(
        ours=("exceptions", "persistence.replacement"), others=("joblib",)
    ),
    "persistence": Room(ours=("persistence.replacement", "persistence.artefact")),
    "": Room(
        ours=("exceptions", "classifier", "batched", "persistence"), others=("joblib",)
    ),
    "missing": Room(),
    "times": Room(ours=("missing",), others=("numpy", "pyarrow")),
    "preparation": Room(
        ours=("missing", "times"), others=("numpy", "pyarrow", "sklearn")
    ),
    "positive": Room(others=("numpy", "sklearn")),
    "assembly": Room(ours=("classifier", "preparation"), others=("numpy", "sklearn")),
    "csv_format": Room(),
    "scoring.streams": Room(ours=("exceptions", "csv_format")),
    "scoring.csv_rows": Room(others=("numpy",)),
    "scoring.vocabulary": Room(ours=("missing",), others=("numpy",)),
    "scoring.columns": Room(
        ours=("exceptions", "preparation", "scoring.vocabulary"),
        others=("numpy", "sklearn"),
    ),
    "scoring.tables": Room(
        ours=("exceptions", "missing", "times"), others=("numpy", "pyarrow")
    ),
    "scoring.csv_file": Room(
        ours=(
            "exceptions",
            "csv_format",
            "scoring.streams",
            "scoring.csv_rows",
            "scoring.tables",
        ),
        others=("pyarrow",),
    ),
    "scoring.parquet_file": Room(
        ours=("exceptions", "scoring.streams", "scoring.tables"), others=("pyarrow",)
    ),
    "scoring.files": Room(
        ours=(
            "exceptions",
            "csv_format",
            "scoring.streams",
            "scoring.tables",
            "scoring.csv_file",
            "scoring.parquet_file",
        ),
        others=("pyarrow",),
    ),
    "scoring.cells": Room(
        ours=("scoring.vocabulary", "scoring.columns", "scoring.tables"),
        others=("numpy", "pyarrow"),
    ),
    "scoring.file_types": Room(
        ours=(
            "missing",
            "scoring.tables",
            "scoring.parquet_file",
            "scoring.cells",
        ),
        others=("numpy", "pyarrow"),
    ),
    "scoring.drift": Room(),
    "scoring.score": Room(
        ours=(
            "exceptions",
            "persistence",
            "scoring.columns",
            "scoring.tables",
            "scoring.files",
            "scoring.cells",
            "scoring.file_types",
            "scoring.drift",
        ),
        others=("numpy", "pyarrow"),
    ),
    "scoring": Room(
        ours=(
            "scoring.columns",
            "scoring.drift",
            "scoring.tables",
            "scoring.files",
            "scoring.score",
        )
    ),
    "signals": Room(),
    "wording": Room(),
    "terminal": Room(ours=("exceptions",)),
    "commands": Room(),
    "commands.folders": Room(ours=("exceptions",)),
    "commands.numerals": Room(ours=("missing", "times"), others=("numpy", "pyarrow")),
    "commands.findings": Room(
        ours=("exceptions", "times", "assembly", "scoring", "commands.numerals"),
        others=("numpy", "pyarrow"),
    ),
    "commands.columns": Room(
        ours=("exceptions", "scoring", "wording", "commands.findings"),
    ),
    "commands.report": Room(
        ours=("assembly", "scoring", "wording", "terminal", "commands.columns"),
    ),
    "commands.training": Room(
        ours=(
            "positive",
            "csv_format",
            "assembly",
            "persistence",
            "scoring",
            "wording",
            "terminal",
            "commands.columns",
            "commands.report",
        ),
        others=("sklearn",),
    ),
    "commands.demonstration": Room(
        ours=(
            "exceptions",
            "classifier",
            "assembly",
            "persistence",
            "scoring",
            "terminal",
            "commands",
            "commands.folders",
            "commands.columns",
            "commands.report",
            "commands.training",
        ),
        others=("pyarrow", "sklearn"),
    ),
    "commands.description": Room(
        ours=("", "exceptions", "scoring", "wording", "commands"),
    ),
    "cli": Room(
        ours=(
            "exceptions",
            "persistence",
            "csv_format",
            "scoring",
            "signals",
            "terminal",
            "wording",
            "commands",
            "commands.folders",
            "commands.training",
            "commands.demonstration",
            "commands.description",
        ),
    ),
    "__main__": Room(ours=("cli",)),
}

# What touches files; not for those who turn numbers into numbers.
FILE_MODULES = {"io", "os", "pathlib", "pickle", "shutil", "tempfile"}
PROCESS_ROOMS = ("forks",)  # need "os" for what is no file
# Those who score must start without the seconds that torch takes to import.
WITHOUT_TORCH = (
    "blas_threads",
    "classifier",
    "forward",
    "holdout",
    "input_scale",
    "persistence",
    "rows",
    "scoring",
    "validation_scale",
    "weights",
)


@dataclass(frozen=True)
class Import:
    """One imported module, and whether importing the importer imports it."""

    target: str
    immediate: bool


def find_imports(tree: ast.AST, immediate: bool = True) -> Iterator[Import]:
    """Yield the imports of a syntax tree by absolute name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, immediate)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports must be absolute"
            assert node.module is not None
            yield from expand(node, immediate)
        else:
            yield from find_imports(node, immediate and not is_late(node))


def expand(node: ast.ImportFrom, immediate: bool) -> Iterator[Import]:
    """Yield the module of a from-import, or the modules that it takes from ours."""
    assert node.module is not None
    for alias in node.names:
        inner = f"{node.module}.{alias.name}"
        yield Import(inner if is_module(inner) else node.module, immediate)


def is_module(name: str) -> bool:
    """Return whether one of our own modules has this name."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return name.startswith("torch_binary_classifier.") and (
        path.with_suffix(".py").exists() or path.is_dir()
    )


def is_late(node: ast.AST) -> bool:
    """Return whether a node's body is left out when its module is imported."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return True
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def find_violations(module: str, source: str) -> list[str]:
    """Return a sentence for every import that the table does not allow."""
    room = TABLE[module]
    return [
        f"{module} must not import {found.target}"
        for found in find_imports(ast.parse(source))
        if not (allows(room, found.target) and not is_hasty(module, found))
        or (is_numeric(module) and top_of(found.target) in FILE_MODULES)
    ]


def allows(room: Room, target: str) -> bool:
    """Return whether the room's table entry lists the target."""
    top = top_of(target)
    if top == "torch_binary_classifier":
        return (
            target.removeprefix("torch_binary_classifier").removeprefix(".")
            in room.ours
        )
    return top in sys.stdlib_module_names or top in room.others


def is_hasty(module: str, found: Import) -> bool:
    """Return whether a module that must start without torch would import it."""
    heavy = top_of(found.target) == "torch" or found.target.startswith(
        "torch_binary_classifier.training"
    )
    return heavy and found.immediate and module.startswith(WITHOUT_TORCH)


def is_numeric(module: str) -> bool:
    """Return whether a module that is no process room stands before the classifier."""
    names = list(TABLE)
    before = names.index(module) < names.index("classifier")
    return before and module not in PROCESS_ROOMS


def top_of(target: str) -> str:
    """Return the distribution-level part of a module's name."""
    return target.partition(".")[0]


def name_of(path: Path) -> str:
    """Return a file's module name without the package's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def test_table_lists_every_module_and_no_other():
    assert sorted(TABLE) == sorted(MODULES)


def test_table_only_looks_down():
    names = list(TABLE)
    for position, (module, room) in enumerate(TABLE.items()):
        upward = set(room.ours) - set(names[:position])
        assert not upward, f"{module} looks up to {sorted(upward)}"


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_what_the_table_allows(module):
    assert find_violations(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        (
            "validation",
            "from torch_binary_classifier.classifier import x",
            "torch_binary_classifier.classifier",
        ),
        (
            "training.network",
            "from torch_binary_classifier.training import engine",
            "training.engine",
        ),
        ("training.engine", "import sklearn.base", "sklearn.base"),
        ("training.engine", "def late():\n    import pandas", "pandas"),
        ("training.minibatches", "from pathlib import Path", "pathlib"),
        ("forward", "import torch", "torch"),
        (
            "classifier",
            "from torch_binary_classifier.training import fitting",
            "training.fitting",
        ),
        ("classifier", "class A:\n    import torch", "torch"),
        (
            "persistence.artefact",
            "from torch_binary_classifier import classifier",
            "classifier",
        ),
    ],
)
def test_planted_violation_is_found(module, source, target):
    (violation,) = find_violations(module, source)
    assert violation.startswith(f"{module} must not import ")
    assert violation.endswith(target)


def test_late_import_of_the_trainer_is_allowed():
    source = "def fit():\n    from torch_binary_classifier.training import fitting"
    assert find_violations("classifier", source) == []


def test_every_import_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        requirement.partition(">")[0].replace("scikit-learn", "sklearn")
        for requirement in [*project["dependencies"], *extras["plot"]]
    }
    used = {name for room in TABLE.values() for name in room.others}
    assert used <= declared
