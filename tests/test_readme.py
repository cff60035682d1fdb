"""Runs the blocks of README.md from top to bottom, as a reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What a reader does once, on a machine that has nothing yet, or in a clone.
N_LEFT_OUT = 2

FENCE = re.compile(
    r"(?P<left_out><!-- not run: [^\n]+ -->\n)?"
    r"^```(?P<language>\S*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block and the line of README.md on which its body starts."""

    language: str
    body: str
    line: int
    left_out: bool


def find_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks in their order."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("body")) + 1
        yield Block(match["language"], match["body"], line, bool(match["left_out"]))


def run_python(block: Block, namespace: dict[str, object]) -> None:
    """Run a block so that a traceback shows README.md and the line in it."""
    padding = "\n" * (block.line - 1)
    code = compile(padding + block.body, ROOT / "README.md", "exec")
    exec(code, namespace)


def run_shell(block: Block) -> None:
    """Run a block's commands with this environment's programs."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.body],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": programs},
        check=False,
    )
    assert done.returncode == 0, f"README.md:{block.line}\n{done.stdout}{done.stderr}"


BLOCKS = list(find_blocks(README))


@pytest.mark.timeout(300)  # six processes, each importing scikit-learn or torch
def test_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in BLOCKS:
        if block.left_out:
            continue
        if block.language == "python":
            run_python(block, namespace)
        else:
            run_shell(block)


def test_every_fence_is_a_block():
    assert 2 * len(BLOCKS) == len(re.findall(r"^\s*(?:```|~~~)", README, re.MULTILINE))


def test_every_block_is_run_or_says_why_not():
    assert {block.language for block in BLOCKS} == {"python", "sh"}
    assert sum(block.left_out for block in BLOCKS) == N_LEFT_OUT
    assert all(block.language == "sh" for block in BLOCKS if block.left_out)


def test_python_error_names_the_line():
    (block,) = find_blocks("one\n\n```python\n\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as error:
        run_python(block, {})
    assert error.traceback[-1].lineno + 1 == 5


def test_shell_error_names_the_line():
    (block,) = find_blocks("```sh\nfalse\ntrue\n```\n")
    with pytest.raises(AssertionError, match=r"README\.md:2"):
        run_shell(block)


@pytest.mark.parametrize(
    "link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README)))
)
def test_link_leads_somewhere(link):
    assert (ROOT / link).exists()
