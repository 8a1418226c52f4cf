"""Texts with their origin: the records that detectors are trained, attacked and tested on.

One record is one line of a JSONL file. Texts that cannot be read are listed with a reason.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sterling.errors import InputError, quoted
from sterling.files import is_hidden
from sterling.runs import derive_seed
from sterling.storage import write_atomically
from sterling.tables import decode, read_bytes

SPLITS = ("train", "dev", "test")
TEXT_SUFFIXES = (".txt", ".md", ".text")
RECORD_SUFFIXES = (".jsonl", ".ndjson")
# Files of data or markup: as one text they would be tested with their commas, quotes and tags.
DATA_SUFFIXES = (
    *(".csv", ".tsv", ".json", ".parquet", ".arrow", ".feather", ".npz", ".npy", ".pkl"),
    *(".xlsx", ".xls", ".ods", ".docx", ".doc", ".odt", ".rtf", ".pdf", ".epub"),
    *(".html", ".htm", ".xml", ".yaml", ".yml", ".db", ".sqlite", ".gz", ".bz2", ".zip", ".zst"),
)
GIVE = f"give .jsonl with one object a line, {', '.join(TEXT_SUFFIXES)}, or a folder of these"


@dataclass(frozen=True)
class TextRecord:
    """One text.

    Attributes:
        id: Name that is unique within its corpus.
        text: The text itself.
        label: 1 for a machine's text, 0 for a person's.
        group: Texts of one origin (a text, what a machine made of its beginning, what an attack
            made of that) share a group, and a group is never divided among splits.
        language: Language as the source names it.
        domain: Origin of the human text ("news", "abstracts", ...).
        model: Name of the writer; "human" for a person.
        split: "train", "dev", "test", or "" when not divided.
        parent: Id of the record that was attacked, "" for an original.
        attack: Attack on the parent, "" for an original.
        meta: Other data, as JSON.
    """

    id: str
    text: str
    label: int
    group: str
    language: str = "en"
    domain: str = ""
    model: str = "human"
    split: str = ""
    parent: str = ""
    attack: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("label", "meta"):
                continue
            if not isinstance(value, str):
                raise InputError(
                    f"record {quoted(self.id)}: {one.name} is {quoted(value)}; give a text"
                )
            if one.name != "text" and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise InputError(
                    f"record {quoted(self.id)}: half of a surrogate pair in {one.name}; rename it"
                )
        if type(self.label) is not int or self.label not in (0, 1):
            raise InputError(
                f"record {quoted(self.id)}: label {quoted(self.label)}; 1 for machine, 0 human"
            )
        if not self.id:
            raise InputError("record without an id: give every record a unique one")
        if self.split not in ("", *SPLITS):
            raise InputError(
                f"record {quoted(self.id)}: split {quoted(self.split)}; use {', '.join(SPLITS)}"
            )


@dataclass(frozen=True)
class Unread:
    """A file or line that is no text, with the reason."""

    source: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """The records of a file or folder, and the parts that could not be read."""

    records: tuple[TextRecord, ...]
    unread: tuple[Unread, ...] = ()


def to_jsonl(records: Iterable[TextRecord]) -> str:
    """Return one JSON object per line."""
    return "".join(_encodable(asdict(record)) + "\n" for record in records)


def _encodable(record: dict[str, Any]) -> str:
    """Return JSON with letters as they are, unless half of a surrogate pair is among them."""
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(record)
    return line


def write_records(path: Path, records: Iterable[TextRecord]) -> None:
    """Write a JSONL file, whole or not at all."""
    write_atomically(path, to_jsonl(records))


def from_jsonl(line: str, source: str, number: int) -> TextRecord:
    """Read a record from one line; an object with a text alone is a human one of its own group.

    Args:
        line: A JSON object. ``text`` is needed; every other field has a default.
        source: Name of the file, for ids and errors.
        number: Number of the line, from 1.

    Raises:
        InputError: The line is no such object; the message names file and line.
    """
    where = f"{source}:{number}"
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{where}: no JSON object ({reason}); write one per line") from error
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        raise InputError(f"{where}: give an object with a field text")
    known = {one.name for one in fields(TextRecord)}
    meta = given.get("meta", {})
    if not isinstance(meta, dict):
        raise InputError(f"{where}: meta is {quoted(meta)}; give an object")
    # A field of the user's own is kept beside our own ones.
    own = {name: value for name, value in given.items() if name not in known}
    chosen = {name: value for name, value in given.items() if name in known - {"meta"}}
    named = chosen.pop("id", None)
    if type(named) not in (str, int, type(None)):
        raise InputError(f"{where}: id is {quoted(named)}; give a text or a whole number")
    identity = where if named is None else str(named)
    chosen.setdefault("label", 0)
    chosen.setdefault("group", identity)
    try:
        return TextRecord(id=identity, meta={**own, **meta}, **chosen)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def read_corpus(path: Path) -> Corpus:
    """Read texts of a JSONL file, a text file, or a folder of text files (``TEXT_SUFFIXES``).

    A text file is one human text; the folder below the given one is its domain. Files that hold no
    text, or one in an unknown encoding, are listed in `Corpus.unread`, and so are the other files
    of a folder, by their kind. A byte order mark is no part of a text.

    Raises:
        InputError: Nothing is there, the file holds data and not one text (``DATA_SUFFIXES``, or
            JSON by its content), a line of a JSONL file is damaged, or an id occurs twice.
    """
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if _is_visible_file(one, path))
        texts = [one for one in files if one.suffix.lower() in TEXT_SUFFIXES]
        if not texts:
            raise InputError(f"{path}: no {', '.join(TEXT_SUFFIXES)} file; give a folder of texts")
        read = [*(_text_file(one, path) for one in texts), *_other_files(files, path)]
    elif path.suffix.lower() in RECORD_SUFFIXES and path.is_file():
        read = list(_lines(path))
    elif path.is_file():
        read = [_text_file(path, path.parent)]
        if path.suffix.lower() in DATA_SUFFIXES or read == [Unread(path.name, _JSON)]:
            raise InputError(f"{path}: holds data, not one text; {GIVE}")
    else:
        raise InputError(f"{path}: not there; give a .jsonl file, a text file or a folder of them")
    records = tuple(one for one in read if isinstance(one, TextRecord))
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise InputError(f"{path}: id {quoted(record.id)} occurs twice; ids are unique")
        seen.add(record.id)
    return Corpus(records, tuple(one for one in read if isinstance(one, Unread)))


def _text_file(path: Path, root: Path) -> TextRecord | Unread:
    name = path.relative_to(root).as_posix()
    try:
        text = decode(path, read_bytes(path))
    except InputError as error:
        # The file is named already.
        reason = re.sub(r"^(, line \d+)?: | (?=cannot)", "", str(error).removeprefix(str(path)))
        return Unread(name, reason)
    if not text.strip():
        return Unread(name, "empty")
    if _is_json(text):
        return Unread(name, _JSON)
    domain = path.relative_to(root).parts[0] if len(path.relative_to(root).parts) > 1 else ""
    return TextRecord(id=name, text=text, label=0, group=name, domain=domain)


_JSON = "holds JSON records, not one text; name it .jsonl with one object a line"


def _is_json(text: str) -> bool:
    """Whether the text, or its first line, is an object or a list of objects in JSON."""
    for part in (text.strip(), text.strip().split("\n", 1)[0]):
        if not part.startswith(("{", "[")):
            return False
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        rows = value if isinstance(value, list) else [value]
        if rows and all(isinstance(row, dict) for row in rows):
            return True
    return False


def _is_visible_file(path: Path, root: Path) -> bool:
    return not is_hidden(path.relative_to(root)) and path.is_file()


def _other_files(files: Sequence[Path], root: Path) -> list[Unread]:
    """Name the files that are not read: one of each kind, with the number of the others."""
    kinds: dict[str, list[Path]] = {}
    for path in files:
        kinds.setdefault(path.suffix.lower(), []).append(path)
    return [
        Unread(
            own[0].relative_to(root).as_posix()
            + (f" and {len(own) - 1} more {kind or 'without a suffix'}" if len(own) > 1 else ""),
            f"of a kind that is not read from a folder; save as {', '.join(TEXT_SUFFIXES)}",
        )
        for kind, own in sorted(kinds.items())
        if kind not in TEXT_SUFFIXES
    ]


def _lines(path: Path) -> Iterator[TextRecord | Unread]:
    content = read_bytes(path)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = decode(path, content).encode()
    for number, raw in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            yield Unread(f"{path.name}:{number}", f"not UTF-8 (byte {error.start})")
            continue
        if not line.strip():
            continue
        record = from_jsonl(line, path.name, number)
        yield record if record.text.strip() else Unread(record.id, "empty")


def split_by_group(
    records: Sequence[TextRecord], seed: int, shares: tuple[int, int, int] = (8, 1, 1)
) -> list[TextRecord]:
    """Put each record in "train", "dev" or "test".

    Groups are ordered by a keyed hash of their name, so that the order of the records plays no
    part; then they are cut by the shares. With three groups or more no split is empty.

    Args:
        records: Records in any order.
        seed: Seed of the hash.
        shares: Shares of train, dev and test; the platform's are 8 : 1 : 1.

    Raises:
        InputError: A share is not a positive whole number.
    """
    if len(shares) != 3 or any(type(share) is not int or share < 1 for share in shares):
        raise InputError(f"shares {shares}: three whole numbers of 1 or more")
    groups = sorted({record.group for record in records}, key=lambda one: derive_seed(seed, one))
    n, total = len(groups), sum(shares)
    test = max(1, round(n * shares[2] / total))
    dev = max(1, round(n * shares[1] / total))
    bounds = (n - dev - test, n - test)
    place = {
        group: SPLITS[(index >= bounds[0]) + (index >= bounds[1])]
        for index, group in enumerate(groups)
    }
    return [replace(record, split=place[record.group]) for record in records]


def content_id(text: str) -> str:
    """Return sixteen hexadecimal digits that name a text by its content."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def beginning_id(text: str) -> str:
    """Return the content id of a text's first forty words, which a text cut later keeps."""
    return content_id(" ".join(text.split()[:40]))
