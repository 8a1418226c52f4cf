"""The studies by name: what a list shows of each. A study's own module is imported when it runs."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sterling.errors import InputError
from sterling.plugins import Registry
from sterling.study import StudyEntry

if TYPE_CHECKING:
    from sterling.study import Study


def _check(name: str, entry: StudyEntry) -> None:
    if not isinstance(entry, StudyEntry):
        raise InputError(f"study {name!r}: {entry!r} is no sterling.study.StudyEntry")
    if entry.name != name:
        raise InputError(f"study {name!r}: its entry has the name {entry.name!r}; use one name")
    _ = entry.paper  # raises where the list of studies would


def _own() -> Iterator[StudyEntry]:
    """Entries of ``registry.toml``; a study's module has the names of its domain and of itself."""
    here = Path(__file__).parent
    listed = tomllib.loads((here / "registry.toml").read_text(encoding="utf-8"))
    for domain, studies in listed.items():
        for name, fields in studies.items():
            file = ".study" if (here / domain / name).is_dir() else ""
            yield StudyEntry(
                name,
                fields["summary"],
                domain,
                fields["cite"],
                f"sterling.studies.{domain}.{name}{file}",
                extras=tuple(fields.get("extras", ())),
                minutes=fields.get("minutes"),
            )


ENTRIES: Registry[StudyEntry] = Registry(
    "study", "sterling.studies", {entry.name: entry for entry in _own()}, _check
)


class Studies(Mapping[str, "Study[Any]"]):
    """The studies of `ENTRIES` by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> "Study[Any]":
        """Import a study."""
        return ENTRIES[name].load()

    def __contains__(self, name: object) -> bool:
        """Whether there is such a study; none is imported."""
        return name in ENTRIES

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; no study is imported."""
        return iter(ENTRIES)

    def __len__(self) -> int:
        """Count the studies."""
        return len(ENTRIES)
