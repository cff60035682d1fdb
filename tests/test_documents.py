"""docs/architecture.md names files that exist, docs/model-files.md what is in them."""

import ast
import re
from pathlib import Path

import pytest

from torch_binary_classifier import UntrustedModelError, load, save

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "pipeline" / "torch_binary_classifier"
OTHERS = ("positive.py", "preparation.py")
NAMES = sorted(set(re.findall(r"[A-Za-z_/-]+\.(?:py|md)\b", TEXT)))


@pytest.mark.parametrize("name", NAMES)
def test_file_is_there(name):
    assert (PACKAGE / name).is_file() or (ROOT / name).is_file()


@pytest.mark.parametrize(
    "room",
    [
        "estimator",
        "training",
        "search",
        "tables",
        "scoring",
        "onnx_graph",
        "pictures",
        "report_page",
    ],
)
def test_every_room_is_on_the_way(room):
    assert any(name.startswith(f"{room}/") for name in NAMES)


def test_model_files_are_read_and_signed_as_the_document_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save({"a": 1}, "model.joblib", notes="for the document")
    text = (ROOT / "docs" / "model-files.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    found = {}
    for block in blocks:
        exec(block, found)
    assert found["manifest"]["notes"] == "for the document"
    assert load("signed.joblib", verify_with=found["key"]) == {"a": 1}
    with pytest.raises(UntrustedModelError):
        load("signed.joblib", verify_with=found["key"][::-1])


def test_state_of_a_trusted_class_is_assigned_and_nothing_else():
    """trust="safe" runs `__setstate__`: no call in it but that of its base."""
    for path in (PACKAGE / name for name in ("classifier.py", *OTHERS)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "__setstate__":
                calls = [ast.unparse(c) for c in ast.walk(node) if type(c) is ast.Call]
                assert set(calls) <= {"super().__setstate__(state)", "super()"}
                assert not {"Import", "ImportFrom"} & {
                    type(inner).__name__ for inner in ast.walk(node)
                }
