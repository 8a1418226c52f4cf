"""A bundle: finished runs in one file that a stranger can check, offline and without weights.

The file is a zip archive: a folder for each run with its evidence, lock, frames, scores and report,
``bundle.json``, and ``SHA256SUMS`` over everything. `verify_bundle` checks every digest and derives
every verdict anew from the frames.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sterling.errors import InputError
from sterling.files import open_regular, within
from sterling.runs import damaged_files
from sterling.storage import SUMS, digest_of, read_sums, write_atomically
from sterling.study.evidence import Evidence, load_evidence
from sterling.study.lock import LOCKED_CLAIMS, Lock
from sterling.study.recheck import ClaimCheck, recheck

if TYPE_CHECKING:
    from sterling.study.grammar import Study

FORMAT = 1
CONTENTS = "bundle.json"
REPORT = "report.html"
KEPT = ("evidence.json", LOCKED_CLAIMS, "run.json", "results.parquet", "scores.parquet")
"""Files of a run that a bundle holds, beside its report. Weights and pictures stay outside."""

MAX_FILES = 1_000
MAX_BYTES = 2 << 30
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same runs give the same bytes


@dataclass(frozen=True)
class RunCheck:
    """One run of a bundle, checked.

    Attributes:
        run: Its folder in the bundle.
        study: Name of its study.
        lock: "kept", "broken" or "none" where the run has no lock.
        departures: Ways in which the run departs from its lock.
        claims: Its claims, each derived anew.
    """

    run: str
    study: str
    lock: str
    departures: list[str]
    claims: list[ClaimCheck]

    @property
    def agrees(self) -> bool:
        """Whether the lock was kept and every verdict that can be derived anew is the same."""
        return self.lock != "broken" and all(claim.agrees is not False for claim in self.claims)


@dataclass(frozen=True)
class BundleCheck:
    """A bundle, checked.

    Attributes:
        digest: SHA-256 of the bundle's file, hexadecimal.
        files: Number of files in it.
        damaged: Files that are missing, were added, or do not fit their digest. Nothing else is
            checked then.
        runs: Its runs.
    """

    digest: str
    files: int
    damaged: list[str]
    runs: list[RunCheck] = field(default_factory=list)


def write_bundle(folders: Sequence[Path], out: Path) -> str:
    """Write finished runs as one file that `verify_bundle` checks.

    Args:
        folders: Run folders.
        out: The file to write. It is whole or absent.

    Returns:
        SHA-256 of the file, to publish where nobody can change it.

    Raises:
        InputError: A folder holds no finished run, or a damaged one; two runs have one name.

    Examples:
        ```python
        write_bundle([Path("runs/cdcn-quick-0")], Path("bundle.zip"))
        ```
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise InputError(f"two runs have one name ({', '.join(sorted(names))}); rename a folder")
    contents: dict[str, bytes] = {}
    for name, folder in zip(names, folders, strict=True):
        contents |= {f"{name}/{file}": content for file, content in _files_of(folder)}
    described = {"format": FORMAT, "runs": names}
    contents[CONTENTS] = (json.dumps(described, indent=1) + "\n").encode()
    sums = (
        f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(contents.items())
    )
    contents[SUMS] = "".join(sums).encode()
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    write_atomically(out, buffer.getvalue())
    return sha256(buffer.getvalue()).hexdigest()


