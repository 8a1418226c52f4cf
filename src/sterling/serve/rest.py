"""The REST interface: the JSON documents of the command line, described by OpenAPI."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, HTTPException, Request, Response, UploadFile
from pydantic import BaseModel, Field

from sterling.guarantee import Procedure
from sterling.serve.jobs import Job, State
from sterling.serve.service import Service

Upload = Annotated[UploadFile, File()]
Maybe = Annotated[UploadFile | None, File()]
Rate = Annotated[float, Form(gt=0, lt=1)]
LINES = "application/x-ndjson"
PASTED = "Texts, with lines --- between them."


class Refusal(BaseModel):
    """The answer to a request that was refused."""

    error: str = Field(description="One line: which field, and how to mend it.")


class JobState(BaseModel):
    """Work under way, or its answer."""

    id: str
    state: State
    done: int = Field(description="Texts of the step done so far.")
    total: int = Field(description="All texts of the step; 0 where that is unknown.")
    step: str = Field(description="build, attack, train or evaluate; empty for work of one step.")
    error: str = Field(description="Why it failed; empty unless it did.")
    document: dict[str, Any] | None = Field(description="The answer; null until it is done.")
    files: list[str] = Field(description="Files of the answer, at the job's address / name.")


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": description}
    for status, description in (
        (400, "The form is cut off, or has too many parts."),
        (401, "The token is missing or wrong."),
        (403, "Sent from another site's page, or by another site's name."),
        (408, "The upload took too long."),
        (413, "The body is too large."),
        (422, "The input is wrong, or nothing could be measured."),
        (503, "Too many requests wait; see Retry-After."),
        (504, "The work took too long."),
    )
}

NO_JOB: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "No such job, or no such file of its answer."}
}


def choice(names: Sequence[str]) -> Any:
    """Return a field of a form that takes one of some names, the first by default."""
    return Form(names[0] if names else "", json_schema_extra={"enum": list(names)} if names else {})


def file_answer(job: Job, name: str) -> Response:
    """Answer with a file of a job.

    Raises:
        HTTPException: There is none of this name, or the job is not done.
    """
    if name not in job.files:
        raise HTTPException(404, "no such file; a job has files when it is done")
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(job.files[name], media_type=LINES, headers=disposition)


def rest_routes(service: Service) -> APIRouter:
    """Return the routes below ``/v1``."""
    routes = APIRouter(prefix="/v1", responses=REFUSALS)

    @routes.post("/liveness", summary="One verdict on a photograph or clip")
    async def liveness(request: Request, file: Upload) -> dict[str, Any]:
        """As ``sterling face predict --json``: bona fide, attack, or cannot tell."""
        return await service.liveness(request, file)

    @routes.post("/privacy/mia", summary="Members of a training set, with a bound on the list")
    async def mia(
        request: Request,
        scores: Upload,
        calibration: Upload,
        members: Maybe = None,
        holdout: Maybe = None,
        alpha: Rate = 0.1,
        method: Annotated[Procedure, Form()] = "bh",
        lower_is_member: Annotated[bool, Form()] = False,
    ) -> dict[str, Any]:
        """As ``sterling privacy mia --json``. Files are .csv, .parquet or .jsonl."""
        files = {
            "scores": scores,
            "calibration": calibration,
            "members": members,
            "holdout": holdout,
        }
        return await service.members(
            request, files, alpha=alpha, method=method, lower_is_member=lower_is_member
        )

    @routes.post("/privacy/audit", summary="Did an unlearned model forget?")
    async def audit(
        request: Request,
        forget: Upload,
        holdout: Upload,
        retain: Maybe = None,
        retrained_forget: Maybe = None,
        retrained_holdout: Maybe = None,
        tolerance: Annotated[float, Form(gt=0, lt=0.5)] = 0.05,
    ) -> dict[str, Any]:
        """As ``sterling privacy audit --json``. Files are .csv, .parquet, .jsonl or .npz."""
        files = {
            "forget": forget,
            "holdout": holdout,
            "retain": retain,
            "retrained_forget": retrained_forget,
            "retrained_holdout": retrained_holdout,
        }
        return await service.forgetting(request, files, tolerance=tolerance)

    offered = service.choices

    @routes.post("/text/detect", status_code=202, summary="Start a list of machine-written texts")
    async def detect(
        response: Response,
        calibration: Annotated[list[UploadFile], File(min_length=1)],
        texts: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Annotated[str, Form(description=PASTED)] = "",
        fdr: Rate = 0.05,
        detector: str = choice(offered.detectors),
        procedure: Annotated[Procedure, Form()] = "bh",
    ) -> JobState:
        """Its document is that of ``sterling text detect --json``. Look at ``/v1/jobs/{id}``."""
        job = await service.detect(
            pasted, texts or [], calibration, fdr=fdr, detector=detector, procedure=procedure
        )
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return JobState(**job.to_dict())

    @routes.post("/text/attack", status_code=202, summary="Start a test of a detector by an attack")
    async def attack(
        response: Response,
        human: Annotated[list[UploadFile] | None, File()] = None,
        machine: Annotated[list[UploadFile] | None, File()] = None,
        pasted_human: Annotated[str, Form(description=PASTED)] = "",
        pasted_machine: Annotated[str, Form(description=PASTED)] = "",
        attack: str = choice(offered.attacks),
        detector: str = choice(offered.trainable),
        share: Annotated[float, Form(gt=0, le=1)] = 0.2,
        fpr: Rate = 0.05,
    ) -> JobState:
        """Its document is that of ``sterling text evaluate --json``, of a detector trained here.

        The job's files are ``corpus.jsonl`` and ``attacked.jsonl``. Without texts of machines the
        packaged model continues the human ones, without these it continues Python's manual.
        """
        job = await service.attack(
            (pasted_human, human or []),
            (pasted_machine, machine or []),
            attack=attack,
            detector=detector,
            share=share,
            fpr=fpr,
        )
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return JobState(**job.to_dict())

    @routes.post("/text/watermark", summary="Test texts for the mark of a key")
    async def watermark(
        request: Request,
        key: Upload,
        texts: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Annotated[str, Form(description=PASTED)] = "",
        level: Rate = 0.01,
    ) -> dict[str, Any]:
        """As ``sterling text watermark detect --json``."""
        return await service.marks(request, key, pasted, texts or [], level=level)

    def job_named(job_id: str) -> Job:
        try:
            return service.jobs.get(job_id)
        except KeyError as error:
            raise HTTPException(404, "no such job; answers are kept for 15 minutes") from error

    @routes.get("/jobs/{job_id}", summary="State of a job, and its answer", responses=NO_JOB)
    async def job(job_id: str) -> JobState:
        return JobState(**job_named(job_id).to_dict())

    @routes.get(
        "/jobs/{job_id}/{file}",
        summary="A file of a job's answer",
        response_class=Response,  # of no kind, so that refusals are described as JSON
        responses={**NO_JOB, 200: {"content": {LINES: {}}}},
    )
    async def job_file(job_id: str, file: str) -> Response:
        """Texts, one JSON object a line."""
        return file_answer(job_named(job_id), file)

    @routes.delete("/jobs/{job_id}", summary="Cancel a job", responses=NO_JOB)
    def cancel(job_id: str) -> JobState:
        found = job_named(job_id)
        found.ticket.cancel()
        return JobState(**found.to_dict())

    @routes.get("/runs", summary="The runs of the folder, the newest first")
    async def runs(request: Request) -> dict[str, Any]:
        return await service.about_runs(request, "runs")

    @routes.get("/runs/compare", summary="Two runs compared")
    async def compare(request: Request, a: str, b: str) -> dict[str, Any]:
        """As ``sterling compare --json``."""
        return await service.about_runs(request, "comparison", a=a, b=b)

    @routes.get("/runs/{name:path}", summary="Evidence of a run")
    async def run(request: Request, name: str) -> dict[str, Any]:
        """As ``sterling run --json``."""
        return await service.about_runs(request, "evidence", name=name)

    return routes
