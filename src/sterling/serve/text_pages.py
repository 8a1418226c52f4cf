"""The pages about texts, and those of jobs."""

from typing import Annotated, Any, get_args

from fastapi import APIRouter, File, Form, HTTPException, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from sterling.guarantee import Procedure
from sterling.serve.jobs import Job
from sterling.serve.rendering import Pages
from sterling.serve.rest import Rate, Upload, choice, file_answer
from sterling.serve.service import Service

STEPS = {
    "build": "Build the corpus",
    "attack": "Attack the machine's test texts",
    "train": "Train and calibrate the detector",
    "evaluate": "Score before and after",
}
"""Steps of an attack in their order, as the page names them."""


def text_page_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    """Add the pages about texts."""
    _mark_and_list_routes(routes, service, pages)
    _attack_routes(routes, service, pages)
    _job_routes(routes, service, pages)


def _mark_and_list_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    offered = service.choices

    def show(**values: Any) -> Response:
        choices = {"detectors": offered.detectors, "procedures": get_args(Procedure)}
        return pages.show("text", **{"marks": None} | choices | values)

    @routes.get("/text")
    async def form() -> Response:
        return show()

    @routes.post("/text/detect")
    async def detect(
        calibration: Annotated[list[UploadFile], File()],
        texts: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Annotated[str, Form()] = "",
        fdr: Rate = 0.05,
        detector: str = choice(offered.detectors),
        procedure: Annotated[Procedure, Form()] = "bh",
    ) -> Response:
        job = await service.detect(
            pasted, texts or [], calibration, fdr=fdr, detector=detector, procedure=procedure
        )
        return RedirectResponse(f"/jobs/{job.id}", 303)

    @routes.post("/text/watermark")
    async def watermark(
        request: Request,
        key: Upload,
        texts: Annotated[list[UploadFile] | None, File()] = None,
        pasted: Annotated[str, Form()] = "",
        level: Rate = 0.01,
    ) -> Response:
        found = await service.marks(request, key, pasted, texts or [], level=level)
        return show(marks=found)


def _attack_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    offered, research = service.choices, service.settings.research_use

    @routes.get("/text/attack")
    async def form() -> Response:
        return pages.show("attack", offered=offered, research=research)

    @routes.post("/text/attack")
    async def attack(
        human: Annotated[list[UploadFile] | None, File()] = None,
        machine: Annotated[list[UploadFile] | None, File()] = None,
        pasted_human: Annotated[str, Form()] = "",
        pasted_machine: Annotated[str, Form()] = "",
        attack: str = choice(offered.attacks),
        detector: str = choice(offered.trainable),
        share: Annotated[float, Form(gt=0, le=1)] = 0.2,
        fpr: Rate = 0.05,
    ) -> Response:
        job = await service.attack(
            (pasted_human, human or []),
            (pasted_machine, machine or []),
            attack=attack,
            detector=detector,
            share=share,
            fpr=fpr,
        )
        return RedirectResponse(f"/jobs/{job.id}", 303)


def _job_routes(routes: APIRouter, service: Service, pages: Pages) -> None:
    def named(job_id: str) -> Job:
        try:
            return service.jobs.get(job_id)
        except KeyError as error:
            raise HTTPException(404, "no such job; answers are kept for 15 minutes") from error

    @routes.get("/jobs/{job_id}")
    async def job(job_id: str) -> Response:
        found = named(job_id)
        steps = STEPS if found.task == "attacked_texts" else {}
        return pages.show("job", job=found.to_dict(), steps=steps)

    @routes.get("/jobs/{job_id}/{file}")
    async def job_file(job_id: str, file: str) -> Response:
        return file_answer(named(job_id), file)

    @routes.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> Response:
        named(job_id).ticket.cancel()
        return RedirectResponse(f"/jobs/{job_id}", 303)
