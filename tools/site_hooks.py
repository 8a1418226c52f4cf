"""Hooks of the documentation site: notebooks and the pages beside ``docs/`` belong to it, too.

On the hosts of repositories ``docs/results.md`` links to ``../PAPERS.md``; on the site both are
pages of one folder. A notebook becomes a page with the outputs that its file stores.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "PAPERS.md", "SECURITY.md")},
}
"""Files beside ``docs/``, and their names on the site."""

_LINK = re.compile(r"(\]\()((?:\.\./)*)([\w/.-]+\.(?:md|png|svg|ipynb))")

_NOTEBOOK = re.compile(r"(\]\([\w/.-]*notebooks/\w+)\.ipynb\)")

_SOURCE = re.compile(r"\[([^\]]+)\]\(src/[\w/.-]+\)")  # the site does not hold the source


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages beside ``docs/``, and a page for each notebook."""
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        for page in _pages_of(file, config):
            files.append(page)
    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        text = _SOURCE.sub(r"\1", text)
        files.append(File.generated(config, name, content=_LINK.sub(_from_root, text)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Point links that leave ``docs/`` to the pages that were added."""
    depth = page.file.src_uri.count("/")

    def inside(match: re.Match[str]) -> str:
        start, up, target = match.groups()
        if up == "../" * (depth + 1) and target in PAGES:
            return f"{start}{'../' * depth}{PAGES[target]}"
        return match[0]

    return _LINK.sub(inside, _NOTEBOOK.sub(r"\1.md)", markdown))


def _pages_of(notebook: File, config: Any) -> list[File]:
    """Return a notebook as a page of Markdown, and its pictures."""
    name = notebook.src_uri.removesuffix(".ipynb")
    own = name.rpartition("/")[2]
    exporter: Any = MarkdownExporter()  # type: ignore[no-untyped-call]
    resources = {"output_files_dir": f"{own}_files"}
    text, resources = exporter.from_filename(notebook.abs_src_path, resources)
    text += f"\nThis page is a notebook: [{own}.ipynb]({own}.ipynb).\n"
    pictures = [
        File.generated(config, f"{name.rpartition('/')[0]}/{path}", content=content)
        for path, content in resources["outputs"].items()
    ]
    return [File.generated(config, f"{name}.md", content=text), *pictures]


def _from_root(match: re.Match[str]) -> str:
    start, up, target = match.groups()
    return f"{start}{up}{PAGES.get(target, target.removeprefix('docs/'))}"
