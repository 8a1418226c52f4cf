"""Run the notebooks of the documentation, and store what their cells put out.

    python -m tools.notebooks                                    # all of docs/notebooks
    python -m tools.notebooks docs/notebooks/face_scores.ipynb

`tests/test_notebooks.py` runs them the same way and compares.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from sterling.storage import write_atomically

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 120
# A warning ends the run, but for the kernel's own, on the way in (Python 3.13) and on the way out.
STRICT = (
    "--IPKernelApp.exec_lines=import warnings; warnings.simplefilter('error'); "
    "warnings.simplefilter('ignore', PendingDeprecationWarning); "
    "warnings.filterwarnings('ignore', 'There is no current event loop', DeprecationWarning)"
)
SAME_EVERYWHERE = {
    **{"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    **{"COLUMNS": "100", "NO_COLOR": "1"},  # as wide and as plain, whatever the terminal
}


def read(path: Path) -> Any:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def execute(notebook: Any) -> None:
    """Run every cell in a new kernel, in the folder of the notebooks, and keep the outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised, or warned.
    """
    with TemporaryDirectory() as folder:
        manager = AsyncKernelManager(
            kernel_name="python3",
            # Sockets in a folder of our own: ports could be taken by a kernel beside.
            transport="ipc",
            connection_file=str(Path(folder) / "kernel.json"),
        )
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=TIMEOUT_S,
            coalesce_streams=True,
            resources={"metadata": {"path": str(ROOT / "docs" / "notebooks")}},
            extra_arguments=[STRICT],
        )
        environment = {**os.environ, **SAME_EVERYWHERE, "IPYTHONDIR": folder}
        client.execute(cleanup_kc=True, env=environment)
    for number, cell in enumerate(_code(notebook), start=1):
        cell.execution_count = number
        cell.metadata.pop("execution", None)  # times
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    # The same file, whichever Python ran it.
    notebook.metadata["language_info"] = {"name": "python"}


def texts(notebook: Any) -> list[list[str]]:
    """Text that each cell of code put out: printed, shown and as HTML; pictures are left out."""
    return [
        [text for output in cell.outputs for text in _texts(output)] for cell in _code(notebook)
    ]


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _texts(output: Any) -> list[str]:
    if output.output_type == "stream":
        return [output.text]
    shown = output.get("data", {})
    if "image/png" in shown:
        return []
    return [shown[kind] for kind in ("text/plain", "text/html") if kind in shown]


def main(paths: list[str]) -> None:
    """Run notebooks and write them back."""
    for path in map(Path, paths or map(str, NOTEBOOKS)):
        notebook = read(path)
        execute(notebook)
        text = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
        write_atomically(path, text + "\n")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
