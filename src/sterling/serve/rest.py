"""The REST interface: the JSON documents of the command line, described by OpenAPI."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, HTTPException, Request, Response, UploadFile
from pydantic import BaseModel, Field

from sterling.guarantee import Procedure
from sterling.serve.jobs import Job, State
from sterling.serve.service import Service, UntrainedDetector

Upload = Annotated[UploadFile, File()]
Maybe = Annotated[UploadFile | None, File()]
Rate = Annotated[float, Form(gt=0, lt=1)]


class Refusal(BaseModel):
    """The answer to a request that was refused."""

    error: str = Field(description="One line: which field, and how to mend it.")


class JobState(BaseModel):
    """Work under way, or its answer."""

    id: str
    state: State
    done: int = Field(description="Texts scored so far.")
    total: int = Field(description="All texts, calibration included; 0 until it is known.")
    error: str = Field(description="Why it failed; empty unless it did.")
    document: dict[str, Any] | None = Field(description="The answer; null until it is done.")


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": description}
    for status, description in (
        (401, "The token is missing or wrong."),
        (403, "Sent from another site's page, or by another site's name."),
        (408, "The upload took too long."),
        (413, "The body is too large."),
        (422, "The input is wrong, or nothing could be measured."),
        (503, "Too many requests wait; see Retry-After."),
        (504, "The work took too long."),
    )
}


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

    @routes.post("/text/detect", status_code=202, summary="Start a list of machine-written texts")
    async def detect(
        response: Response,
        calibration: Annotated[list[UploadFile], File()],
        texts: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Annotated[str, Form(description="Texts, with lines --- between them.")] = "",
        fdr: Rate = 0.05,
        detector: Annotated[UntrainedDetector, Form()] = "fast_detect_gpt",
        procedure: Annotated[Procedure, Form()] = "bh",
    ) -> JobState:
        """Its document is that of ``sterling text detect --json``. Look at ``/v1/jobs/{id}``."""
        job = await service.detect(
            pasted, texts or [], calibration, fdr=fdr, detector=detector, procedure=procedure
        )
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return JobState(**job.to_dict())

    @routes.post("/text/watermark", summary="Test texts for the mark of a key")
    async def watermark(
        request: Request,
        key: Upload,
        texts: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Annotated[str, Form(description="Texts, with lines --- between them.")] = "",
        level: Rate = 0.01,
    ) -> dict[str, Any]:
        """As ``sterling text watermark detect --json``."""
        return await service.marks(request, key, pasted, texts or [], level=level)

    def job_named(job_id: str) -> Job:
        try:
            return service.jobs.get(job_id)
        except KeyError as error:
            raise HTTPException(404, "no such job; answers are kept for 15 minutes") from error

    @routes.get("/jobs/{job_id}", summary="State of a job, and its answer")
    async def job(job_id: str) -> JobState:
        return JobState(**job_named(job_id).to_dict())

    @routes.delete("/jobs/{job_id}", summary="Cancel a job")
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
