"""Which room may import which, held against the code."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAME = "torch_binary_classifier"
PACKAGE = ROOT / "pipeline" / NAME


@dataclass(frozen=True)
class Room:
    """What a folder, or a module beside the folders, may import.

    Of ours beside itself, and of others beside the standard library.
    """

    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


# From the bottom up: a room may import only what stands above it here.
ROOMS = {
    "exceptions": Room(),
    "wording": Room(),
    "forks": Room(),
    "blas_threads": Room(ours=("forks",), others=("threadpoolctl",)),
    "inference": Room(ours=("blas_threads",), others=("numpy", "scipy")),
    # What the estimator and the trainer say to each other.
    "interface": Room(ours=("inference",), others=("numpy", "scipy")),
    "training": Room(
        ours=("forks", "blas_threads", "inference", "interface"),
        others=("numpy", "scipy", "torch"),
    ),
    "estimator": Room(
        ours=("exceptions", "wording", "inference", "interface"),
        others=("numpy", "scipy", "sklearn"),
    ),
    "registration": Room(others=("joblib",)),
    "classifier": Room(
        ours=(
            "exceptions",
            "wording",
            "inference",
            "interface",
            "training",
            "estimator",
            "registration",
        ),
        others=("numpy", "scipy", "sklearn"),
    ),
    "progress": Room(others=("rich",)),
    "search": Room(
        ours=("forks", "interface", "training", "registration", "progress"),
        others=("joblib", "numpy", "torch"),
    ),
    "learning_rates": Room(
        ours=("wording", "interface", "classifier", "search"),
        others=("joblib", "numpy", "sklearn"),
    ),
    "tables": Room(ours=("exceptions", "wording"), others=("numpy", "pyarrow")),
    "schemas": Room(
        ours=("exceptions", "wording", "tables"), others=("numpy", "pyarrow")
    ),
    "persistence": Room(
        ours=("exceptions", "wording", "estimator", "tables", "schemas"),
        others=("joblib", "numpy", "scipy", "sklearn", "skops"),
    ),
    "model_card": Room(
        ours=("exceptions", "wording", "classifier", "schemas", "persistence"),
    ),
    "pictures": Room(
        ours=("wording", "interface", "estimator"), others=("numpy", "sklearn")
    ),
    "report_page": Room(
        ours=("wording", "estimator", "schemas", "persistence", "pictures"),
        others=("numpy", "sklearn"),
    ),
    "preparation": Room(ours=("tables",), others=("numpy", "pyarrow", "sklearn")),
    "positive": Room(ours=("wording",), others=("numpy", "sklearn")),
    "onnx_graph": Room(
        ours=(
            "wording",
            "inference",
            "estimator",
            "classifier",
            "persistence",
            "tables",
            "preparation",
            "positive",
        ),
        others=("numpy", "onnx", "skl2onnx", "sklearn"),
    ),
    "scoring": Room(
        ours=(
            "exceptions",
            "wording",
            "tables",
            "schemas",
            "persistence",
            "preparation",
            "positive",
        ),
        others=("numpy", "pyarrow", "scipy", "sklearn"),
    ),
    "jobs": Room(
        ours=(
            "exceptions",
            "wording",
            "blas_threads",
            "tables",
            "schemas",
            "persistence",
            "scoring",
        ),
        others=("distributed", "joblib", "pyarrow"),
    ),
    "": Room(
        ours=(
            "exceptions",
            "registration",
            "classifier",
            "search",
            "schemas",
            "persistence",
            "model_card",
            "onnx_graph",
            "scoring",
            "jobs",
            "pictures",
            "report_page",
            "learning_rates",
        ),
    ),
    "assembly": Room(ours=("classifier", "preparation"), others=("sklearn",)),
    "tuning": Room(ours=("assembly", "search"), others=("numpy", "sklearn")),
    "cli": Room(
        ours=(
            "",
            "exceptions",
            "wording",
            "interface",
            "estimator",
            "progress",
            "estimator",
            "classifier",
            "persistence",
            "tables",
            "schemas",
            "positive",
            "assembly",
            "tuning",
            "model_card",
            "scoring",
            "jobs",
            "pictures",
            "report_page",
        ),
        others=("numpy", "pyarrow", "sklearn"),
    ),
    "__main__": Room(ours=("cli",)),
}

# Rooms that turn numbers into numbers touch no files.
NUMERIC = (
    "blas_threads",
    "inference",
    "interface",
    "training",
    "estimator",
    "classifier",
)
FILE_MODULES = {"io", "os", "pathlib", "pickle", "shutil", "tempfile"}
# What fits or searches loads torch when it does so; the others never do.
LOAD_TORCH = ("training", "search")


@dataclass(frozen=True)
class Import:
    """One imported module, and whether importing the importer imports it."""

    target: str
    immediate: bool

    @property
    def top(self) -> str:
        """The distribution-level part of the name."""
        return self.target.partition(".")[0]

    @property
    def room(self) -> str:
        """Which of our rooms it lies in."""
        return room_of(self.target.removeprefix(NAME).removeprefix("."))


def find_imports(tree: ast.AST, immediate: bool = True) -> Iterator[Import]:
    """Yield the imports of a syntax tree by absolute name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, immediate)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports must be absolute"
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
    return name.startswith(f"{NAME}.") and (
        path.with_suffix(".py").exists() or path.is_dir()
    )


