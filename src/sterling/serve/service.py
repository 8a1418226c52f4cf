"""The requests of the pages and of REST: each is checked, and answered by a worker."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from fastapi import Request, UploadFile

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.guarantee import Procedure
from sterling.serve.choices import Choices, choices
from sterling.serve.jobs import Job, Jobs
from sterling.serve.pool import CancelledError, Document, Pool
from sterling.serve.settings import Settings
from sterling.serve.uploads import given_file, named_files, names, text_files

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
        self.choices: Choices = choices(settings.text_detectors, research=settings.research_use)
        self._runs = str(settings.runs.resolve())
        there = Path(settings.detector).exists()
        self._detector = str(Path(settings.detector).resolve()) if there else settings.detector

    def check(self) -> None:
        """Load the detectors in the workers, so that no request waits for them.

        Raises:
            InputError: There is no such detector.
        """
        given = {"detector": self._detector}
        calls = [self.pool.submit("ready", {}, given, seconds=300) for _ in range(self.pool.size)]
        if folders := list(self.choices.folders.values()):
            given_texts = {"folders": folders}
            calls.append(self.jobs.pool.submit("ready_texts", {}, given_texts, seconds=300))
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
        detector: str,
        procedure: Procedure,
    ) -> Job:
        """Start a job that lists machine-written texts."""
        check_numbers(above=0, below=1, fdr=fdr)
        one_of("detector", detector, self.choices.detectors)
        asked, files = text_files("texts", pasted, texts, self.settings.items)
        known, more = text_files("calibration", "", calibration, self.settings.items)
        given = {
            "texts": asked,
            "calibration": known,
            "fdr": fdr,
            "detector": detector,
            "folder": self.choices.folders.get(detector, ""),
            "procedure": procedure,
            "model": "smollm2",
            "items": self.settings.items,
        }
        return await asyncio.to_thread(self.jobs.start, "machine_texts", files | more, given)

    async def attack(
        self,
        human: tuple[str, Sequence[UploadFile]],
        machine: tuple[str, Sequence[UploadFile]],
        *,
        attack: str,
        detector: str,
        share: float,
        fpr: float,
    ) -> Job:
        """Start a job that trains a detector and tests it before and after an attack.

        Args:
            human: Texts of people, pasted and uploaded; none at all takes the packaged ones.
            machine: Texts of machines; none at all has the packaged model write them.
            attack: One of the attacks of `choices`.
            detector: One of its detectors to train.
            share: Share of words to attack, in (0, 1].
            fpr: False positive rate, in (0, 1).
        """
        check_numbers(above=0, at_most=1, share=share)
        check_numbers(above=0, below=1, fpr=fpr)
        one_of("attack", attack, self.choices.attacks)
        one_of("detector", detector, self.choices.trainable)
        given: dict[str, Any] = {
            "attack": attack,
            "detector": detector,
            "share": share,
            "fpr": fpr,
            "model": "smollm2",
            "items": self.settings.items,
            "research_use": self.settings.research_use,
        }
        files: dict[str, IO[bytes]] = {}
        for field, (pasted, uploads) in (("human", human), ("machine", machine)):
            if pasted.strip() or any(map(given_file, uploads)):
                given[field], own = text_files(field, pasted, uploads, self.settings.items)
                files |= own
        if not self.choices.writes and "human" not in given:
            raise InputError("human: no text; paste or upload some")
        if "machine" in given and "human" not in given:
            raise InputError("human: no text; give those that people wrote beside the machine's")
        return await asyncio.to_thread(self.jobs.start, "attacked_texts", files, given)

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


def one_of(field: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not among those that this server offers.

    Raises:
        InputError: It is not; the message lists them.
    """
    if name not in known:
        raise InputError(f"{field}: {name[:60]!r} is not offered here; {', '.join(known)}")
