"""`sterling face embed | verify | identify | threshold`: whom does a photograph show?"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sterling.cli._options import given_command
from sterling.cli._run import OutOption, evidence_folder
from sterling.cli.studies import JsonFlag, show_evidence, show_json
from sterling.errors import InputError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.face.recognition import Embedding, Gallery, MatchThreshold

LargestFlag = Annotated[
    bool, typer.Option("--largest", help="Take the largest of several faces in a picture.")
]
ThresholdOption = Annotated[
    Path | None,
    typer.Option(
        help="File that sterling face threshold wrote; without: dlib's recommendation, 0.6."
    ),
]
GalleryHelp = "Folder <person>/<picture>, or what sterling face embed wrote (.parquet)."
ADVICE = "choose a threshold with error rates: sterling face threshold GALLERY --fmr 0.001"


def embed(
    photographs: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    out: Annotated[Path, typer.Option(help="The file to write (.parquet).")],
    largest: LargestFlag = False,
    as_json: JsonFlag = False,
) -> int:
    """Write the vectors of faces (dlib's ResNet-29, 128 numbers), or why a picture has none.

    The person is the first sub-folder's name, or else the file's. Exit status: 0 some picture has a
    vector, 3 none has.
    """
    from sterling.face.recognition import people_of, write_embeddings

    if out.suffix != ".parquet":
        raise InputError(f"--out {out}: give the name of a .parquet file")
    person, files = people_of(photographs)
    found = _embedded(files, largest=largest)
    write_embeddings(out, person, found)
    if as_json:
        answers = [
            {"person": name, **one.to_dict()} for name, one in zip(person, found, strict=True)
        ]
        show_json({"out": str(out), "answers": answers})
    else:
        for one in found:
            if one.vector is None:
                typer.echo(shown(f"{one.source}: {one.reason.replace('_', ' ')} ({one.note})"))
        typer.echo(shown(f"{out}: {_counted(found)}"))
    return 0 if any(one.vector is not None for one in found) else 3


def verify(
    first: Annotated[Path, typer.Argument(help="A photograph.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    threshold: ThresholdOption = None,
    largest: LargestFlag = False,
    as_json: JsonFlag = False,
) -> int:
    """Do two photographs show the same person? Exit status: 0 yes, 1 no, 3 cannot tell."""
    from sterling.face.recognition import embed as embed_pictures

    limit = _limit(threshold)
    both = embed_pictures([first, second], largest=largest)
    for one in both:
        if one.reason == "unreadable":
            raise InputError(f"{one.source}: {one.note}")
    missing = [one for one in both if one.vector is None]
    distance = None if missing else both[0].distance(both[1])
    same = None if distance is None else distance <= limit.threshold.value
    if as_json:
        show_json(
            {
                "same": same,
                "distance": distance,
                "threshold": _provenance(limit),
                "pictures": [one.to_dict() for one in both],
            }
        )
    else:
        for one in missing:
            typer.echo(shown(f"{one.source}: {one.reason.replace('_', ' ')}: {one.note}"))
        said = {None: "cannot tell", True: "same person", False: "different people"}[same]
        typer.echo(said if distance is None else f"{said}: distance {distance:.3f}")
        typer.echo(shown(limit.line()))
        _warn_of_overlap(limit, [str(first), str(second)])
        if threshold is None:
            typer.echo(ADVICE)
    return 3 if same is None else 0 if same else 1


def identify(
    context: typer.Context,
    probes: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    gallery: Annotated[Path, typer.Option(help=GalleryHelp)],
    threshold: ThresholdOption = None,
    rank: Annotated[int, typer.Option(min=1, help="Number of candidates shown.")] = 3,
    largest: LargestFlag = False,
    out: Annotated[
        Path | None, typer.Option(help="Run folder for a report with the faces side by side.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Name the person of a gallery whom each photograph shows, or "unknown".

    Exit status: 0 some picture was searched for, 3 no picture shows a face that is taken.
    """
    from sterling.face.recognition import identify as name_people
    from sterling.face.recognition import people_of
    from sterling.measure import clustered_rate

    limit = _limit(threshold)
    _, files = people_of(probes)
    known = _gallery(gallery, largest=largest)
    found = _embedded(files, largest=largest)
    answers = name_people(found, known, threshold=limit.threshold, rank=rank)
    fpir = None
    if len(known.people) > 1:
        _, strangers = known.strangers()
        fpir = clustered_rate(strangers <= limit.threshold.value, known.person)
    doubles = known.doubles()
    if out is not None:
        from sterling.cli._recognition_report import write_identifications

        write_identifications(
            out,
            answers,
            found,
            known,
            limit,
            fpir,
            command=given_command(context),
        )
    if as_json:
        show_json(
            {
                "gallery": {"people": len(known.people), "pictures": len(known.person)},
                "threshold": _provenance(limit),
                "fpir": None if fpir is None else dataclasses.asdict(fpir),
                "may be one person": doubles,
                "answers": [answer.to_dict() for answer in answers],
            }
        )
    else:
        from sterling.face.recognition.match_threshold import percent

        for answer in answers:
            typer.echo(answer.line())
        said = [f"{sum(answer.person is not None for answer in answers)} named"]
        said += _reasons(answer.reason for answer in answers)
        typer.echo(f"{', '.join(said)}; {len(known.people)} people in the gallery")
        typer.echo(shown(limit.line()))
        if fpir is not None:
            typer.echo(f"FPIR {percent(fpir)} in this gallery: pictures taken for somebody else")
        _show_doubles(doubles)
        _show_refused(known)
        _warn_of_overlap(limit, files)
        if within := len({*files} & {*known.source.tolist()}):
            typer.echo(f"note: {within} of these pictures are in the gallery: they find themselves")
        if threshold is None:
            typer.echo(ADVICE)
        if out is not None:
            typer.echo(f"Report: {out / 'report.html'}")
    return 0 if any(one.vector is not None for one in found) else 3


def threshold(
    context: typer.Context,
    gallery: Annotated[Path, typer.Argument(help=GalleryHelp)],
    fmr: Annotated[
        float | None,
        typer.Option(help="Share of pairs of two people that may match, for verify."),
    ] = None,
    fpir: Annotated[
        float | None,
        typer.Option(help="Share of strangers who may be named, for identify in this gallery."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns person and group: also measure each group."),
    ] = None,
    largest: LargestFlag = False,
    out: OutOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Divides the people for the check.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Choose the threshold of verify and identify on people of yours, and measure its error rates.

    Refuses a rate that the gallery cannot show: it takes 10 / FMR pairs of two people, or 10 / FPIR
    pictures. dlib's recommendation is measured, too; without a rate, it alone.
    """
    from sterling.cli._recognition_report import write_rates
    from sterling.face.recognition import (
        DLIB_THRESHOLD,
        MatchThreshold,
        choose_threshold,
        group_rates,
        held_out_fmr,
        measure_rates,
        turn_groups,
        write_threshold,
    )
    from sterling.face.recognition.match_threshold import FILE, percent

    out = evidence_folder(out, "face-threshold")
    known = _gallery(gallery, largest=largest)
    listed = None if groups is None else _groups(groups, known)
    limits = [DLIB_THRESHOLD]
    rated = fmr is not None or fpir is not None
    if rated:
        limits.insert(0, choose_threshold(known, fmr=fmr, fpir=fpir, source=str(gallery)))
    measured = [MatchThreshold(one, measure_rates(known, one)) for one in limits]
    checked = None if fmr is None else held_out_fmr(known, fmr, seed=seed)
    limit = measured[0].threshold
    parts = group_rates(known, limit, turn_groups(known))
    if listed is not None:
        parts += group_rates(known, limit, listed)
    command = given_command(context)
    evidence = write_rates(out, known, measured, parts, checked, seed=seed, command=command)
    if rated:
        write_threshold(out / FILE, measured[0])
    if as_json:
        show_evidence(evidence)
        return
    for one in measured:
        typer.echo(shown(one.line()))
        if one.rates is not None:
            named = {"FPIR": one.rates.fpir, "TPIR": one.rates.tpir}
            rates = [f"{name} {percent(rate)}" for name, rate in named.items() if rate]
            typer.echo(f"  in a gallery of these people: {', '.join(rates)}")
    for part in parts:
        named = {"FMR": part.fmr, "FNMR": part.fnmr}
        rates = [f"{name} {percent(rate)}" for name, rate in named.items() if rate]
        typer.echo(
            shown(f"  {part.group} ({part.people} people): {', '.join(rates) or 'too few people'}")
        )
    if checked is not None:
        typer.echo(f"FMR on people held out: {percent(checked)}, chosen for {fmr:g}")
    elif fmr is not None:
        typer.echo("FMR on people held out: not measured, half of the people are too few")
    _show_doubles(known.doubles())
    _show_refused(known)
    typer.echo(f"Report: {out / 'report.html'}")
    if rated:
        verb = "verify A B" if fpir is None else f"identify PICTURES --gallery {gallery}"
        typer.echo(f"next: sterling face {verb} --threshold {out / FILE}")


def _embedded(files: Sequence[str], *, largest: bool) -> "list[Embedding]":
    from sterling.face.recognition import embed as embed_pictures
    from sterling.runs import track

    with track("faces", len(files)) as advance:
        return embed_pictures(files, largest=largest, progress=advance)


def _gallery(path: Path, *, largest: bool) -> "Gallery":
    from sterling.face.recognition import Gallery, people_of
    from sterling.runs import track

    if path.suffix == ".parquet":
        return Gallery.read(path)
    with track("gallery", len(people_of([path])[1])) as advance:
        return Gallery.read(path, largest=largest, progress=advance)


def _groups(path: Path, gallery: "Gallery") -> Any:
    """Group of each picture of a gallery, from a table of people."""
    import numpy as np

    from sterling.tables import read_table

    table = read_table(path)
    known = dict(zip(table.texts("person"), table.texts("group"), strict=True))
    if absent := sorted(set(gallery.people.tolist()) - set(known)):
        raise InputError(f"{path}: no group of {absent[0]} ({len(absent)} people have none)")
    return np.array([known[str(person)] for person in gallery.person])


def _limit(path: Path | None) -> "MatchThreshold":
    from sterling.face.recognition import DLIB, read_threshold

    return DLIB if path is None else read_threshold(path)


def _provenance(limit: "MatchThreshold") -> dict[str, Any]:
    chosen = limit.threshold
    return {
        "value": chosen.value,
        "rule": chosen.rule,
        "source": chosen.source,
        "rates": None if limit.rates is None else dataclasses.asdict(limit.rates),
    }


def _counted(found: "Sequence[Embedding]") -> str:
    given = sum(one.vector is not None for one in found)
    said = f"{given} of {len(found)} pictures have a vector"
    return ", ".join([said, *_reasons(one.reason for one in found)])


def _reasons(reasons: Iterable[str]) -> list[str]:
    """Count each reason, the most frequent first."""
    counted = Counter(reason.replace("_", " ") for reason in reasons if reason)
    return [f"{count} {reason}" for reason, count in counted.most_common()]


def _show_refused(gallery: "Gallery") -> None:
    if listed := _reasons(one.reason for one in gallery.refused):
        typer.echo(f"left out: {', '.join(listed)}")


def _show_doubles(doubles: list[tuple[str, str, float]]) -> None:
    for first, second, distance in doubles[:5]:
        typer.echo(
            shown(f"may be one person under two names: {first}, {second} (distance {distance:.3f})")
        )
    if len(doubles) > 5:
        typer.echo(f"and {len(doubles) - 5} more such pairs")


def _warn_of_overlap(limit: "MatchThreshold", files: Sequence[str]) -> None:
    from sterling.measure.threshold import digest_items

    shared = len(limit.threshold.items & digest_items(files))
    if shared:
        typer.echo(f"note: the threshold was chosen on {shared} of these pictures")
