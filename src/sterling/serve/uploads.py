"""Uploads of a form as files of a worker's folder, under names that no sender chose."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import IO

from fastapi import UploadFile

from sterling.errors import InputError

SEPARATOR = re.compile(r"^\s*---+\s*$", re.MULTILINE)
"""A line between two pasted texts."""


def given_file(file: UploadFile | None) -> bool:
    """Whether a form holds a file; a browser sends an empty one where none was chosen."""
    return file is not None and bool(file.filename or file.size)


def named_files(files: Mapping[str, UploadFile | None]) -> dict[str, IO[bytes]]:
    """Files by the field of the form and the suffix of the upload, such as ``scores.csv``.

    Raises:
        InputError: A file is empty.
    """
    found: dict[str, IO[bytes]] = {}
    for field, file in files.items():
        if file is None or not given_file(file):
            continue
        if not file.size:
            raise InputError(f"{field}: empty; choose a file")
        found[f"{field}{_suffix(file)}"] = file.file
    return found


def names(files: Mapping[str, object]) -> dict[str, str]:
    """Names of files by their field."""
    return {PurePath(name).stem: name for name in files}


def text_files(
    field: str, pasted: str, uploads: Sequence[UploadFile], most: int
) -> tuple[str, dict[str, IO[bytes]]]:
    """Texts as one JSONL file or as a folder of text files, and its name.

    Args:
        field: Field of the form.
        pasted: Texts with lines ``---`` between them.
        uploads: One .jsonl file, or text files.
        most: Number of texts at most.

    Raises:
        InputError: There is no text, too many, or both kinds of files.
    """
    files = [one for one in uploads if given_file(one)]
    texts = [text.strip() for text in SEPARATOR.split(pasted) if text.strip()]
    records = [one for one in files if _suffix(one) in (".jsonl", ".ndjson")]
    if records:
        if len(files) > 1 or texts:
            raise InputError(f"{field}: give one .jsonl file alone, or texts")
        return f"{field}.jsonl", {f"{field}.jsonl": records[0].file}
    if not texts and not files:
        raise InputError(f"{field}: no text; paste or upload one")
    if len(texts) + len(files) > most:
        raise InputError(f"{field}: {len(texts) + len(files)} texts; give at most {most}")
    found: dict[str, IO[bytes]] = {
        f"{field}/pasted-{row}.txt": io.BytesIO(text.encode(errors="replace"))
        for row, text in enumerate(texts, start=1)
    }
    for row, one in enumerate(files, start=1):
        found[f"{field}/{row}-{_plain(one)}.txt"] = one.file
    return field, found


def _plain(file: UploadFile) -> str:
    """Letters and digits of an upload's name, for people to know it by."""
    stem = PurePath((file.filename or "").replace("\\", "/")).stem
    return re.sub(r"[^\w-]+", "-", stem)[:60].strip("-") or "text"


def _suffix(file: UploadFile) -> str:
    suffix = PurePath((file.filename or "").replace("\\", "/")).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""
