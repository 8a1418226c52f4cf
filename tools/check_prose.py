"""Descriptions that open with a word standing for a noun that is not there.

``seed: Of the bootstrap.`` has to be decoded; ``seed: Seed of the bootstrap.`` is read. This looks
at every docstring's first line, at every entry of its sections (``name: Description``), and at the
descriptions and help texts of fields and options, and prints those that open with such a word::

    python -m tools.check_prose src tests benchmarks tools

Exit status: 0 none, 1 some.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DANGLING = re.compile(r"(Of|What|Whose|That|How|Where|Which|By)\b(?! \(|\.$)")
ENTRY = re.compile(r"^ {4,}`{0,2}\*{0,2}[\w.*, `]+(?: \([^)]*\))?:\s+(?P<text>\S.*)$")
DESCRIBED = ("description", "help")


def openings(source: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each description of a module."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstring(node)
        elif isinstance(node, ast.keyword) and node.arg in DESCRIBED:
            text = "".join(
                part.value
                for part in ast.walk(node.value)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
            yield node.value.lineno, text
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            # Beneath a name, or a docstring once more.
            yield node.value.lineno, str(node.value.value).lstrip().split("\n", 1)[0]


def _docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[int, str]]:
    if not (text := ast.get_docstring(node, clean=False)):
        return
    start = node.body[0].lineno
    for offset, line in enumerate(text.splitlines()):
        if found := ENTRY.match(line):
            yield start + offset, found["text"]


def dangling(path: Path) -> list[tuple[int, str]]:
    """Descriptions of a file that open with a word standing for a missing noun."""
    source = path.read_text(encoding="utf-8")
    return sorted({each for each in openings(source) if DANGLING.match(each[1])})


def main(folders: list[str]) -> int:
    """Print what was found in some folders."""
    found = [
        (path, line, text)
        for folder in folders
        for path in sorted(Path(folder).rglob("*.py"))
        for line, text in dangling(path)
    ]
    for path, line, text in found:
        print(f"{path}:{line}: {text}")
    print(f"{len(found)} descriptions open with a word standing for a noun")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