def _files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a run that belongs into a bundle."""
    from sterling.study.report import render_report  # needs an extra, which checking does not

    load_evidence(folder)  # first: a folder without a finished run is refused in its words
    damaged = set(damaged_files(folder)) & set(KEPT)
    if damaged:
        raise InputError(f"{folder / min(damaged)} is damaged; see: sterling fsck {folder}")
    for name in KEPT:
        if (folder / name).is_file():
            yield name, (folder / name).read_bytes()
    with TemporaryDirectory() as temporary:
        page = Path(temporary) / REPORT
        render_report([folder], page)
        yield REPORT, page.read_bytes()


def verify_bundle(path: Path, studies: "Mapping[str, Study[Any]]") -> BundleCheck:
    """Check every digest of a bundle, and derive every verdict anew from its frames.

    Args:
        path: The bundle.
        studies: Studies by name. Verdicts of a study that is not among them, or whose packages are
            not installed, are derived from the values that its evidence records.

    Raises:
        InputError: It is no bundle, or one of a newer version.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = _unpack(path, folder)
        digest, damaged = digest_of(path), _damaged(folder, names)
        if damaged:
            return BundleCheck(digest, len(names), damaged)
        runs = [_check_run(folder, name, studies) for name in _runs(path, folder)]
        return BundleCheck(digest, len(names), [], runs)


def _unpack(path: Path, folder: Path) -> list[str]:
    """Write the files of a bundle below a folder, within limits, and return their names."""
    try:
        with open_regular(path, "bundle", largest=MAX_BYTES) as file:
            archive = zipfile.ZipFile(file)
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_contents(path, entries)
            for entry in entries:
                place = within(folder, entry.filename)
                place.parent.mkdir(parents=True, exist_ok=True)
                try:
                    place.write_bytes(archive.read(entry))
                except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                    place.write_bytes(f"unreadable: {error}".encode())  # fits no digest
    except InputError:
        raise
    except Exception as error:  # zipfile raises struct.error, OSError, ... as well
        raise InputError(f"{path}: no bundle that can be read ({error})") from error
    return [entry.filename for entry in entries]


def _check_contents(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive that is no bundle before anything of it is written."""
    names = {entry.filename for entry in entries}
    if not {SUMS, CONTENTS} & names:
        raise InputError(f"{path}: no bundle; write one with: sterling bundle RUN -o FILE")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_BYTES or len(entries) > MAX_FILES or len(names) < len(entries):
        raise InputError(f"{path}: no bundle: too large, or two files of one name")


def _damaged(folder: Path, names: Sequence[str]) -> list[str]:
    """Files that are missing, were added, or do not fit their digest."""
    sums = read_sums(folder)
    changed = {
        name
        for name, digest in sums.items()
        if name not in names or digest_of(within(folder, name)) != digest
    }
    if not sums:
        return [SUMS]
    return sorted(changed | (set(names) - sums.keys() - {SUMS}))


def _runs(path: Path, folder: Path) -> list[str]:
    """Folders of the runs that a bundle holds."""
    try:
        described = json.loads((folder / CONTENTS).read_bytes())
        found, runs = described["format"], [str(name) for name in described["runs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: {CONTENTS} does not describe a bundle ({error})") from error
    if found != FORMAT:
        raise InputError(
            f"{path}: a bundle of format {found}, this version reads {FORMAT}; upgrade sterling"
        )
    return runs


def _study_of(evidence: Evidence, studies: "Mapping[str, Study[Any]]") -> "Study[Any] | None":
    """The study of a run; None if it, or a package that it needs, is not installed."""
    try:
        return studies.get(evidence.study)
    except ModuleNotFoundError:
        return None


def _check_run(folder: Path, name: str, studies: "Mapping[str, Study[Any]]") -> RunCheck:
    if PurePosixPath(name).name != name:
        raise InputError(f"{CONTENTS}: names the run {name!r}, which is no folder of the bundle")
    run = within(folder, name)
    evidence = load_evidence(run)
    claims = recheck(run, evidence, _study_of(evidence, studies))
    if not (run / LOCKED_CLAIMS).is_file():
        return RunCheck(name, evidence.study, "none", [], claims)
    try:
        lock = Lock.model_validate_json((run / LOCKED_CLAIMS).read_bytes())
    except ValidationError as error:
        raise InputError(f"{name}/{LOCKED_CLAIMS}: no lock ({error.errors()[0]['msg']})") from error
    departures = lock.differences(evidence)
    return RunCheck(name, evidence.study, "broken" if departures else "kept", departures, claims)