def is_late(node: ast.AST) -> bool:
    """Return whether a node's body is left out when its module is imported."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return True
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def find_violations(module: str, source: str) -> list[str]:
    """Return a sentence for every import that the table does not allow."""
    room = room_of(module)
    return [
        f"{module} must not import {found.target}"
        for found in find_imports(ast.parse(source))
        if not allows(room, found)
        or (found.immediate and room not in LOAD_TORCH and loads_torch(found))
        or (room in NUMERIC and found.top in FILE_MODULES)
    ]


def allows(room: str, found: Import) -> bool:
    """Return whether the room's entry lists what is imported."""
    if found.top == NAME:
        return found.room == room or found.room in ROOMS[room].ours
    return found.top in sys.stdlib_module_names or found.top in ROOMS[room].others


def loads_torch(found: Import) -> bool:
    """Return whether an import takes the seconds that torch needs."""
    return found.top == "torch" or (found.top == NAME and found.room in LOAD_TORCH)


def room_of(module: str) -> str:
    """Return the folder that a module of ours lies in, or its own name."""
    return module.partition(".")[0]


def name_of(path: Path) -> str:
    """Return a file's module name without the package's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def ours(module: str, source: str) -> set[str]:
    """Return the other modules of ours that a module imports, sooner or later."""
    targets = {
        found.target.removeprefix(NAME).removeprefix(".")
        for found in find_imports(ast.parse(source))
        if found.top == NAME
    }
    return targets - {module}


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def test_table_lists_every_room_and_no_other():
    assert sorted(ROOMS) == sorted({room_of(module) for module in MODULES})


def test_table_only_looks_down():
    names = list(ROOMS)
    for position, (name, room) in enumerate(ROOMS.items()):
        upward = set(room.ours) - set(names[:position])
        assert not upward, f"{name} looks up to {sorted(upward)}"


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_what_its_room_may(module):
    assert find_violations(module, MODULES[module].read_text()) == []


def test_there_are_no_circles():
    graph = {module: ours(module, path.read_text()) for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()


def test_planted_circle_is_found():
    late = f"def f():\n    from {NAME} import wording"
    graph = {"wording": ours("wording", f"import {NAME}.forks")}
    graph["forks"] = ours("forks", late)
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        ("estimator.rules", f"from {NAME}.classifier import x", "classifier"),
        ("training.network", f"from {NAME} import estimator", "estimator"),
        ("training.engine", "import sklearn.base", "sklearn.base"),
        ("training.engine", "def late():\n    import pandas", "pandas"),
        ("training.engine", "from pathlib import Path", "pathlib"),
        ("inference.forward", "import torch", "torch"),
        ("scoring.score", f"from {NAME}.training import network", "training.network"),
        ("classifier", f"from {NAME}.training import fitting", "training.fitting"),
        ("classifier", "class A:\n    import torch", "torch"),
        ("persistence.artefact", f"from {NAME} import classifier", "classifier"),
    ],
)
def test_planted_violation_is_found(module, source, target):
    (violation,) = find_violations(module, source)
    assert violation.startswith(f"{module} must not import ")
    assert violation.endswith(target)


def test_late_import_of_the_trainer_is_allowed():
    source = f"def fit():\n    from {NAME}.training import fitting"
    assert find_violations("classifier", source) == []


LARGEST_FILE = 450  # lines
LARGEST_CLASS = 15  # methods, and attributes
LARGEST_FUNCTION = 40  # lines without the docstring
# scikit-learn's contract asks for as many parameters and fitted attributes.
SURFACE = ("TorchBinaryClassifier",)


def find_large(source: str) -> list[str]:
    """Return what of a file is larger than a reader takes in."""
    n_lines = source.count("\n") - length_of_documentation(source)
    found = [f"{n_lines} lines"] if n_lines > LARGEST_FILE else []
    nodes = [
        node
        for node in ast.walk(ast.parse(source))
        if not (isinstance(node, ast.ClassDef) and node.name in SURFACE)
        and not (isinstance(node, ast.FunctionDef) and takes_parameters(node))
    ]
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            sizes = (len(methods_of(node)), len(attributes_of(node)))
            found += [f"{node.name}: {n}" for n in sizes if n > LARGEST_CLASS]
        elif isinstance(node, ast.FunctionDef):
            n = length_of(node)
            found += [f"{node.name}: {n} lines"] if n > LARGEST_FUNCTION else []
    return found


def length_of_documentation(source: str) -> int:
    """Return the lines that document an estimator's parameters and attributes."""
    nodes = ast.walk(ast.parse(source))
    surface = [
        node
        for node in nodes
        if isinstance(node, ast.ClassDef) and node.name in SURFACE
    ]
    return sum(len((ast.get_docstring(node) or "").splitlines()) for node in surface)


