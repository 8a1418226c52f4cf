"""The requests of the pages and of REST: each is checked, and answered by a worker."""

import asyncio
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, Any, Literal

from fastapi import Request, UploadFile

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.guarantee import Procedure
from sterling.serve.jobs import Job, Jobs
from sterling.serve.pool import CancelledError, Document, Pool
from sterling.serve.settings import Settings

UntrainedDetector = Literal[
    "fast_detect_gpt", "likelihood", "rank", "log_rank", "lrr", "lastde", "binoculars"
]
"""Detectors that need no training. No request names a folder or a function of the server's."""

SEPARATOR = re.compile(r"^\s*---+\s*$", re.MULTILINE)
"""A line between two pasted texts."""

LOOK_SECONDS = 0.5  # between two looks at whether the client is still there


class Service:
    """The workers, the jobs, and one method for each kind of request.

    Args:
        settings: Settings of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = Pool(settings.workers, queue=settings.queue)
        self.jobs = Jobs(queue=settings.queue, seconds=settings.job_seconds)
        self._runs = str(settings.runs.resolve())
        there = Path(settings.detector).exists()
        self._detector = str(Path(settings.detector).resolve()) if there else settings.detector

    def check(self) -> None:
        """Load the detector in every worker, so that no request waits for it.

        Raises:
            InputError: There is no such detector.
        """
        given = {"detector": self._detector}
        calls = [self.pool.submit("ready", {}, given, seconds=300) for _ in range(self.pool.size)]
        for call in calls:
            call.future.result()

    def close(self) -> None:
        """End all work."""
        self.jobs.close()
        self.pool.close()

    async def liveness(self, request: Request, file: UploadFile) -> Document:
        """Judge one photograph or clip."""
        files = named_files({"file": file})
        given = {"detector": self._detector, "detector_name": self.settings.detector}
        return await self._answer(request, "liveness", files, {**given, **names(files)})

    async def members(
        self,
        request: Request,
        files: Mapping[str, UploadFile | None],
        *,
        alpha: float,
        method: Procedure,
        lower_is_member: bool,
    ) -> Document:
        """List members of a training set."""
        check_numbers(above=0, below=1, alpha=alpha)
        found = named_files(files)
        given = {"alpha": alpha, "method": method, "lower_is_member": lower_is_member}
        return await self._answer(request, "members", found, {**given, **names(found)})

    async def forgetting(
        self, request: Request, files: Mapping[str, UploadFile | None], *, tolerance: float
    ) -> Document:
        """Audit forgetting."""
        check_numbers(above=0, below=0.5, tolerance=tolerance)
        found = named_files(files)
        given = {"tolerance": tolerance}
        return await self._answer(request, "forgetting", found, {**given, **names(found)})

    async def marks(
        self,
        request: Request,
        key: UploadFile,
        pasted: str,
        texts: Sequence[UploadFile],
        *,
        level: float,
    ) -> Document:
        """Test texts for a key's mark."""
        check_numbers(above=0, below=1, level=level)
        name, files = text_files("texts", pasted, texts, self.settings.items)
        found = {**files, **named_files({"key": key})}
        given = {"level": level, "model": "smollm2", "texts": name, "key": next(reversed(found))}
        return await self._answer(request, "marks", found, given)

    async def detect(
        self,
        pasted: str,
        texts: Sequence[UploadFile],
        calibration: Sequence[UploadFile],
        *,
        fdr: float,
        detector: UntrainedDetector,
        procedure: Procedure,
    ) -> Job:
        """Start a job that lists machine-written texts."""
        check_numbers(above=0, below=1, fdr=fdr)
        asked, files = text_files("texts", pasted, texts, self.settings.items)
        known, more = text_files("calibration", "", calibration, self.settings.items)
        given = {
            "texts": asked,
            "calibration": known,
            "fdr": fdr,
            "detector": detector,
            "procedure": procedure,
            "model": "smollm2",
            "items": self.settings.items,
        }
        return await asyncio.to_thread(self.jobs.start, "machine_texts", files | more, given)

    async def about_runs(self, request: Request, task: str, **given: str) -> Document:
        """Answer a question about the folder of runs."""
        return await self._answer(request, task, {}, {"runs": self._runs, **given})

    async def _answer(
        self, request: Request, task: str, files: Mapping[str, IO[bytes]], given: Mapping[str, Any]
    ) -> Document:
        """Have a worker answer; who left gets no answer, and the work is ended."""
        seconds = self.settings.seconds
        ticket = await asyncio.to_thread(self.pool.submit, task, files, given, seconds=seconds)
        future = asyncio.wrap_future(ticket.future)
        try:
            while not (await asyncio.wait([future], timeout=LOOK_SECONDS))[0]:
                if await request.is_disconnected():
                    raise CancelledError
            return future.result()
        finally:
            if not future.done():
                await asyncio.to_thread(ticket.cancel)


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
