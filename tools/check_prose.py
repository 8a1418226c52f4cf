"""Descriptions that open with a word standing for a noun that is not there.

``seed: Of the bootstrap.`` has to be decoded; ``seed: Seed of the bootstrap.`` is read. This looks
at every docstring's first line, at every entry of its sections (``name: Description``, the first
line of ``Returns:``, bullets), at texts beneath names, at the help, descriptions and captions of
fields and options, and at comments, and prints those that open with such a word::

    python -m tools.check_prose src tests benchmarks tools

Questions are no descriptions. Exit status: 0 none, 1 some.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

DANGLING = re.compile(r"(Of|What|Whose|That|How|Where|Which|By)\b(?![^.;]*\?)")
ENTRY = re.compile(r"^ {4,}`{0,2}\*{0,2}[\w.*, `]+(?: \([^)]*\))?:\s+(?P<text>\S.*)$")
BULLET = re.compile(r"^ *[*-] +(?P<text>\S.*)$")
OPENS_SECTION = re.compile(r"^ *(Returns|Yields):$")
DESCRIBED = ("description", "help", "caption")

Described = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def openings(source: str) -> Iterator[tuple[int, str]]:
    """Line number and opening line of each description of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Described):
            yield from _docstring(node)
        elif isinstance(node, ast.keyword) and node.arg in DESCRIBED:
            for text in _texts(node.value):
                yield node.value.lineno, text[:1].upper() + text[1:]  # help may be in lower case
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            # Beneath a name, or a docstring once more.
            yield node.value.lineno, str(node.value.value).lstrip().split("\n", 1)[0]
    yield from _comments(source)


def _docstring(node: Described) -> Iterator[tuple[int, str]]:
    if not (text := ast.get_docstring(node, clean=False)):
        return
    before = ""
    for line_number, line in enumerate(text.splitlines(), node.body[0].lineno):
        if found := ENTRY.match(line) or BULLET.match(line):
            yield line_number, found["text"]
        elif OPENS_SECTION.match(before):
            yield line_number, line.lstrip()
        before = line


def _texts(node: ast.AST) -> Iterator[str]:
    """Openings of the strings that an expression may be; none where a placeholder opens it."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.BinOp(left=first) | ast.JoinedStr(values=[first, *_]):
            yield from _texts(first)
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one)
            yield from _texts(other)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            if line != last + 1:
                yield line, token.string.lstrip("#: ")
            last = line


def dangling(path: Path) -> list[tuple[int, str]]:
    """Descriptions of a file that open with a word standing for a missing noun."""
    source = path.read_text(encoding="utf-8")
    return sorted({each for each in openings(source) if DANGLING.match(each[1])})


def main(folders: list[str]) -> int:
    """Print the findings in some folders, and return the exit status."""
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