def takes_parameters(node: ast.FunctionDef) -> bool:
    """Return whether a function only stores an estimator's parameters."""
    return node.name == "__init__" and all(
        isinstance(line, ast.Assign)
        and isinstance(line.value, ast.Name)
        and ast.unparse(line.targets[0]) == f"self.{line.value.id}"
        for line in node.body
    )


def methods_of(node: ast.ClassDef) -> list[str]:
    """Return the names of a class's own methods."""
    return [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)]


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Return the names of what a class declares or sets on its instances."""
    declared = {
        inner.target.id
        for inner in node.body
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name)
    }
    return declared | {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute)
        and isinstance(inner.value, ast.Name)
        and inner.value.id == "self"
        and isinstance(inner.ctx, ast.Store)
    }


def length_of(node: ast.FunctionDef) -> int:
    """Return a function's lines without its docstring."""
    docstring = ast.get_docstring(node, clean=False) or ""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1 - len(docstring.splitlines())


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_too_large_to_take_in(module):
    assert find_large(MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n" * 451, "451 lines"),
        ("class A:\n" + "".join(f"    a{n}: int\n" for n in range(16)), "A: 16"),
        (
            "class A:\n"
            + "".join(f"    def f{n}(self): self.a = 1\n" for n in range(16)),
            "A: 16",
        ),
        ("def f():\n" + "    x = 1\n" * 40, "f: 41 lines"),
    ],
)
def test_planted_size_is_found(source, found):
    assert find_large(source) == [found]


def test_every_import_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        requirement.partition(">")[0].replace("scikit-learn", "sklearn")
        for requirement in [
            *project["dependencies"],
            *extras["plot"],
            *extras["skops"],
            *extras["onnx"],
            *extras["dask"],
            *extras["dev"],
        ]
    }
    used = {name for room in ROOMS.values() for name in room.others}
    assert used <= declared
